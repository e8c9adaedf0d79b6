//! Which updates make something smaller that holds data. Pure.
//!
//! The table is data (`shrinking.yaml`): kinds, their sizes, and why a smaller one is more than a number. The live object
//! is the measure, not the commit before: a size that was raised by hand, or that an approval never lowered, counts.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use crate::cloud::ObjectId;
use crate::yaml;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    group: String,
    kind: String,
    paths: Vec<String>,
    unset: Option<i64>,
    why: String,
}

fn table() -> &'static [Row] {
    static TABLE: OnceLock<Vec<Row>> = OnceLock::new();
    TABLE.get_or_init(|| {
        // Shipped with the program; a test reads it and fails on any mistake.
        yaml::read_table(include_str!("shrinking.yaml")).unwrap_or_default()
    })
}

fn rows(id: &ObjectId) -> impl Iterator<Item = &'static Row> {
    table().iter().filter(|r| id.is(&r.group, &r.kind))
}

/// Whether a kind has sizes that are guarded.
#[must_use]
pub fn has_sizes(id: &ObjectId) -> bool {
    rows(id).next().is_some()
}

/// What an update from `live` to `desired` makes smaller: `spec.replicas 3 -> 1 (the operator ignores ...)`, or nothing.
#[must_use]
pub fn shrinks(id: &ObjectId, live: &Value, desired: &Value) -> Option<String> {
    let mut found = Vec::new();
    for row in rows(id) {
        for path in &row.paths {
            for pointer in expanded(live, path) {
                let unset = row.unset.map(Value::from);
                let (Some(before), Some(after)) =
                    (live.pointer(&pointer), desired.pointer(&pointer).or(unset.as_ref()))
                else {
                    continue;
                };
                if let (Some(was), Some(is)) = (size(before), size(after))
                    && is < was
                {
                    let field = pointer.trim_start_matches('/').replace('/', ".");
                    found.push(format!("{field} {} -> {} ({})", plain(before), plain(after), row.why));
                }
            }
        }
    }
    (!found.is_empty()).then(|| found.join("; "))
}

/// The pointers that a path with `*` means in an object.
fn expanded(object: &Value, path: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for step in path.split('/').skip(1) {
        if step != "*" {
            out.iter_mut().for_each(|pointer| *pointer = format!("{pointer}/{step}"));
            continue;
        }
        out = out
            .iter()
            .flat_map(|pointer| {
                let steps: Vec<String> = match object.pointer(pointer) {
                    Some(Value::Array(items)) => (0..items.len()).map(|i| i.to_string()).collect(),
                    Some(Value::Object(map)) => {
                        map.keys().map(|k| k.replace('~', "~0").replace('/', "~1")).collect()
                    }
                    _ => Vec::new(),
                };
                steps.into_iter().map(move |step| format!("{pointer}/{step}"))
            })
            .collect();
    }
    out
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number or a quantity (`10Gi`, `500M`, `1e3`) as a number.
fn size(value: &Value) -> Option<f64> {
    let text = match value {
        Value::Number(number) => return number.as_f64(),
        Value::String(text) => text.trim(),
        _ => return None,
    };
    const UNITS: [(&str, f64); 14] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
        ("", 1.0),
    ];
    UNITS.iter().find_map(|(unit, factor)| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        (number.is_finite()).then_some(number * factor)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn id(group: &str, kind: &str) -> ObjectId {
        ObjectId::new(group, kind, Some("openstack"), "x")
    }

    #[test]
    fn the_table_is_readable_and_says_why_of_every_row() {
        let table = yaml::read_table::<Vec<Row>>(include_str!("shrinking.yaml")).unwrap();
        assert!(table.len() >= 8);
        assert!(table.iter().all(|r| !r.why.is_empty() && r.paths.iter().all(|p| p.starts_with("/spec/"))));
    }

    #[test]
    fn fewer_servers_of_a_database_and_a_smaller_volume_are_named_and_more_are_not() {
        let maria = id("k8s.mariadb.com", "MariaDB");
        let of =
            |replicas: i64, size: &str| json!({"spec": {"replicas": replicas, "storage": {"size": size}}});
        assert_eq!(
            shrinks(&maria, &of(3, "10Gi"), &of(1, "9500Mi")).unwrap(),
            "spec.replicas 3 -> 1 (servers leave replication or Galera, and their volumes stay behind); \
             spec.storage.size 10Gi -> 9500Mi (a volume does not shrink)"
        );
        assert_eq!(shrinks(&maria, &of(1, "10Gi"), &of(3, "11G")), None);
        assert_eq!(shrinks(&maria, &of(1, "1Gi"), &of(1, "1024Mi")), None);
    }

    #[test]
    fn a_count_that_is_left_out_means_what_the_operator_takes_for_it() {
        let rabbit = id("rabbitmq.com", "RabbitmqCluster");
        let live = json!({"spec": {"replicas": 3, "persistence": {"storage": "10Gi"}}});
        let said = shrinks(&rabbit, &live, &json!({"spec": {}})).unwrap();
        assert!(said.starts_with("spec.replicas 3 -> 1 (") && !said.contains("storage"), "{said}");
    }

    #[test]
    fn a_volume_claim_template_is_found_in_its_list_and_other_kinds_are_free() {
        let of = |size: &str| json!({"spec": {"replicas": 3, "volumeClaimTemplates": [{"spec": {"resources": {"requests": {"storage": size}}}}]}});
        let set = id("apps", "StatefulSet");
        assert!(shrinks(&set, &of("2Gi"), &of("1Gi")).unwrap().starts_with("spec.volumeClaimTemplates.0."));
        let mut fewer = of("2Gi");
        fewer["spec"]["replicas"] = json!(1);
        assert_eq!(shrinks(&set, &of("2Gi"), &fewer), None);
        assert!(!has_sizes(&id("apps", "Deployment")));
    }
}
