//! What retune needs in a cluster: its CRDs, its namespace, its RBAC, and (on request) its Deployment.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{APPLY_PATCH, Call, Client, Purpose};
use super::error::{ApiError, Backoff, ErrorKind, jitter};
use super::{SYSTEM_NAMESPACE, crd};

/// What `retune install` applies, in order.
///
/// The syncer's role is broad, because a cloud contains any kind (RBAC itself included): it may read, watch, create,
/// patch and delete all kinds, and grant roles (`escalate`, `bind`). It may not impersonate, update or delete whole collections.
/// A metadata watch of Secrets needs `list` and `watch` on Secrets, which can read them.
#[must_use]
pub fn manifests(image: Option<&str>) -> Vec<Value> {
    let mut out =
        vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})];
    out.extend(crd::definitions());
    out.push(json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "retune", "namespace": SYSTEM_NAMESPACE}}));
    out.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "retune-syncer"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]},
            {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "clusterroles"], "verbs": ["escalate", "bind"]},
            {"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"], "verbs": ["get"]}]}));
    out.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "retune-syncer"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "retune-syncer"},
        "subjects": [{"kind": "ServiceAccount", "name": "retune", "namespace": SYSTEM_NAMESPACE}]}));
    // For people: see everything, steer (pin, suspend, approve), touch no memory.
    out.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "retune-operator"},
        "rules": [
            {"apiGroups": [crd::GROUP], "resources": ["cloudsyncs", "inventories"], "verbs": ["get", "list", "watch"]},
            {"apiGroups": [crd::GROUP], "resources": ["cloudsyncs"], "verbs": ["create", "patch", "update"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]}]}));
    // For people: `retune why`. Not bound to anybody; Secrets are read to mask their values.
    out.push(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "retune-why"},
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list"]},
            {"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/version"], "verbs": ["get"]}]}));
    if let Some(image) = image {
        out.push(deployment(image));
    }
    out
}

fn deployment(image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "retune", "namespace": SYSTEM_NAMESPACE},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app.kubernetes.io/name": "retune"}},
            "template": {"metadata": {"labels": {"app.kubernetes.io/name": "retune"}},
                "spec": {"serviceAccountName": "retune", "terminationGracePeriodSeconds": 30,
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [{"name": "retune", "image": image, "args": ["run", "--cloud", "default", "--data", "/data"],
                        "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                            "capabilities": {"drop": ["ALL"]}},
                        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
                        "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                    "volumes": [{"name": "data", "emptyDir": {}}]}}}})
}

/// Applies the manifests and waits until retune's kinds are served.
///
/// # Errors
/// The first manifest that the server refuses, or the kinds not being served within half a minute.
pub async fn install(client: &Client, image: Option<&str>) -> Result<Vec<String>, ApiError> {
    let mut done = Vec::new();
    for manifest in manifests(image) {
        let kind = manifest["kind"].as_str().unwrap_or_default().to_owned();
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let collection = match kind.as_str() {
            "Namespace" => "/api/v1/namespaces".to_owned(),
            "CustomResourceDefinition" => {
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions".to_owned()
            }
            "ServiceAccount" => format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/serviceaccounts"),
            "Deployment" => format!("/apis/apps/v1/namespaces/{SYSTEM_NAMESPACE}/deployments"),
            other => format!("/apis/rbac.authorization.k8s.io/v1/{}s", other.to_lowercase()),
        };
        let path = format!("{collection}/{name}?fieldManager=retune-install&force=true");
        let what = || format!("install {kind} {name}");
        client.request(Purpose::Own, &what, Call::patch(&path, APPLY_PATCH, manifest.to_string())).await?;
        done.push(format!("{kind} {name}"));
    }
    wait_served(client).await?;
    Ok(done)
}

/// Waits until retune's kinds are served.
///
/// # Errors
/// The last answer, when they are not served within half a minute.
pub async fn wait_served(client: &Client) -> Result<(), ApiError> {
    let mut backoff = Backoff::new(Duration::from_millis(40), Duration::from_secs(1));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let mut last = None;
        for plural in ["cloudsyncs", "inventories"] {
            let path = format!(
                "/apis/{}/{}/namespaces/{SYSTEM_NAMESPACE}/{plural}?limit=1",
                crd::GROUP,
                crd::VERSION
            );
            if let Err(error) = client.get::<Value>(&path).await {
                last = Some(error);
            }
        }
        match last {
            None => return Ok(()),
            Some(error) if tokio::time::Instant::now() > deadline || error.kind == ErrorKind::Denied => {
                return Err(error);
            }
            Some(_) => tokio::time::sleep(backoff.next(jitter())).await,
        }
    }
}
