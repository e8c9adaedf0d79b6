//! What an init container of OpenStack-Helm waits for, read from its environment. Pure.
//!
//! helm-toolkit's init containers run kubernetes-entrypoint, which reads `DEPENDENCY_*` variables:
//! <https://opendev.org/airship/kubernetes-entrypoint>. Names are separated by commas, each `name` or `namespace:name`.

use crate::cluster::objects::selector;
use serde_json::Value;

/// Something that a container waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// An object: kind, namespace, name.
    Object {
        /// `Job`, `Service` or `DaemonSet`.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Pods or Jobs with these labels.
    Labelled {
        /// `Pod` or `Job`.
        kind: &'static str,
        /// Their namespace.
        namespace: String,
        /// A label selector.
        selector: String,
    },
    /// A custom resource.
    Custom {
        /// `k8s.mariadb.com/v1alpha1`
        api_version: String,
        /// `MariaDB`
        kind: String,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Something inside the pod or on its node: a socket, a configuration file, a container.
    Local(String),
}

/// Where a plain list of names is, and of which kind.
const LISTS: [(&str, &str); 3] =
    [("DEPENDENCY_SERVICE", "Service"), ("DEPENDENCY_JOBS", "Job"), ("DEPENDENCY_DAEMONSET", "DaemonSet")];

/// What a container waits for; `namespace` is its pod's.
#[must_use]
pub fn dependencies(container: &Value, namespace: &str) -> Vec<Dependency> {
    let mut out = Vec::new();
    for variable in container["env"].as_array().into_iter().flatten() {
        let (name, value) =
            (variable["name"].as_str().unwrap_or(""), variable["value"].as_str().unwrap_or("").trim());
        if value.is_empty() {
            continue;
        }
        let words = || value.split(',').map(str::trim).filter(|w| !w.is_empty());
        if let Some((_, kind)) = LISTS.iter().find(|(variable, _)| *variable == name) {
            out.extend(words().map(|word| {
                let (of, object) = word.split_once(':').unwrap_or((namespace, word));
                Dependency::Object { kind, namespace: of.to_owned(), name: object.to_owned() }
            }));
            continue;
        }
        let list = || serde_json::from_str::<Vec<Value>>(value).unwrap_or_default();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let of = |item: &Value| match text(item, "namespace") {
            none if none.is_empty() => namespace.to_owned(),
            some => some,
        };
        match name {
            "DEPENDENCY_POD_JSON" => out.extend(list().iter().map(|item| Dependency::Labelled {
                kind: "Pod",
                namespace: of(item),
                selector: selector(&item["labels"]),
            })),
            "DEPENDENCY_JOBS_JSON" => out.extend(list().iter().map(|item| match text(item, "name") {
                none if none.is_empty() => Dependency::Labelled {
                    kind: "Job",
                    namespace: of(item),
                    selector: selector(&item["labels"]),
                },
                name => Dependency::Object { kind: "Job", namespace: of(item), name },
            })),
            "DEPENDENCY_CUSTOM_RESOURCE" => out.extend(list().iter().map(|item| Dependency::Custom {
                api_version: text(item, "apiVersion"),
                kind: text(item, "kind"),
                namespace: of(item),
                name: text(item, "name"),
            })),
            "DEPENDENCY_SOCKET" => {
                out.extend(words().map(|w| Dependency::Local(format!("the socket {w} on its node"))))
            }
            "DEPENDENCY_CONFIG" => out.extend(words().map(|w| Dependency::Local(format!("the file {w}")))),
            "DEPENDENCY_CONTAINER" => {
                out.extend(words().map(|w| Dependency::Local(format!("the container {w} of its pod"))));
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dependencies_are_read_from_the_environment_as_helm_toolkit_writes_it() {
        let container = json!({"name": "init", "env": [
            {"name": "POD_NAME", "valueFrom": {}}, {"name": "PATH", "value": "/usr/bin"},
            {"name": "DEPENDENCY_SERVICE", "value": "openstack:mariadb, memcached"},
            {"name": "DEPENDENCY_JOBS", "value": "keystone-db-sync,"},
            {"name": "DEPENDENCY_DAEMONSET", "value": ""},
            {"name": "DEPENDENCY_POD_JSON", "value": "[{\"labels\":{\"application\":\"ovs\"},\"requireSameNode\":true}]"},
            {"name": "DEPENDENCY_CUSTOM_RESOURCE", "value": "[{\"apiVersion\":\"k8s.mariadb.com/v1alpha1\",\"kind\":\"MariaDB\",\"name\":\"db\"}]"},
            {"name": "DEPENDENCY_SOCKET", "value": "/run/x.sock"},
            {"name": "DEPENDENCY_JOBS_JSON", "value": "not JSON"}]});
        let object = |kind, namespace: &str, name: &str| Dependency::Object {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        };
        assert_eq!(
            dependencies(&container, "here"),
            [
                object("Service", "openstack", "mariadb"),
                object("Service", "here", "memcached"),
                object("Job", "here", "keystone-db-sync"),
                Dependency::Labelled {
                    kind: "Pod",
                    namespace: "here".into(),
                    selector: "application=ovs".into()
                },
                Dependency::Custom {
                    api_version: "k8s.mariadb.com/v1alpha1".into(),
                    kind: "MariaDB".into(),
                    namespace: "here".into(),
                    name: "db".into()
                },
                Dependency::Local("the socket /run/x.sock on its node".into()),
            ]
        );
    }
}
