//! What the API server serves: kinds, their versions, plural names and scope, by aggregated discovery (two requests,
//! <https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery>).

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::client::{Call, Client, Purpose};
use super::error::{ApiError, ErrorKind};

const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// One served kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// The API group, empty for the core group.
    pub group: Arc<str>,
    /// The version.
    pub version: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The plural name used in paths.
    pub plural: Arc<str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether the server lists and watches it.
    pub watchable: bool,
}

impl Resource {
    /// `/api/v1` or `/apis/GROUP/VERSION`.
    #[must_use]
    pub fn prefix(&self) -> String {
        if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        }
    }

    /// The path of all objects, in one namespace or (with an empty namespace) in all.
    #[must_use]
    pub fn collection(&self, namespace: &str) -> String {
        if namespace.is_empty() || !self.namespaced {
            format!("{}/{}", self.prefix(), self.plural)
        } else {
            format!("{}/namespaces/{}/{}", self.prefix(), escape(namespace), self.plural)
        }
    }

    /// The path of one object.
    #[must_use]
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.collection(namespace), escape(name))
    }
}

/// Percent-encodes what may not stand in a path segment (RBAC names contain `:`, which may).
#[must_use]
pub fn escape(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// What the server serves.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    /// By group and kind, in the server's order of preference.
    kinds: HashMap<(Arc<str>, Arc<str>), Vec<Resource>>,
    /// Groups whose discovery the server calls stale (an aggregated API that is down).
    stale: Vec<String>,
}

#[derive(Deserialize)]
struct GroupList {
    #[serde(default)]
    items: Vec<Group>,
}
#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: GroupMeta,
    #[serde(default)]
    versions: Vec<Version>,
}
#[derive(Deserialize, Default)]
struct GroupMeta {
    #[serde(default)]
    name: String,
}
#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    resources: Vec<ServedResource>,
    #[serde(default)]
    freshness: String,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServedResource {
    resource: String,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Vec<String>,
}
#[derive(Deserialize)]
struct ResponseKind {
    #[serde(default)]
    kind: String,
}

impl Discovery {
    /// Asks the server.
    ///
    /// # Errors
    /// When either request fails, or the server is too old for aggregated discovery (before Kubernetes 1.30).
    pub async fn fetch(client: &Client) -> Result<Self, ApiError> {
        let mut out = Self::default();
        for path in ["/api", "/apis"] {
            let what = || format!("discovery {path}");
            let mut call = Call::get(path);
            call.accept = ACCEPT;
            let body = client.request(Purpose::Read, &what, call).await?;
            let list: GroupList = serde_json::from_slice(&body).map_err(|e| ApiError {
                kind: ErrorKind::Invalid,
                what: what(),
                message: format!(
                    "{e}: the server does not do aggregated discovery; Kubernetes 1.30 or later is needed"
                ),
                status: 200,
                causes: Vec::new(),
                retry_after: None,
            })?;
            out.add(list);
        }
        Ok(out)
    }

    fn add(&mut self, list: GroupList) {
        for group in list.items {
            let name: Arc<str> = group.metadata.name.into();
            for version in group.versions {
                if version.freshness == "Stale" {
                    self.stale.push(format!("{name}/{}", version.version));
                }
                let number: Arc<str> = version.version.into();
                for served in version.resources {
                    let Some(kind) = served.response_kind.filter(|k| !k.kind.is_empty()) else { continue };
                    let kind: Arc<str> = kind.kind.into();
                    let resource = Resource {
                        group: Arc::clone(&name),
                        version: Arc::clone(&number),
                        kind: Arc::clone(&kind),
                        plural: served.resource.into(),
                        namespaced: served.scope == "Namespaced",
                        watchable: ["list", "watch"].iter().all(|v| served.verbs.iter().any(|s| s == v)),
                    };
                    self.kinds.entry((Arc::clone(&name), kind)).or_default().push(resource);
                }
            }
        }
    }

    /// The resource of a group, version and kind.
    #[must_use]
    pub fn resource(&self, group: &str, version: &str, kind: &str) -> Option<&Resource> {
        self.versions(group, kind)?.iter().find(|r| &*r.version == version)
    }

    /// The resource of a kind at the version the server prefers.
    #[must_use]
    pub fn preferred(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.versions(group, kind)?.first()
    }

    fn versions(&self, group: &str, kind: &str) -> Option<&Vec<Resource>> {
        self.kinds.get(&(Arc::from(group), Arc::from(kind)))
    }

    /// Whether a plural name of a group is served, by the name of its CRD (`users.k8s.mariadb.com`).
    #[must_use]
    pub fn serves_definition(&self, name: &str) -> bool {
        self.definition(name).is_some()
    }

    /// The kind of a CRD, by the CRD's name (`plural.group`).
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<&Resource> {
        let (plural, group) = name.split_once('.')?;
        let served = self.kinds.iter().filter(|((g, _), _)| &**g == group).flat_map(|(_, served)| served);
        served.into_iter().find(|r| &*r.plural == plural)
    }

    /// Groups that did not answer the server's own discovery.
    #[must_use]
    pub fn stale(&self) -> &[String] {
        &self.stale
    }

    /// Every served kind at its preferred version.
    pub fn all(&self) -> impl Iterator<Item = &Resource> {
        self.kinds.values().filter_map(|v| v.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_discovery_gives_scope_plural_and_preference() {
        let list: GroupList = serde_json::from_str(
            r#"{"items":[{"metadata":{"name":"apps"},"versions":[
                {"version":"v1","freshness":"Current","resources":[{"resource":"deployments","scope":"Namespaced",
                  "responseKind":{"group":"apps","version":"v1","kind":"Deployment"},
                  "subresources":[{"subresource":"scale","responseKind":{"kind":"Scale"}}]}]},
                {"version":"v1beta1","resources":[{"resource":"deployments","scope":"Namespaced","responseKind":{"kind":"Deployment"}}]}]}]}"#,
        )
        .unwrap();
        let mut discovery = Discovery::default();
        discovery.add(list);
        let preferred = discovery.preferred("apps", "Deployment").unwrap();
        assert_eq!(&*preferred.version, "v1");
        assert_eq!(preferred.object("ns", "api"), "/apis/apps/v1/namespaces/ns/deployments/api");
        assert!(discovery.resource("apps", "v1beta1", "Deployment").is_some());
        assert!(discovery.preferred("", "Deployment").is_none());
    }

    #[test]
    fn names_are_escaped_for_paths() {
        assert_eq!(escape("system:node"), "system:node");
        assert_eq!(escape("a/b c"), "a%2Fb%20c");
    }
}
