//! Who takes which finalizer off: a deletion that hangs waits for that controller. Pure data.
//!
//! From the controllers' own sources; a finalizer that is not listed is usually named after its controller.

/// Finalizers and who removes them, with what it waits for.
const HOLDERS: [(&str, &str); 22] = [
    ("foregroundDeletion", "the garbage collector, once its dependants are gone"),
    ("orphan", "the garbage collector, once its dependants are released"),
    ("kubernetes", "the namespace controller, once everything in it is gone"),
    ("kubernetes.io/pvc-protection", "kube-controller-manager, once no pod uses the claim"),
    ("kubernetes.io/pv-protection", "kube-controller-manager, once no claim is bound to the volume"),
    ("external-provisioner.volume.kubernetes.io/finalizer", "the CSI driver's external-provisioner"),
    ("external-attacher/", "the CSI driver's external-attacher, once the volume is detached"),
    ("snapshot.storage.kubernetes.io/", "the snapshot controller"),
    ("service.kubernetes.io/load-balancer-cleanup", "the cloud controller or load-balancer controller"),
    ("batch.kubernetes.io/job-tracking", "the Job controller"),
    ("customresourcecleanup.apiextensions.k8s.io", "kube-apiserver, once every object of the kind is gone"),
    ("mariadb.k8s.mariadb.com/", "mariadb-operator"),
    ("k8s.mariadb.com/", "mariadb-operator"),
    ("deletion.finalizers.rabbitmqclusters.rabbitmq.com", "rabbitmq-cluster-operator"),
    ("deletion.finalizers.", "the RabbitMQ messaging-topology-operator"),
    ("cephcluster.ceph.rook.io", "rook-ceph-operator, once no pool, filesystem or object store is left"),
    ("ceph.rook.io", "rook-ceph-operator"),
    ("kubeovn.io/", "kube-ovn-controller"),
    ("kube-ovn-controller", "kube-ovn-controller"),
    ("finalizer.acme.cert-manager.io", "cert-manager"),
    (
        "gateway-exists-finalizer.gateway.networking.k8s.io",
        "the gateway controller, once no Gateway uses the class",
    ),
    ("retune.dev/cloud", "retune, once everything of the cloud is gone"),
];

/// Who removes a finalizer, if it is known.
#[must_use]
pub fn holder(finalizer: &str) -> Option<&'static str> {
    let exact = HOLDERS.iter().find(|(name, _)| *name == finalizer);
    let prefix =
        || HOLDERS.iter().find(|(name, _)| name.ends_with(['/', '.']) && finalizer.starts_with(name));
    let suffix = || {
        HOLDERS.iter().find(|(name, _)| {
            name.contains('.') && finalizer.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))
        })
    };
    exact.or_else(prefix).or_else(suffix).map(|(_, who)| *who)
}

/// `kubernetes.io/pvc-protection (kube-controller-manager, once no pod uses the claim)`; `set_by` is the manager that put
/// it there, for those nobody knows.
#[must_use]
pub fn told(finalizer: &str, set_by: Option<&str>) -> String {
    match (holder(finalizer), set_by) {
        (Some(who), _) => format!("{finalizer} ({who})"),
        (None, Some(manager)) => format!("{finalizer} (set by {manager})"),
        (None, None) => format!("{finalizer} (whoever set it; its controller is not known)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalizers_name_their_controllers() {
        assert!(holder("kubernetes.io/pvc-protection").is_some());
        assert_eq!(holder("external-attacher/csi-x"), Some(HOLDERS[6].1));
        assert_eq!(holder("cephblockpool.ceph.rook.io"), Some("rook-ceph-operator"));
        assert_eq!(holder("example.org/mine"), None);
        assert_eq!(told("example.org/mine", Some("op")), "example.org/mine (set by op)");
    }
}
