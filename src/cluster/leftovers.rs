//! Fields that kubectl or helm set earlier and Git does not have. Pure.
//!
//! Server-side apply removes a field that its applier leaves out only when nobody else owns it; kubectl and helm of earlier
//! days stay owners. So what retune owned together with them and Git drops is removed by name; what retune never
//! owned is kept, and shown.

use std::collections::BTreeSet;

use serde_json::Value;

use super::MANAGER;
use super::fields::{Entry, own_entry, parsed};
use crate::cloud::fieldpath::{Place, Step};
use crate::plan::yields::{holds, keyed, shown};

/// How deep a field set is followed.
const MAX_DEPTH: usize = 64;
/// How many leftovers of an object are listed.
const MAX_LISTED: usize = 100;

/// A field that Git does not have and a tool of earlier days set.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Leftover {
    /// The path.
    pub field: String,
    /// Its manager.
    pub manager: String,
}

/// Tools that wrote what retune takes over: their fields have no other keeper. `kubectl rollout restart` is an act, not a
/// declaration.
#[must_use]
pub fn is_former(entry: &Entry) -> bool {
    let manager = entry.manager.as_str();
    entry.subresource.is_empty()
        && (matches!(manager, "helm" | "before-first-apply" | "kubectl")
            || manager.starts_with("kubectl-") && manager != "kubectl-rollout")
}

/// Whether a tool of earlier days owns any field.
#[must_use]
pub fn any_former(entries: &[Entry]) -> bool {
    entries.iter().any(is_former)
}

/// What Git does not have and retune never owned, by the object's field sets.
#[must_use]
pub fn leftovers(body: &Value, entries: &[Entry]) -> Vec<Leftover> {
    let own = parsed(own_entry(entries));
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for entry in entries.iter().filter(|e| is_former(e)) {
        let gone = |place: &Place| !holds(&own, place) && !states(body, place);
        for place in leaves(&parsed(Some(entry)), &gone) {
            if out.len() >= MAX_LISTED {
                return out;
            }
            if holds(&own, &place) || states(body, &place) || is_record(&place) {
                continue;
            }
            let field = shown(&place);
            if seen.insert(field.clone()) {
                out.push(Leftover { field, manager: entry.manager.clone() });
            }
        }
    }
    out
}

/// What retune owned before and owns no more, and only tools of earlier days hold now.
#[must_use]
pub fn dropped(before: &Value, entries: &[Entry]) -> Vec<Place> {
    let own = parsed(own_entry(entries));
    let others: Vec<(bool, Value)> = entries
        .iter()
        .filter(|e| !(e.manager == MANAGER && e.operation == "Apply"))
        .map(|e| (is_former(e), parsed(Some(e))))
        .collect();
    leaves(before, &|place| !holds(&own, place))
        .into_iter()
        .filter(|place| !holds(&own, place))
        .filter(|place| {
            let mut holders = others.iter().filter(|(_, set)| holds(set, place)).peekable();
            holders.peek().is_some() && holders.all(|(former, _)| *former)
        })
        .take(MAX_LISTED)
        .collect()
}

/// The JSON patch that removes places from a live object, if it is still at this version; `None` when nothing is there.
#[must_use]
pub fn removal(live: &Value, places: &[Place]) -> Option<Value> {
    let mut pointers: Vec<Vec<String>> = places.iter().filter_map(|p| pointer(live, p)).collect();
    // Later elements of a list first: removing one moves those behind it.
    pointers.sort_by(|a, b| {
        let rank = |s: &String| s.parse::<usize>().map_or((1, 0, s.clone()), |n| (0, n, String::new()));
        b.iter().map(rank).cmp(a.iter().map(rank))
    });
    pointers.dedup();
    if pointers.is_empty() {
        return None;
    }
    let mut patch = vec![serde_json::json!({"op": "test", "path": "/metadata/resourceVersion",
        "value": live.pointer("/metadata/resourceVersion")})];
    patch.extend(pointers.iter().map(|p| {
        let path: String =
            p.iter().map(|s| format!("/{}", s.replace('~', "~0").replace('/', "~1"))).collect();
        serde_json::json!({"op": "remove", "path": path})
    }));
    Some(Value::Array(patch))
}

/// What client-side apply and helm write down about themselves.
fn is_record(place: &[Step]) -> bool {
    match place {
        [Step::Field(meta), Step::Field(annotations), Step::Field(name), ..] => {
            meta == "metadata"
                && annotations == "annotations"
                && (name == "kubectl.kubernetes.io/last-applied-configuration"
                    || name.starts_with("meta.helm.sh/"))
        }
        _ => false,
    }
}

/// The leaves of a field set, as places whose elements are known by their keys; an element that is `gone` whole is one.
fn leaves(set: &Value, gone: &dyn Fn(&Place) -> bool) -> Vec<Place> {
    fn walk(
        set: &Value,
        place: &mut Place,
        out: &mut Vec<Place>,
        gone: &dyn Fn(&Place) -> bool,
        depth: usize,
    ) {
        let Some(map) = set.as_object().filter(|_| depth < MAX_DEPTH) else { return };
        if map.contains_key(".") && matches!(place.last(), Some(Step::Item(..))) && gone(place) {
            out.push(place.clone());
            return;
        }
        let mut children = 0;
        for (name, child) in map {
            let step = match name.split_once(':') {
                Some(("f", field)) => Step::Field(field.to_owned()),
                Some(("k" | "v", json)) => match serde_json::from_str(json) {
                    Ok(key) => Step::Item(usize::MAX, key),
                    Err(_) => continue,
                },
                _ => continue,
            };
            children += 1;
            place.push(step);
            walk(child, place, out, gone, depth + 1);
            place.pop();
        }
        if children == 0 && !place.is_empty() {
            out.push(place.clone());
        }
    }
    let mut out = Vec::new();
    walk(set, &mut Vec::new(), &mut out, gone, 0);
    out
}

fn element<'v>(list: &'v Value, key: &Value) -> Option<(usize, &'v Value)> {
    let same = |item: &Value| match key.as_object() {
        Some(key) => key.iter().all(|(n, v)| keyed(item, n, v)),
        None => item == key,
    };
    list.as_array()?.iter().enumerate().find(|(_, item)| same(item))
}

/// Whether a body states a place, itself or something plain around it.
fn states(body: &Value, place: &[Step]) -> bool {
    let mut node = body;
    for step in place {
        let next = match step {
            Step::Field(name) => match node {
                Value::Object(map) => map.get(name),
                _ => return true,
            },
            Step::Item(_, key) => element(node, key).map(|(_, item)| item),
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    true
}

fn pointer(live: &Value, place: &[Step]) -> Option<Vec<String>> {
    let (mut node, mut out) = (live, Vec::new());
    for step in place {
        match step {
            Step::Field(name) => {
                node = node.get(name)?;
                out.push(name.clone());
            }
            Step::Item(_, key) => {
                let (at, item) = element(node, key)?;
                node = item;
                out.push(at.to_string());
            }
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    fn entry(manager: &str, operation: &str, fields: &Value) -> Entry {
        let fields = Some(RawValue::from_string(fields.to_string()).unwrap());
        Entry {
            manager: manager.into(),
            operation: operation.into(),
            subresource: String::new(),
            time: None,
            fields,
        }
    }

    #[test]
    fn what_git_never_had_is_listed_with_its_manager() {
        let body = json!({"metadata": {"name": "x"}, "data": {"a": "1"}});
        let entries = [
            entry("retune", "Apply", &json!({"f:data": {"f:a": {}}})),
            entry(
                "kubectl-client-side-apply",
                "Update",
                &json!({"f:data": {".": {}, "f:a": {}, "f:old": {}},
                    "f:metadata": {"f:annotations": {"f:kubectl.kubernetes.io/last-applied-configuration": {}}}}),
            ),
            entry("someone", "Update", &json!({"f:data": {"f:theirs": {}}})),
        ];
        let found = leftovers(&body, &entries);
        assert_eq!(
            found,
            [Leftover { field: "data.old".into(), manager: "kubectl-client-side-apply".into() }]
        );
    }

    #[test]
    fn what_retune_owned_with_a_former_tool_and_git_drops_is_removed_by_name() {
        let element = json!({".": {}, "f:name": {}, "f:value": {}});
        let env = |names: &[&str]| {
            let keys: serde_json::Map<_, _> =
                names.iter().map(|n| (format!("k:{{\"name\":\"{n}\"}}"), element.clone())).collect();
            json!({"f:spec": {"f:env": keys}, "f:data": {"f:a": {}}})
        };
        let before = env(&["one", "two"]);
        let entries =
            [entry("retune", "Apply", &env(&["one"])), entry("helm", "Update", &env(&["one", "two"]))];
        let places = dropped(&before, &entries);
        let live = json!({"metadata": {"resourceVersion": "7"}, "data": {"a": "1"},
            "spec": {"env": [{"name": "two", "value": "2"}, {"name": "one", "value": "1"}]}});
        assert_eq!(places.len(), 1, "{places:?}");
        let patch = removal(&live, &places).unwrap();
        assert_eq!(patch[0]["value"], "7");
        assert_eq!(patch[1]["path"], "/spec/env/0");
        // A third owner keeps it.
        let third = entry("operator", "Update", &env(&["two"]));
        let [own, helm] = entries;
        assert!(dropped(&before, &[own, helm, third]).is_empty());
    }
}
