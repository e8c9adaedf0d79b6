//! What pods refer to: ConfigMaps, Secrets and claims, from a Pod, a Job or a workload. Pure.

use serde::Serialize;
use serde_json::Value;

/// How deep a body is followed.
const MAX_DEPTH: usize = 64;

/// Something that a pod refers to, in its own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    /// `ConfigMap`, `Secret` or `PersistentVolumeClaim`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Whether the pod starts without it.
    pub optional: bool,
}

/// What a body names in the fields that pods have for it: once each, required where any place requires it.
#[must_use]
pub fn references(body: &Value) -> Vec<Reference> {
    let mut out = Vec::new();
    collect(body, "", 0, &mut out);
    out.sort();
    // The required one sorts first.
    out.dedup_by(|b, a| a.kind == b.kind && a.name == b.name);
    out
}

fn collect(value: &Value, under: &str, depth: usize, out: &mut Vec<Reference>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            let text = |field: &str| map.get(field).and_then(Value::as_str);
            let found = match under {
                "configMap" | "configMapRef" | "configMapKeyRef" => text("name").map(|n| ("ConfigMap", n)),
                "secret" => text("secretName").or_else(|| text("name")).map(|n| ("Secret", n)),
                "secretRef" | "secretKeyRef" | "imagePullSecrets" => text("name").map(|n| ("Secret", n)),
                "persistentVolumeClaim" => text("claimName").map(|n| ("PersistentVolumeClaim", n)),
                _ => None,
            };
            if let Some((kind, name)) = found {
                // A pod starts without its pull secrets; whether its image can be pulled is another matter.
                let optional = under == "imagePullSecrets" || map.get("optional") == Some(&Value::Bool(true));
                out.push(Reference { kind, name: name.to_owned(), optional });
            }
            map.iter().for_each(|(key, value)| collect(value, key, depth + 1, out));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, under, depth + 1, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_named_once_and_required_where_any_place_requires_them() {
        let pod = json!({"spec": {"imagePullSecrets": [{"name": "pull"}],
            "volumes": [{"secret": {"secretName": "s", "optional": true}}, {"configMap": {"name": "c", "optional": true}},
                {"persistentVolumeClaim": {"claimName": "data"}}, {"projected": {"sources": [{"secret": {"name": "p"}}]}}],
            "containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "s"}}}], "envFrom": [{"secretRef": {"name": "t"}}]}]}});
        let names: Vec<_> = references(&pod)
            .into_iter()
            .map(|r| format!("{} {}{}", r.kind, r.name, if r.optional { "?" } else { "" }))
            .collect();
        assert_eq!(
            names,
            [
                "ConfigMap c?",
                "PersistentVolumeClaim data",
                "Secret p",
                "Secret pull?",
                "Secret s",
                "Secret t"
            ]
        );
    }
}
