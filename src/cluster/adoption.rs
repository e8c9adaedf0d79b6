//! Objects that helm and kubectl made: whose they are, how their fields become retune's, and how they are given back. Pure.
//!
//! After the first apply both retune and the tool of earlier days own what Git states. What kubectl does for its own
//! change to server-side apply (`k8s.io/client-go/util/csaupgrade`: the sets of the old managers are united with the new one's,
//! so that the next apply removes what it leaves out) is done here with one difference: a field that Git does not have stays with
//! its old manager, so that adoption itself removes nothing. What Git states and drops later has retune as its only owner, and goes.
//!
//! Of what the old tools write about themselves (`kubectl.kubernetes.io/last-applied-configuration`, `meta.helm.sh/*` and the
//! label `app.kubernetes.io/managed-by: Helm`) what Git does not have is removed with the adoption: a stale last-applied
//! annotation lets a later `kubectl apply` delete fields, and helm refuses to import objects by the others. They are metadata of
//! the object, never of its pods. What is removed is recorded, and put back when an adoption is undone.
//!
//! A Deployment's annotations are written through its status: on the object itself the server counts its generation up with them
//! (`pkg/registry/apps/deployment/strategy.go`, `PrepareForUpdate`), which looks like a rollout to whoever watches it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::fields::{Entry, entries_of, merged, own_entry, parsed};
use super::leftovers::{any_former, is_former};
use super::objects::HANDOFF;
use super::{ANNOTATION_OWNER, LABEL_APP, LABEL_CLOUD, MANAGER};

/// The manager of the writes that take the records of earlier tools off and put them back; it owns nothing afterwards.
pub const RECORDER: &str = "retune-records";
/// The label that helm writes about itself, with its value.
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "Helm");
/// The annotations that helm and kubectl write about themselves.
const RECORDS: [&str; 3] =
    [RELEASE_NAME, RELEASE_NAMESPACE, "kubectl.kubernetes.io/last-applied-configuration"];
/// The release that an object belongs to.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Its namespace.
pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Flux's labels, what they name, and its manager.
const FLUX: [(&str, &str, &str, &str); 2] = [
    (
        "kustomize.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/namespace",
        "Flux Kustomization",
        "kustomize-controller",
    ),
    (
        "helm.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/namespace",
        "Flux HelmRelease",
        "helm-controller",
    ),
];
/// How deep a field set is followed.
const MAX_DEPTH: usize = 64;

/// The other GitOps engine that owns an object, by its marks: Flux's labels or managers, Argo CD's tracking or manager.
#[must_use]
pub fn gitops_owner(
    name: &str,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    entries: &[Entry],
) -> Option<String> {
    let label = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
    let managed = |names: &[&str]| {
        entries.iter().any(|e| e.subresource.is_empty() && names.contains(&e.manager.as_str()))
    };
    for (name, namespace, what, manager) in FLUX {
        let (owner, namespace) = (label(name), label(namespace));
        if !owner.is_empty() && !namespace.is_empty() {
            return Some(format!("{what} {namespace}/{owner}"));
        }
        if managed(&[manager]) {
            return Some(format!("Flux ({manager})"));
        }
    }
    // `app:group/Kind:namespace/name`; controllers copy annotations: it must name this very object.
    if let Some(id) = annotations.get("argocd.argoproj.io/tracking-id")
        && let Some((app, rest)) = id.split_once(':')
        && rest.rsplit('/').next() == Some(name)
    {
        return Some(format!("Argo CD application {app}"));
    }
    if managed(&["argocd-controller", "argocd-application-controller"]) {
        let app = ["argocd.argoproj.io/instance", "app.kubernetes.io/instance"]
            .into_iter()
            .map(label)
            .find(|l| !l.is_empty());
        return Some(app.map_or_else(|| "Argo CD".to_owned(), |app| format!("Argo CD application {app}")));
    }
    None
}

/// What an object was before it was adopted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// Its uid.
    pub uid: String,
    /// The entries of the tools of earlier days, as the server had them.
    #[serde(default)]
    pub entries: Vec<Value>,
    /// Their labels.
    #[serde(default)]
    pub labels: Map<String, Value>,
    /// Their annotations.
    #[serde(default)]
    pub annotations: Map<String, Value>,
}

impl Before {
    /// Of a live object.
    #[must_use]
    pub fn of(live: &Value) -> Self {
        let meta = &live["metadata"];
        let picked = |of: &str, names: &[&str]| -> Map<String, Value> {
            let from = meta[of].as_object();
            names.iter().filter_map(|name| Some(((*name).to_owned(), from?.get(*name)?.clone()))).collect()
        };
        let entries = raw_entries(live).into_iter().filter(|e| read(e).is_some_and(|e| is_former(&e)));
        Self {
            uid: meta["uid"].as_str().unwrap_or_default().to_owned(),
            entries: entries.collect(),
            labels: picked("labels", &[MANAGED_BY.0]),
            annotations: picked("annotations", &RECORDS),
        }
    }

    /// The managers it was taken from, each once: `helm (Apply)`.
    #[must_use]
    pub fn managers(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .entries
            .iter()
            .filter_map(read)
            .map(|e| format!("{} ({})", e.manager, e.operation))
            .collect();
        out.sort();
        out.dedup();
        out
    }

    /// Which entry gets what retune has: helm's, else one that applies, else the first.
    fn heir(&self) -> Option<usize> {
        let read: Vec<Option<Entry>> = self.entries.iter().map(read).collect();
        let find = |test: &dyn Fn(&Entry) -> bool| read.iter().position(|e| e.as_ref().is_some_and(test));
        find(&|e| e.manager == "helm")
            .or_else(|| find(&|e| e.operation == "Apply"))
            .or_else(|| (!read.is_empty()).then_some(0))
    }
}

fn raw_entries(live: &Value) -> Vec<Value> {
    live.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn read(entry: &Value) -> Option<Entry> {
    serde_json::from_value(entry.clone()).ok()
}

/// What of a former manager's set is not in retune's: what is left when its ownership has moved. A map of which retune owns
/// something is not the former's any more.
fn less(former: &Value, own: &Value, depth: usize) -> Value {
    let (Some(former), Some(own)) = (former.as_object(), own.as_object()) else { return former.clone() };
    let mut out = Map::new();
    if own.is_empty() || depth > MAX_DEPTH {
        return Value::Object(out);
    }
    for (key, value) in former.iter().filter(|(key, _)| *key != ".") {
        match own.get(key) {
            None => {
                out.insert(key.clone(), value.clone());
            }
            Some(same) => {
                let rest = less(value, same, depth + 1);
                if !is_empty(&rest) {
                    out.insert(key.clone(), rest);
                }
            }
        }
    }
    Value::Object(out)
}

fn is_empty(set: &Value) -> bool {
    set.as_object().is_none_or(Map::is_empty)
}

/// Takes one path out of a set, with what becomes empty by that.
fn without(set: &mut Value, path: &[&str]) {
    let [first, rest @ ..] = path else { return };
    let Some(map) = set.as_object_mut() else { return };
    if rest.is_empty() {
        map.remove(*first);
    } else if let Some(child) = map.get_mut(*first) {
        without(child, rest);
        if is_empty(child) {
            map.remove(*first);
        }
    }
}

/// Labels and annotations of a live object that tools of earlier days wrote about themselves and that Git does not have.
fn records(live: &Value, body: &Value) -> Vec<(&'static str, &'static str)> {
    let has = |of: &Value, part: &str, name: &str| of["metadata"][part].get(name).is_some();
    let label = ("labels", MANAGED_BY.0);
    let is_helms = live["metadata"]["labels"][MANAGED_BY.0] == MANAGED_BY.1;
    std::iter::once(label)
        .filter(|_| is_helms)
        .chain(RECORDS.map(|name| ("annotations", name)))
        .filter(|(part, name)| has(live, part, name) && !has(body, part, name))
        .collect()
}

/// The JSON patch that makes retune the only owner, among retune and the tools of earlier days, of everything that it applies;
/// `None` when it is already. `body` is what was applied.
#[must_use]
pub fn take(live: &Value, body: &Value) -> Option<Value> {
    let entries = entries_of(live);
    let own = parsed(own_entry(&entries));
    if is_empty(&own) || !is_unsettled(&entries) {
        return None;
    }
    let records = records(live, body);
    let mut left = Vec::new();
    let mut changed = !records.is_empty();
    for mut raw in raw_entries(live) {
        if raw["manager"] == RECORDER {
            changed = true;
            continue;
        }
        if !read(&raw).is_some_and(|e| is_former(&e)) {
            left.push(raw);
            continue;
        }
        let before = raw["fieldsV1"].take();
        let mut rest = less(&before, &own, 0);
        for (part, name) in &records {
            without(&mut rest, &["f:metadata", &format!("f:{part}"), &format!("f:{name}")]);
        }
        changed |= rest != before;
        if !is_empty(&rest) {
            raw["fieldsV1"] = rest;
            left.push(raw);
        }
    }
    if !changed {
        return None;
    }
    let mut patch = vec![same_version(live)];
    for (part, name) in records {
        let path = format!("/metadata/{part}/{}", name.replace('~', "~0").replace('/', "~1"));
        patch.push(json!({"op": "remove", "path": path}));
    }
    patch.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": left}));
    Some(Value::Array(patch))
}

/// Whether the server counts the generation of a kind up with its annotations, unless they come through its status.
#[must_use]
pub fn counts_annotations(group: &str, kind: &str) -> bool {
    (group, kind) == ("apps", "Deployment")
}

/// The merge patch that brings an object's annotations to where adoption wants them: retune's on, those of the tools of earlier
/// days off; `None` when they are there. `body` is what will be applied.
#[must_use]
pub fn annotate(live: &Value, body: &Value) -> Option<Value> {
    let mut wanted = Map::new();
    let owner = &body["metadata"]["annotations"][ANNOTATION_OWNER];
    if live["metadata"]["annotations"][ANNOTATION_OWNER] != *owner {
        wanted.insert(ANNOTATION_OWNER.to_owned(), owner.clone());
    }
    let gone = records(live, body).into_iter().filter(|(part, _)| *part == "annotations");
    wanted.extend(gone.map(|(_, name)| (name.to_owned(), Value::Null)));
    (!wanted.is_empty()).then(|| annotations(live, &wanted))
}

/// A merge patch of annotations alone, for the object that was looked at.
fn annotations(live: &Value, wanted: &Map<String, Value>) -> Value {
    json!({"metadata": {"resourceVersion": live.pointer("/metadata/resourceVersion"), "annotations": wanted}})
}

/// Whether ownership is still to be moved: a tool of earlier days, or the writes of an adoption, own a field.
#[must_use]
pub fn is_unsettled(entries: &[Entry]) -> bool {
    any_former(entries) || entries.iter().any(|e| e.manager == RECORDER)
}

fn same_version(live: &Value) -> Value {
    json!({"op": "test", "path": "/metadata/resourceVersion", "value": live.pointer("/metadata/resourceVersion")})
}

/// Whether anything of retune is on an object: a mark, or the ownership of a field.
#[must_use]
pub fn is_marked(live: &Value) -> bool {
    let meta = &live["metadata"];
    let label = |name: &str| meta["labels"].get(name).is_some();
    label(LABEL_CLOUD)
        || label(LABEL_APP)
        || meta["annotations"].get(ANNOTATION_OWNER).is_some()
        || entries_of(live).iter().any(is_ours)
}

fn is_ours(entry: &Entry) -> bool {
    entry.manager == RECORDER
        || entry.subresource.is_empty() && [MANAGER, HANDOFF].contains(&entry.manager.as_str())
}

/// The merge patch that takes retune's marks off and puts the records of the old tools back.
#[must_use]
pub fn unmark(live: &Value, before: &Before) -> Value {
    let mut patch = unannotate(live, before);
    let mut labels = before.labels.clone();
    for name in [LABEL_CLOUD, LABEL_APP] {
        labels.insert(name.to_owned(), Value::Null);
    }
    patch["metadata"]["labels"] = Value::Object(labels);
    patch
}

/// Of [`unmark`] what concerns annotations.
#[must_use]
pub fn unannotate(live: &Value, before: &Before) -> Value {
    let mut wanted = before.annotations.clone();
    wanted.insert(ANNOTATION_OWNER.to_owned(), Value::Null);
    annotations(live, &wanted)
}

/// The JSON patch that gives what retune owns back to the managers it was taken from: each has what it had, and helm, or else the
/// first that applies, also what came later. `None` when retune owns nothing.
#[must_use]
pub fn give_back(live: &Value, before: &Before) -> Option<Value> {
    let entries = entries_of(live);
    if !entries.iter().any(is_ours) {
        return None;
    }
    let mut own = parsed(own_entry(&entries));
    for path in [["f:labels", LABEL_CLOUD], ["f:labels", LABEL_APP], ["f:annotations", ANNOTATION_OWNER]] {
        without(&mut own, &["f:metadata", path[0], &format!("f:{}", path[1])]);
    }
    let mut returned = before.entries.clone();
    if let Some(heir) = before.heir().and_then(|at| returned.get_mut(at)) {
        heir["fieldsV1"] = merged(&heir["fieldsV1"], &own);
    }
    let who = |e: &Value| {
        let text = |name: &str| e[name].as_str().unwrap_or_default().to_owned();
        (text("manager"), text("operation"), text("subresource"))
    };
    let mut left = Vec::new();
    for raw in raw_entries(live).into_iter().filter(|raw| !read(raw).is_some_and(|e| is_ours(&e))) {
        match returned.iter_mut().find(|r| who(r) == who(&raw)) {
            // What it set since.
            Some(same) => same["fieldsV1"] = merged(&same["fieldsV1"], &raw["fieldsV1"]),
            None => left.push(raw),
        }
    }
    left.extend(returned);
    Some(json!([same_version(live), {"op": "replace", "path": "/metadata/managedFields", "value": left}]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entries: &Value) -> Value {
        json!({"metadata": {"name": "web", "uid": "u", "resourceVersion": "7",
            "labels": {"app.kubernetes.io/managed-by": "Helm", "retune.dev/cloud": "c"},
            "annotations": {"meta.helm.sh/release-name": "web", "retune.dev/owner": "o"}, "managedFields": entries}})
    }

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    fn helm() -> Value {
        entry(
            "helm",
            "Apply",
            &json!({"f:data": {"f:a": {}, "f:old": {}}, "f:metadata": {
                "f:labels": {"f:app.kubernetes.io/managed-by": {}}, "f:annotations": {"f:meta.helm.sh/release-name": {}}}}),
        )
    }

    fn ours() -> Value {
        entry(
            "retune",
            "Apply",
            &json!({"f:data": {"f:a": {}}, "f:metadata": {
            "f:labels": {"f:retune.dev/cloud": {}}, "f:annotations": {"f:retune.dev/owner": {}}}}),
        )
    }

    #[test]
    fn what_git_states_becomes_retunes_alone_and_the_rest_stays_with_helm() {
        let body = json!({"metadata": {"name": "web"}, "data": {"a": "1"}});
        let patch = take(&live(&json!([helm(), ours()])), &body).unwrap();
        assert_eq!(patch[0]["value"], "7");
        assert_eq!(patch[1]["path"], "/metadata/labels/app.kubernetes.io~1managed-by");
        assert_eq!(patch[2]["path"], "/metadata/annotations/meta.helm.sh~1release-name");
        assert_eq!(
            patch[3]["value"],
            json!([entry("helm", "Apply", &json!({"f:data": {"f:old": {}}})), ours()])
        );
    }

    #[test]
    fn a_label_of_helm_that_git_states_stays() {
        let body = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"}}});
        let patch = take(&live(&json!([helm(), ours()])), &body).unwrap();
        assert_eq!(patch[1]["path"], "/metadata/annotations/meta.helm.sh~1release-name");
    }

    #[test]
    fn maps_and_list_items_of_client_side_apply_leave_nothing_behind() {
        let item = json!({".": {}, "f:name": {}, "f:image": {}});
        let former = json!({"f:metadata": {"f:annotations": {".": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": item, "k:{\"name\":\"b\"}": item}}});
        let own = json!({"f:metadata": {"f:annotations": {"f:retune.dev/owner": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"a\"}": item}}});
        assert_eq!(less(&former, &own, 0), json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": item}}}));
        assert_eq!(less(&json!({"f:selector": {}}), &json!({"f:selector": {}}), 0), json!({}));
    }

    #[test]
    fn an_adoption_that_is_undone_leaves_what_was_before_and_gives_helm_what_came_later() {
        let before = Before::of(&live(&json!([helm()])));
        assert_eq!(before.managers(), ["helm (Apply)"]);
        let mut now = ours();
        now["fieldsV1"]["f:data"]["f:new"] = json!({});
        let adopted =
            live(&json!([entry("kube-controller-manager", "Update", &json!({"f:status": {}})), now]));
        assert!(is_marked(&adopted));
        let patch = give_back(&adopted, &before).unwrap();
        let mut want = helm();
        want["fieldsV1"]["f:data"]["f:new"] = json!({});
        assert_eq!(patch[1]["value"][1], want);
        assert_eq!(unmark(&adopted, &before)["metadata"]["labels"]["app.kubernetes.io/managed-by"], "Helm");
        assert_eq!(give_back(&live(&json!([helm()])), &before), None);
    }

    #[test]
    fn other_engines_are_named() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let none = BTreeMap::new();
        let flux = map(&[
            ("kustomize.toolkit.fluxcd.io/name", "apps"),
            ("kustomize.toolkit.fluxcd.io/namespace", "flux"),
        ]);
        assert_eq!(gitops_owner("x", &flux, &none, &[]).as_deref(), Some("Flux Kustomization flux/apps"));
        let argo = map(&[("argocd.argoproj.io/tracking-id", "web:apps/Deployment:n/x")]);
        assert_eq!(gitops_owner("x", &none, &argo, &[]).as_deref(), Some("Argo CD application web"));
        assert_eq!(gitops_owner("x-abc", &none, &argo, &[]), None, "a copy of the annotation");
        let instance = map(&[("app.kubernetes.io/instance", "web")]);
        assert_eq!(gitops_owner("x", &instance, &none, &[]), None, "charts set this label themselves");
        let entry: Entry =
            serde_json::from_value(json!({"manager": "argocd-controller", "operation": "Apply"})).unwrap();
        assert_eq!(gitops_owner("x", &instance, &none, &[entry]).as_deref(), Some("Argo CD application web"));
    }
}
