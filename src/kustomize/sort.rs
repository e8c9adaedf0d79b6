//! The order of the output: as accumulated (`fifo`) or by kind (`legacy`, the default of the command line).

use std::cmp::Ordering;
use std::collections::HashMap;

use super::error::Error;
use super::gvk::{IdView, ORDER_FIRST, ORDER_LAST};
use super::resmap::ResMap;
use super::types::{LegacySortOptions, SortOptions};

/// Sorts as `sortOptions` says; `None` is legacy order.
pub fn sort(m: &mut ResMap, options: Option<&SortOptions>) -> Result<(), Error> {
    let order = options.map_or("legacy", |o| o.order.as_str());
    let legacy = options.and_then(|o| o.legacy.as_ref());
    match order {
        "fifo" if legacy.is_some() => Err(Error::new(
            "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
        )),
        "fifo" => Ok(()),
        "legacy" => by_kind(m, legacy),
        _ => Err(Error::new("the field 'sortOptions.order' must be one of [fifo, legacy]")),
    }
}

fn by_kind(m: &mut ResMap, options: Option<&LegacySortOptions>) -> Result<(), Error> {
    let ranks = ranks(options);
    let list = std::mem::take(m.list_mut());
    let mut keyed: Vec<_> = list
        .into_iter()
        .map(|res| {
            let id = res.cur_id();
            let rank = ranks.get(id.gvk.kind).copied().unwrap_or(0);
            let key = Key {
                rank,
                gvk: id.gvk.stable_text(),
                is_namespace: id.gvk.kind == "Namespace",
                group_empty: id.gvk.group.is_empty(),
                id: id_text(&id),
            };
            (key, res)
        })
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.compare(b));
    keyed.into_iter().try_for_each(|(_, res)| m.append(res))
}

/// Kind to rank; kinds without one are 0.
fn ranks(options: Option<&LegacySortOptions>) -> HashMap<&str, isize> {
    let (first, last): (Vec<&str>, Vec<&str>) = match options {
        Some(o) => (
            o.order_first.iter().map(String::as_str).collect(),
            o.order_last.iter().map(String::as_str).collect(),
        ),
        None => (ORDER_FIRST.to_vec(), ORDER_LAST.to_vec()),
    };
    let mut out = HashMap::new();
    for (at, kind) in first.iter().enumerate() {
        out.insert(*kind, at.cast_signed() - first.len().cast_signed());
    }
    for (at, kind) in last.iter().enumerate() {
        out.insert(*kind, at.cast_signed() + 1);
    }
    out
}

struct Key {
    rank: isize,
    gvk: String,
    is_namespace: bool,
    group_empty: bool,
    id: String,
}

impl Key {
    fn compare(&self, other: &Self) -> Ordering {
        if self.gvk == other.gvk {
            return self.id.cmp(&other.id);
        }
        let by_rank = self.rank.cmp(&other.rank);
        // The core Namespace comes before kinds of the same name in other groups, against the order of the texts.
        let core_first = self.is_namespace && other.is_namespace && (self.group_empty || other.group_empty);
        by_rank.then_with(|| if core_first { other.gvk.cmp(&self.gvk) } else { self.gvk.cmp(&other.gvk) })
    }
}

fn id_text(id: &IdView<'_>) -> String {
    let or = |s: &str, mark: &str| if s.is_empty() { mark.to_owned() } else { s.to_owned() };
    format!("{}|{}|{}", id.gvk, or(id.namespace, "~X"), or(id.name, "~N"))
}

#[cfg(test)]
mod tests {
    use super::super::resource::Resource;
    use super::*;
    use crate::yaml::Node;

    fn object(api_version: &str, kind: &str, name: &str) -> Resource {
        let mut r = Resource::new(Node::mapping());
        r.node.as_map_mut().unwrap().set("apiVersion", Node::str(api_version));
        r.set_kind(kind);
        r.set_name(name);
        r
    }

    fn order(objects: &[(&str, &str, &str)], options: Option<&SortOptions>) -> Vec<String> {
        let mut m = ResMap::new();
        for (v, k, n) in objects {
            m.push(object(v, k, n));
        }
        sort(&mut m, options).unwrap();
        m.iter().map(|r| format!("{}/{}", r.kind(), r.name())).collect()
    }

    #[test]
    fn legacy_order_puts_namespaces_first_webhooks_last_and_others_by_text() {
        let got = order(
            &[
                ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "w"),
                ("example.com/v1", "Thing", "t"),
                ("apps/v1", "Deployment", "b"),
                ("apps/v1", "Deployment", "a"),
                ("v1", "Namespace", "n"),
            ],
            None,
        );
        assert_eq!(
            got,
            ["Namespace/n", "Deployment/a", "Deployment/b", "Thing/t", "ValidatingWebhookConfiguration/w"]
        );
    }

    #[test]
    fn fifo_keeps_the_order_and_refuses_legacy_lists() {
        let fifo = SortOptions { order: "fifo".into(), legacy: None };
        assert_eq!(order(&[("v1", "Z", "z"), ("v1", "A", "a")], Some(&fifo)), ["Z/z", "A/a"]);
        let wrong = SortOptions { order: "fifo".into(), legacy: Some(LegacySortOptions::default()) };
        assert!(sort(&mut ResMap::new(), Some(&wrong)).is_err());
    }
}
