//! Fields that Git states and someone else rightly owns. Pure.
//!
//! Two ways to yield, one rule set for diff, plan, apply and drift:
//! - **left out** ([`split`]): `spec.replicas` of what a HorizontalPodAutoscaler targets (in Git or only in the cluster), paths
//!   of `spec.drift.ignore`, `data` of Secrets and ConfigMaps that are shipped empty. Such a field is not part of what
//!   is applied. An object is created with it as Git has it; then it is handed over (see [`crate::apply`]), because a field
//!   that its only owner leaves out is reset by the server. When the reason vanishes, Git's value is applied again.
//! - **contested** ([`super::operators`]): what an operator moves in the spec of its own resource. Git's value is applied
//!   until the operator has taken the field, and never against it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cloud::fieldpath::{FieldPath, Place, Step};
use crate::cloud::spec::Selector;
use crate::cloud::{Digest, Object, ObjectId, RenderedApp, RenderedCloud};

/// Marks what is taken out of a body until it is swept.
const TAKEN_OUT: &str = "\u{0}left to others";

/// What of an object is left out.
#[derive(Debug, Clone)]
pub struct Yielded {
    /// The object as Git has it.
    pub full: Object,
    /// The places that are left out.
    pub places: Vec<Place>,
    /// Path and to whom, for people.
    pub to: Vec<(String, String)>,
}

/// A live autoscaler's target, and the autoscaler's name for people.
pub type Scalers = HashMap<ObjectId, String>;

struct Rule {
    objects: Selector,
    paths: Vec<FieldPath>,
}

/// The cloud without what is left out, and what that is. `live` are the autoscalers of the cluster.
#[must_use]
pub fn split(
    cloud: &Arc<RenderedCloud>,
    live: &Scalers,
) -> (Arc<RenderedCloud>, HashMap<ObjectId, Arc<Yielded>>) {
    let scaled = autoscaled(cloud);
    let scaler = |id: &ObjectId| scaled.get(id).or_else(|| live.get(id));
    let mut yielded = HashMap::new();
    let mut out: Option<RenderedCloud> = None;
    for (index, app) in cloud.apps.iter().enumerate() {
        let rules = rules_of(app);
        let mut changed: Option<RenderedApp> = None;
        for (at, object) in app.objects.iter().enumerate() {
            let wanted = wanted(object, &rules, scaler(&object.id));
            if wanted.is_empty() {
                continue;
            }
            let mut body = object.json();
            let (mut places, mut to) = (Vec::new(), Vec::new());
            for (path, whom) in wanted {
                // A path that cannot match was refused when the revision was rendered.
                for place in path.places(&body).unwrap_or_default() {
                    to.push((shown(&place), whom.clone()));
                    places.push(place);
                }
            }
            if places.is_empty() {
                continue;
            }
            remove(&mut body, &places);
            let text = body.to_string();
            let stripped =
                Object { digest: Digest::of(text.as_bytes()), body: text.into(), ..object.clone() };
            changed.get_or_insert_with(|| (**app).clone()).objects[at] = stripped;
            yielded.insert(object.id.clone(), Arc::new(Yielded { full: object.clone(), places, to }));
        }
        if let Some(changed) = changed {
            out.get_or_insert_with(|| (**cloud).clone()).apps[index] = Arc::new(changed);
        }
    }
    (out.map_or_else(|| Arc::clone(cloud), Arc::new), yielded)
}

/// What autoscalers of the cloud target.
fn autoscaled(cloud: &RenderedCloud) -> Scalers {
    cloud
        .objects()
        .filter(|o| o.id.is("autoscaling", "HorizontalPodAutoscaler"))
        .filter_map(|scaler| Some((scale_target(&scaler.id, &scaler.json())?, scaler.id.to_string())))
        .collect()
}

/// The object that an autoscaler scales.
#[must_use]
pub fn scale_target(scaler: &ObjectId, body: &Value) -> Option<ObjectId> {
    let target = body.pointer("/spec/scaleTargetRef")?;
    let text = |field: &str| target.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, _) = crate::cloud::object::split_api_version(text("apiVersion"));
    Some(ObjectId::new(group, text("kind"), scaler.namespace.as_deref(), text("name")))
}

fn rules_of(app: &RenderedApp) -> Vec<Rule> {
    let read = |paths: &[String]| paths.iter().filter_map(|p| FieldPath::parse(p).ok()).collect();
    app.policy
        .drift
        .ignore
        .iter()
        .map(|r| Rule { objects: r.objects.clone(), paths: read(&r.paths) })
        .collect()
}

fn wanted(object: &Object, rules: &[Rule], scaler: Option<&String>) -> Vec<(FieldPath, String)> {
    let mut out = Vec::new();
    let mut fixed = |path: &str, to: String| out.extend(FieldPath::parse(path).ok().map(|p| (p, to)));
    if let Some(scaler) = scaler {
        fixed("/spec/replicas", scaler.clone());
    }
    let shipped_empty =
        (object.id.is("", "Secret") || object.id.is("", "ConfigMap")) && object.body.contains("\"data\":{}");
    if shipped_empty {
        fixed("/data", "whoever fills it".to_owned());
    }
    for rule in rules.iter().filter(|r| r.objects.matches(&object.id)) {
        out.extend(rule.paths.iter().map(|p| (p.clone(), format!("spec.drift.ignore {p}"))));
    }
    out
}

/// A place for people: `spec.template.spec.containers[name=api].image`.
#[must_use]
pub fn shown(place: &[Step]) -> String {
    let mut out = String::new();
    for step in place {
        match step {
            Step::Field(name) if name.contains(['.', '/']) => out.push_str(&format!("[{name}]")),
            Step::Field(name) => {
                if !out.is_empty() {
                    out.push('.');
                }
                out.push_str(name);
            }
            Step::Item(at, item) => match (item.get("name").and_then(Value::as_str), item) {
                (Some(name), _) => out.push_str(&format!("[name={name}]")),
                (None, Value::Object(key)) if *at == usize::MAX => {
                    let parts: Vec<String> = key.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    out.push_str(&format!("[{}]", parts.join(",")));
                }
                (None, value) if *at == usize::MAX => out.push_str(&format!("[{value}]")),
                (None, _) => out.push_str(&format!("[{at}]")),
            },
        }
    }
    out
}

/// Takes the places out of a body; maps and lists that become empty by that go too (an empty map is owned as a leaf).
pub fn remove(body: &mut Value, places: &[Place]) {
    for place in places {
        let found = place.iter().try_fold(&mut *body, |node, step| match step {
            Step::Field(name) => node.get_mut(name.as_str()),
            Step::Item(at, _) => node.get_mut(*at),
        });
        if let Some(found) = found {
            *found = Value::from(TAKEN_OUT);
        }
    }
    sweep(body);
}

/// Removes what is marked; whether the node is empty now and was not before.
fn sweep(node: &mut Value) -> bool {
    let goes = |child: &mut Value| child.as_str() == Some(TAKEN_OUT) || sweep(child);
    match node {
        Value::Object(map) => {
            let before = map.len();
            map.retain(|_, child| !goes(child));
            map.is_empty() && before > 0
        }
        Value::Array(items) => {
            let before = items.len();
            items.retain_mut(|child| !goes(child));
            items.is_empty() && before > 0
        }
        _ => false,
    }
}

/// Whether an element has a list key's field, defaults included (a port's `protocol` is TCP when left out).
#[must_use]
pub fn keyed(item: &Value, name: &str, want: &Value) -> bool {
    match item.get(name) {
        Some(have) => have == want,
        None => name == "protocol" && want == "TCP",
    }
}

/// The entry of a field set (`fieldsV1`) for an element of a list: the element's key fields and the entry.
fn entry_of<'s>(set: &'s Value, item: &Value) -> Option<(Map<String, Value>, &'s Value)> {
    if let Some(entry) = set.get(format!("v:{item}")) {
        return Some((Map::new(), entry));
    }
    set.as_object()?.iter().find_map(|(name, entry)| {
        let key: Map<String, Value> = serde_json::from_str(name.strip_prefix("k:")?).ok()?;
        key.iter().all(|(n, v)| keyed(item, n, v)).then_some((key, entry))
    })
}

/// Whether a field set (`fieldsV1`) holds a place, itself or by owning something around it as one value.
#[must_use]
pub fn holds(set: &Value, place: &[Step]) -> bool {
    let mut node = set;
    for (depth, step) in place.iter().enumerate() {
        if depth > 0 && node.as_object().is_some_and(Map::is_empty) {
            return true;
        }
        let next = match step {
            Step::Field(name) => node.get(format!("f:{name}")),
            Step::Item(_, item) => entry_of(node, item).map(|(_, entry)| entry),
        };
        match next {
            Some(next) => node = next,
            None => return false,
        }
    }
    true
}

/// Whether a field set (`fieldsV1`) holds nothing but these places and what leads to them.
#[must_use]
pub fn only(set: &Value, places: &[Place]) -> bool {
    let places: Vec<&[Step]> = places.iter().map(Vec::as_slice).collect();
    within(set, &places, &Map::new())
}

/// `key`: the key fields of the list's element that `set` is of; they come with it.
fn within(set: &Value, places: &[&[Step]], key: &Map<String, Value>) -> bool {
    if places.iter().any(|p| p.is_empty()) {
        return true;
    }
    let Some(map) = set.as_object() else { return true };
    let is_key = |name: &str| name.strip_prefix("f:").is_some_and(|field| key.contains_key(field));
    map.iter().filter(|(name, _)| *name != "." && !is_key(name)).all(|(name, child)| {
        let mut keys = Map::new();
        let inner: Vec<&[Step]> = places
            .iter()
            .filter_map(|place| match place.split_first()? {
                (Step::Field(field), rest) => (name.strip_prefix("f:") == Some(field)).then_some(rest),
                (Step::Item(_, item), rest) => {
                    let (key, entry) = entry_of(set, item)?;
                    keys = key;
                    std::ptr::eq(entry, child).then_some(rest)
                }
            })
            .collect();
        !inner.is_empty() && within(child, &inner, &keys)
    })
}

/// What `live` has at the places that `own` (a field set) holds, alone in an otherwise empty object, with the keys of the
/// lists on the way: what a second manager applies to hold them.
///
/// # Errors
/// The place that the server owns as one value although only a part of it is meant.
pub fn extract(live: &Value, own: &Value, places: &[Place]) -> Result<Value, String> {
    let mut out = Value::Object(Map::new());
    for place in places {
        copy(&mut out, live, own, place, &mut Vec::new())?;
    }
    Ok(out)
}

fn copy(
    out: &mut Value,
    live: &Value,
    own: &Value,
    place: &[Step],
    done: &mut Vec<Step>,
) -> Result<(), String> {
    let Some((step, rest)) = place.split_first() else {
        *out = live.clone();
        return Ok(());
    };
    if !done.is_empty() && own.as_object().is_some_and(Map::is_empty) {
        return Err(shown(done));
    }
    done.push(step.clone());
    match step {
        Step::Field(name) => {
            let (Some(live), Some(own)) = (live.get(name), own.get(format!("f:{name}"))) else {
                return Ok(());
            };
            if !out.is_object() {
                *out = Value::Object(Map::new());
            }
            let child = &mut out[name.as_str()];
            copy(child, live, own, rest, done)?;
            if child.is_null()
                && let Some(map) = out.as_object_mut()
            {
                map.remove(name);
            }
        }
        Step::Item(_, item) => {
            let Some((key, own)) = entry_of(own, item) else { return Ok(()) };
            let same = |other: &&Value| {
                if key.is_empty() { **other == *item } else { key.iter().all(|(n, v)| keyed(other, n, v)) }
            };
            let Some(live) = live.as_array().and_then(|l| l.iter().find(same)) else { return Ok(()) };
            if !out.is_array() {
                *out = Value::Array(Vec::new());
            }
            let Some(list) = out.as_array_mut() else { return Ok(()) };
            let at = match list.iter().position(|other| same(&other)) {
                Some(at) => at,
                None => {
                    list.push(Value::Object(key.clone()));
                    list.len() - 1
                }
            };
            copy(&mut list[at], live, own, rest, done)?;
        }
    }
    done.pop();
    Ok(())
}

/// What is left out of each object, for people: object, path, to whom.
#[must_use]
pub fn listing(yielded: &HashMap<ObjectId, Arc<Yielded>>) -> BTreeMap<String, Vec<(String, String)>> {
    yielded.iter().map(|(id, y)| (id.to_string(), y.to.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(path: &str, body: &Value) -> Vec<Place> {
        FieldPath::parse(path).unwrap().places(body).unwrap()
    }

    #[test]
    fn a_path_is_taken_out_and_found_alone() {
        let mut body = json!({"kind": "Deployment", "spec": {"replicas": 3, "x": 1}});
        let places = at("/spec/replicas", &body);
        let own = json!({"f:spec": {"f:replicas": {}, "f:x": {}}});
        assert_eq!(extract(&body, &own, &places), Ok(json!({"spec": {"replicas": 3}})));
        remove(&mut body, &places);
        assert_eq!(body, json!({"kind": "Deployment", "spec": {"x": 1}}));
    }

    #[test]
    fn an_element_of_a_list_is_taken_out_and_found_by_its_key_wherever_it_stands() {
        let mut body =
            json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}});
        let places = at("/spec/containers/[name=b]/image", &body);
        let own = json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}, "f:name": {}},
            "k:{\"name\":\"b\"}": {".": {}, "f:image": {}, "f:name": {}}}}});
        let live =
            json!({"spec": {"containers": [{"name": "side"}, {"name": "b", "image": "z"}, {"name": "a"}]}});
        assert!(holds(&own, &places[0]));
        assert_eq!(
            extract(&live, &own, &places),
            Ok(json!({"spec": {"containers": [{"name": "b", "image": "z"}]}}))
        );
        let by_number = at("/spec/containers/1", &body);
        remove(&mut body, &places);
        assert_eq!(body, json!({"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}));
        remove(&mut body, &by_number);
        assert_eq!(body, json!({"spec": {"containers": [{"name": "a", "image": "x"}]}}));
    }

    #[test]
    fn a_map_that_becomes_empty_goes_with_its_last_field() {
        let mut body = json!({"data": {"a": "1"}, "spec": {"empty": {}}});
        let places = at("/data/a", &body);
        remove(&mut body, &places);
        assert_eq!(body, json!({"spec": {"empty": {}}}));
    }

    #[test]
    fn a_part_of_what_the_server_owns_as_one_value_is_refused_by_name() {
        let body = json!({"spec": {"args": [{"a": 1}]}});
        let places = at("/spec/args/0/a", &body);
        let own = json!({"f:spec": {"f:args": {}}});
        assert!(holds(&own, &places[0]));
        assert_eq!(extract(&body, &own, &places), Err("spec.args".to_owned()));
    }

    #[test]
    fn a_set_that_holds_more_than_the_places_is_told() {
        let body = json!({"spec": {"replicas": 2, "containers": [{"name": "b", "image": "y"}]}});
        let places = at("/spec/containers/[name=b]/image", &body);
        let element = json!({".": {}, "f:name": {}, "f:image": {}});
        let set = json!({"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": element}}});
        assert!(only(&set, &places));
        let more = json!({"f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"b\"}": element}}});
        assert!(!only(&more, &places));
        assert!(!only(&set, &[]));
        assert!(only(&json!({"f:spec": {"f:replicas": {}}}), &at("/spec/replicas", &body)));
    }

    #[test]
    fn a_field_set_tells_whether_a_path_is_owned() {
        let place = vec![Step::Field("spec".into()), Step::Field("replicas".into())];
        assert!(holds(&json!({"f:spec": {"f:replicas": {}}}), &place));
        assert!(!holds(&json!({"f:spec": {"f:template": {}}}), &place));
    }
}
