//! What a chart may ask about the cluster and about Helm: `.Capabilities`.
//!
//! Offline defaults are those of Helm v4.3.1: Kubernetes 1.37.0 (its client-go's version) and the API versions that its
//! client-go knows, without kinds. `--kube-version` and `--api-versions` replace the one and add to the other.

use std::any::Any;
use std::rc::Rc;

use crate::template::types::Named;
use crate::template::{Func, Kind, Object, Signature, Type, Value};

use super::error::Error;

/// A Kubernetes version as a chart sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// As given, with a leading `v`: `v1.33.4-gke.1245000`.
    pub version: String,
    /// What constraints are checked against: `v1.33.4`.
    pub normalized: String,
    /// Major.
    pub major: String,
    /// Minor.
    pub minor: String,
}

impl Default for KubeVersion {
    fn default() -> Self {
        let version = "v1.37.0".to_owned();
        Self { normalized: version.clone(), version, major: "1".to_owned(), minor: "37".to_owned() }
    }
}

impl KubeVersion {
    /// Reads a version as `--kube-version` does: at least major and minor; what follows the numbers is kept but ignored.
    ///
    /// # Errors
    /// It is not a version.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let invalid = |why: String| Error::Values(format!("invalid kube version '{text}': {why}"));
        let trimmed = text.trim_start();
        let numbers = trimmed.strip_prefix('v').unwrap_or(trimmed);
        let mut end = 0;
        for part in numbers.split('.') {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                break;
            }
            end += usize::from(end > 0) + digits;
            if digits < part.len() {
                break;
            }
        }
        let parts: Vec<&str> = numbers[..end].split('.').collect();
        if end == 0 {
            return Err(invalid(format!("could not parse {text:?} as version")));
        }
        if parts.len() < 2 {
            return Err(invalid(format!("illegal version string {text:?}")));
        }
        if parts[0].len() > 1 && parts[0].starts_with('0') {
            return Err(invalid(format!(
                "illegal zero-prefixed version component {:?} in {text:?}",
                parts[0]
            )));
        }
        let parts: Vec<String> = parts
            .iter()
            .map(|p| p.parse::<u64>().map(|n| n.to_string()))
            .collect::<Result<_, _>>()
            .map_err(|e| invalid(format!("illegal non-numeric version component in {text:?}: {e}")))?;
        Ok(Self {
            version: if text.starts_with('v') { text.to_owned() } else { format!("v{text}") },
            normalized: format!("v{}", parts.join(".")),
            major: parts[0].clone(),
            minor: parts[1].clone(),
        })
    }
}

/// The API versions of Helm v4.3.1's client-go, in its order.
pub const API_VERSIONS: [&str; 57] = [
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

static CAPABILITIES: Named = Named { name: "*common.Capabilities", kind: Kind::Ptr, underlying: None };
static KUBE_VERSION: Named = Named { name: "common.KubeVersion", kind: Kind::Struct, underlying: None };
static VERSION_SET: Named =
    Named { name: "common.VersionSet", kind: Kind::Slice, underlying: Some(Type::STRINGS) };
static BUILD_INFO: Named = Named { name: "version.BuildInfo", kind: Kind::Struct, underlying: None };

/// The value of `.Capabilities`.
pub(super) fn value(kube: &KubeVersion, extra: &[String]) -> Value {
    let apis = API_VERSIONS.iter().copied().chain(extra.iter().map(String::as_str));
    Value::Object(Rc::new(Capabilities {
        kube: Value::Object(Rc::new(kube.clone())),
        apis: Value::Object(Rc::new(VersionSet(Value::strings(apis)))),
        helm: Value::Object(Rc::new(BuildInfo)),
    }))
}

struct Capabilities {
    kube: Value,
    apis: Value,
    helm: Value,
}

impl Object for Capabilities {
    fn go_type(&self) -> Type {
        Type::Named(&CAPABILITIES)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        // `Copy` is exported too; no chart has a use for it.
        let _ = name;
        None
    }
    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "KubeVersion" => self.kube.clone(),
            "APIVersions" => self.apis.clone(),
            "HelmVersion" => self.helm.clone(),
            _ => return None,
        })
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", self.kube.clone()),
            ("APIVersions", self.apis.clone()),
            ("HelmVersion", self.helm.clone()),
        ]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn text_method(name: &str, text: &str) -> Option<Rc<Func>> {
    let text = Value::str(text);
    let signature = Signature::fixed(&[], Type::String);
    Some(Rc::new(Func::closure(name, signature, move |_, _| Ok(text.clone()))))
}

impl Object for KubeVersion {
    fn go_type(&self) -> Type {
        Type::Named(&KUBE_VERSION)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        match name {
            "String" => text_method(name, &self.normalized),
            "GitVersion" => text_method(name, &self.version),
            _ => None,
        }
    }
    fn field(&self, name: &str) -> Option<Value> {
        Some(Value::str(match name {
            "Version" => &*self.version,
            "Major" => &*self.major,
            "Minor" => &*self.minor,
            _ => return None,
        }))
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::str(&*self.version)),
            ("Major", Value::str(&*self.major)),
            ("Minor", Value::str(&*self.minor)),
        ]
    }
    fn string(&self) -> Option<String> {
        Some(self.normalized.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct VersionSet(Value);

impl Object for VersionSet {
    fn go_type(&self) -> Type {
        Type::Named(&VERSION_SET)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        if name != "Has" {
            return None;
        }
        let versions = self.0.clone();
        let signature = Signature::fixed(&[Type::String], Type::Bool);
        Some(Rc::new(Func::closure(name, signature, move |_, args| {
            let wanted = args[0].bytes();
            let known = versions.as_list().is_some_and(|l| l.items().iter().any(|v| v.bytes() == wanted));
            Ok(Value::Bool(known))
        })))
    }
    fn underlying(&self) -> Option<Value> {
        Some(self.0.clone())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct BuildInfo;

impl BuildInfo {
    const FIELDS: [(&'static str, &'static str); 5] = [
        ("Version", "v4.3.1"),
        ("GitCommit", ""),
        ("GitTreeState", ""),
        ("GoVersion", "go1.26.8"),
        ("KubeClientVersion", "v1.37"),
    ];
}

impl Object for BuildInfo {
    fn go_type(&self) -> Type {
        Type::Named(&BUILD_INFO)
    }
    fn field(&self, name: &str) -> Option<Value> {
        Self::FIELDS.iter().find(|(n, _)| *n == name).map(|(_, v)| Value::str(*v))
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Self::FIELDS.iter().map(|(n, v)| (*n, Value::str(*v))).collect()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kube_versions_keep_their_suffix_but_are_compared_without() {
        let v = KubeVersion::parse("1.33.4-gke.1245000").unwrap();
        assert_eq!((&*v.version, &*v.normalized), ("v1.33.4-gke.1245000", "v1.33.4"));
        assert_eq!((&*v.major, &*v.minor), ("1", "33"));
        assert_eq!(KubeVersion::parse("v1.29").unwrap().normalized, "v1.29");
        assert_eq!(KubeVersion::parse("1.29+").unwrap().version, "v1.29+");
        for bad in ["1", "x", "", "01.2"] {
            assert!(KubeVersion::parse(bad).is_err(), "{bad}");
        }
    }
}
