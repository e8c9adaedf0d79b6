//! DaemonSets and nodes that do not count: a node that is not ready or cordoned is listed, not waited for.
//!
//! A DaemonSet's status only counts. Which of its pods are on such nodes, its pods tell: each says its node (one that is
//! not bound yet says for which node it was made, as the DaemonSet controller writes it into its affinity).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Health, Verdict, judge};

/// Nodes that do not count, with the reason.
pub type Excused = BTreeMap<String, &'static str>;

/// How many nodes a message names.
const NAMED: usize = 8;

/// Why a node does not count; `None` when it does.
#[must_use]
pub fn excuse(node: &Value) -> Option<&'static str> {
    if node.pointer("/spec/unschedulable").and_then(Value::as_bool) == Some(true) {
        return Some("cordoned");
    }
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|c| c["type"] == "Ready");
    (ready.is_none_or(|c| c["status"] != "True")).then_some("not ready")
}

/// Whether a DaemonSet's verdict may change with nodes: its controller has counted, and somebody is missing.
#[must_use]
pub fn may_matter(daemons: &Value) -> bool {
    let generation = daemons.pointer("/metadata/generation").and_then(Value::as_i64);
    let observed = daemons.pointer("/status/observedGeneration").and_then(Value::as_i64);
    daemons.pointer("/metadata/deletionTimestamp").is_none()
        && generation.is_some()
        && generation == observed
        && judge(daemons).health == Health::Progressing
}

/// The verdict on a DaemonSet with its pods (those of others are passed over) where some nodes do not count. A ready one has
/// a message all the same: the nodes that were left out.
#[must_use]
pub fn judge_daemons(daemons: &Value, pods: &[Value], excused: &Excused) -> Verdict {
    if excused.is_empty() || !may_matter(daemons) {
        return judge(daemons);
    }
    let uid = &daemons["metadata"]["uid"];
    let updated = |pod: &Value| {
        let wanted = daemons
            .pointer("/metadata/annotations")
            .and_then(|a| a.get("deprecated.daemonset.template.generation").and_then(Value::as_str));
        let has = pod.pointer("/metadata/labels/pod-template-generation").and_then(Value::as_str);
        daemons.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete")
            || wanted.is_none()
            || wanted == has
    };
    let (mut good, mut excluded, mut missing) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for pod in pods {
        let owners = pod.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        if !owners.into_iter().flatten().any(|o| o["uid"] == *uid && !uid.is_null()) {
            continue;
        }
        let Some(node) = node_of(pod) else { continue };
        let fine = pod.pointer("/metadata/deletionTimestamp").is_none()
            && super::judge(pod).health == Health::Ready
            && updated(pod);
        match excused.get(node) {
            Some(why) => {
                excluded.insert(node);
                if !fine {
                    missing.insert(node, *why);
                }
            }
            None if fine => {
                good.insert(node);
            }
            None => {}
        }
    }
    let desired = daemons.pointer("/status/desiredNumberScheduled").and_then(Value::as_u64).unwrap_or(0);
    let needed = usize::try_from(desired).unwrap_or(usize::MAX).saturating_sub(excluded.len());
    let mut names: Vec<String> =
        missing.iter().take(NAMED).map(|(node, why)| format!("{node} ({why})")).collect();
    if missing.len() > NAMED {
        names.push(format!("{} more", missing.len() - NAMED));
    }
    let left_out =
        if names.is_empty() { String::new() } else { format!("not waited for: {}", names.join(", ")) };
    if good.len() >= needed {
        return Verdict { health: Health::Ready, message: left_out };
    }
    let counts = format!("{} of {needed} pods are ready on nodes that count", good.len());
    Verdict::progressing(if left_out.is_empty() { counts } else { format!("{counts}; {left_out}") })
}

/// The node of a daemon's pod, also before it is bound.
fn node_of(pod: &Value) -> Option<&str> {
    if let Some(node) = pod.pointer("/spec/nodeName").and_then(Value::as_str) {
        return Some(node);
    }
    let terms = pod.pointer(
        "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms",
    )?;
    let fields = terms.as_array()?.iter().filter_map(|t| t["matchFields"].as_array()).flatten();
    let mut named = fields.filter(|f| f["key"] == "metadata.name");
    named.find_map(|f| f["values"].get(0)?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(cordoned: bool, ready: &str) -> Value {
        json!({"spec": {"unschedulable": cordoned}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn daemons(desired: u64, ready: u64) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "d", "uid": "u", "generation": 2,
                "annotations": {"deprecated.daemonset.template.generation": "2"}},
            "status": {"observedGeneration": 2, "desiredNumberScheduled": desired, "currentNumberScheduled": desired,
                "updatedNumberScheduled": desired, "numberAvailable": ready, "numberReady": ready}})
    }

    fn pod(node: &str, ready: bool, generation: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": node, "ownerReferences": [{"uid": "u"}], "labels": {"pod-template-generation": generation}},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    }

    #[test]
    fn a_node_counts_if_it_is_ready_and_not_cordoned() {
        assert_eq!(excuse(&node(false, "True")), None);
        assert_eq!(excuse(&node(true, "True")), Some("cordoned"));
        assert_eq!(excuse(&node(false, "Unknown")), Some("not ready"));
        assert_eq!(excuse(&json!({})), Some("not ready"));
    }

    #[test]
    fn a_broken_node_is_listed_and_not_waited_for() {
        let excused: Excused = [("c".to_owned(), "not ready")].into();
        let pods = [pod("a", true, "2"), pod("b", true, "2"), pod("c", false, "2")];
        let verdict = judge_daemons(&daemons(3, 2), &pods, &excused);
        assert_eq!(verdict.health, Health::Ready, "{verdict:?}");
        assert_eq!(verdict.message, "not waited for: c (not ready)");
        assert_eq!(judge_daemons(&daemons(3, 2), &pods, &Excused::new()).health, Health::Progressing);
    }

    #[test]
    fn a_pod_that_is_missing_on_a_good_node_is_waited_for_whatever_the_others_do() {
        let excused: Excused = [("c".to_owned(), "cordoned")].into();
        // The pod of the cordoned node is fine; that of b is not.
        let pods = [pod("a", true, "2"), pod("b", false, "2"), pod("c", true, "2")];
        let verdict = judge_daemons(&daemons(3, 2), &pods, &excused);
        assert_eq!(verdict.health, Health::Progressing);
        assert!(verdict.message.contains("1 of 2"), "{verdict:?}");
        // One of the old template does not count as ready.
        let old = [pod("a", true, "2"), pod("b", true, "1"), pod("c", false, "1")];
        assert_eq!(judge_daemons(&daemons(3, 2), &old, &excused).health, Health::Progressing);
        // A pod of somebody else does not count at all.
        let mut stranger = pod("b", true, "2");
        stranger["metadata"]["ownerReferences"][0]["uid"] = json!("other");
        let pods = [pod("a", true, "2"), stranger, pod("c", false, "2")];
        assert_eq!(judge_daemons(&daemons(3, 2), &pods, &excused).health, Health::Progressing);
    }

    #[test]
    fn a_pod_that_is_not_bound_says_for_which_node_it_was_made() {
        let mut waiting = pod("c", false, "2");
        waiting["spec"] = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["c"]}]}]}}}});
        assert_eq!(node_of(&waiting), Some("c"));
    }

    #[test]
    fn what_the_controller_has_not_looked_at_is_waited_for() {
        let excused: Excused = [("c".to_owned(), "cordoned")].into();
        let mut stale = daemons(1, 0);
        stale["metadata"]["generation"] = json!(3);
        assert_eq!(judge_daemons(&stale, &[], &excused).health, Health::Progressing);
        assert!(!may_matter(&stale));
    }
}
