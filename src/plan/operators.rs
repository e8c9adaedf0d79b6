//! Contested fields: what operators move in the spec of their own resources. Pure.
//!
//! The table is data (`operators.yaml`), extended by an app's `spec.drift.yields`. Whether such a field is left to its
//! operator is told by the object's own field sets: it is, once a named manager holds it and retune does not.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::Value;

use super::yields::{holds, shown};
use crate::cloud::ObjectId;
use crate::cloud::fieldpath::{FieldPath, Place};
use crate::cloud::spec::{Drift, Selector};
use crate::yaml;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    group: String,
    kind: String,
    paths: Vec<String>,
    managers: Vec<String>,
    why: String,
}

/// Fields of an object that are left to the named managers once they have taken them.
#[derive(Debug, Clone)]
pub struct Contested {
    objects: Selector,
    paths: Vec<FieldPath>,
    managers: Vec<String>,
    why: String,
}

/// A field that an operator has taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Where.
    pub place: Place,
    /// By whom.
    pub manager: String,
    /// Why it may.
    pub why: String,
}

impl Taken {
    /// The path, for people.
    #[must_use]
    pub fn field(&self) -> String {
        shown(&self.place)
    }
}

/// One manager's field set, parsed.
#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The manager.
    pub manager: &'a str,
    /// Its `fieldsV1`.
    pub fields: &'a Value,
}

fn table() -> &'static [Contested] {
    static TABLE: OnceLock<Vec<Contested>> = OnceLock::new();
    TABLE.get_or_init(|| {
        // Shipped with the program; a test reads it and fails on any mistake.
        read(include_str!("operators.yaml")).unwrap_or_default()
    })
}

fn read(text: &str) -> Result<Vec<Contested>, String> {
    let rows: Vec<Row> = yaml::read_table(text)?;
    rows.into_iter()
        .map(|row| {
            Ok(Contested {
                objects: Selector { group: Some(row.group), kind: Some(row.kind), ..Selector::default() },
                paths: row.paths.iter().map(|p| FieldPath::parse(p)).collect::<Result<_, _>>()?,
                managers: row.managers,
                why: row.why,
            })
        })
        .collect()
}

/// The contested fields of an object: the app's own rules, then the table.
#[must_use]
pub fn contested(id: &ObjectId, drift: &Drift) -> Vec<Contested> {
    let own = drift.yields.iter().filter(|r| r.objects.matches(id)).map(|r| Contested {
        objects: r.objects.clone(),
        paths: r.paths.iter().filter_map(|p| FieldPath::parse(p).ok()).collect(),
        managers: r.to.clone(),
        why: "spec.drift.yields".to_owned(),
    });
    own.chain(table().iter().filter(|r| r.objects.matches(id)).cloned()).collect()
}

fn names(pattern: &str, manager: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => manager.starts_with(start),
        None => pattern == manager,
    }
}

/// The fields of a body that operators have taken: a named manager holds them, and retune (`own`, its field set) does not.
#[must_use]
pub fn taken(body: &Value, rules: &[Contested], own: &Value, others: &[Held<'_>]) -> Vec<Taken> {
    let mut out: Vec<Taken> = Vec::new();
    for rule in rules {
        for place in rule.paths.iter().flat_map(|p| p.places(body).unwrap_or_default()) {
            if holds(own, &place) || out.iter().any(|t| t.place == place) {
                continue;
            }
            let manager = others
                .iter()
                .find(|o| rule.managers.iter().any(|m| names(m, o.manager)) && holds(o.fields, &place));
            if let Some(manager) = manager {
                out.push(Taken { place, manager: manager.manager.to_owned(), why: rule.why.clone() });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_is_readable_and_names_what_every_row_is_for() {
        let table = read(include_str!("operators.yaml")).unwrap();
        assert!(table.len() >= 8);
        assert!(table.iter().all(|r| !r.why.is_empty() && !r.paths.is_empty() && !r.managers.is_empty()));
    }

    #[test]
    fn a_failover_is_left_to_the_operator_and_the_same_change_by_a_person_is_not() {
        let id = ObjectId::new("k8s.mariadb.com", "MariaDB", Some("openstack"), "mariadb-cluster");
        let rules = contested(&id, &Drift::default());
        let body = json!({"spec": {"galera": {"primary": {"podIndex": 0}}, "replicas": 3}});
        let own = json!({"f:spec": {"f:replicas": {}}});
        let moved = json!({"f:spec": {"f:galera": {"f:primary": {"f:podIndex": {}}}}});
        let by = |manager| taken(&body, &rules, &own, &[Held { manager, fields: &moved }]);
        let found = by("mariadb-operator");
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].field().as_str(), found[0].manager.as_str()),
            ("spec.galera.primary.podIndex", "mariadb-operator")
        );
        assert!(by("kubectl-patch").is_empty());
        // While retune holds it too, Git's value is the live one.
        assert!(
            taken(&body, &rules, &moved, &[Held { manager: "mariadb-operator", fields: &moved }]).is_empty()
        );
    }

    #[test]
    fn an_app_adds_rules_of_its_own() {
        let id = ObjectId::new("example.org", "Thing", None, "x");
        let drift: Drift = serde_json::from_value(
            json!({"yields": [{"objects": {"kind": "Thing"}, "paths": ["/spec/leader"], "to": ["thing-*"]}]}),
        )
        .unwrap();
        let rules = contested(&id, &drift);
        let set = json!({"f:spec": {"f:leader": {}}});
        let body = json!({"spec": {"leader": "a"}});
        assert_eq!(
            taken(&body, &rules, &Value::Null, &[Held { manager: "thing-operator", fields: &set }]).len(),
            1
        );
        assert!(contested(&id, &Drift::default()).is_empty());
    }
}
