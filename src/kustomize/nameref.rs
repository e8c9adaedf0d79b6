//! References by name: who refers to a renamed object gets its new name (and namespace, where the reference has one).
//!
//! Follows `filters/nameref`. The original looks at every object for every reference; here renamed objects are indexed
//! by their former names first, so the pass costs what the references cost.

use std::collections::{HashMap, HashSet};

use super::config::NameReference;
use super::error::Error;
use super::fieldspec::{self, Create};
use super::gvk::{BuildFnv, Gvk, GvkView, NOT_A_NAMESPACE};
use super::memory::PrevId;
use super::resmap::ResMap;
use super::resource::Resource;
use super::share::Shares;
use super::types::FieldSpec;
use crate::yaml::{Node, Value};

/// Gives every reference the present name of what it refers to.
pub fn fix(m: &mut ResMap, references: &[NameReference]) -> Result<(), Error> {
    let candidates = Candidates::of(m);
    let mut plans: HashMap<Gvk, Vec<Field<'_>>> = HashMap::new();
    for res in m.iter_mut() {
        let org = res.org_id().gvk.to_gvk();
        let plan = plans.entry(org).or_insert_with_key(|gvk| plan(gvk.view(), references));
        if plan.is_empty() {
            continue;
        }
        let referrer = Referrer::of(res)?;
        for field in plan.iter() {
            if !reaches(&res.node, &field.path) {
                continue;
            }
            candidates.update(res, &referrer, field)?;
        }
    }
    Ok(())
}

/// One field of a kind that refers to objects of another kind.
struct Field<'a> {
    target: &'a Gvk,
    spec: &'a FieldSpec,
    path: Vec<std::borrow::Cow<'a, str>>,
}

fn plan<'a>(gvk: GvkView<'_>, references: &'a [NameReference]) -> Vec<Field<'a>> {
    let mut out = Vec::new();
    for reference in references {
        for spec in reference.referrers.iter().filter(|spec| gvk.is_selected(&spec.gvk)) {
            let path = fieldspec::split_path(&spec.path, '/');
            out.push(Field { target: &reference.target, spec, path });
        }
    }
    out
}

/// Whether the path may lead to something: a cheap look before the real walk.
fn reaches(node: &Node, path: &[std::borrow::Cow<'_, str>]) -> bool {
    let Some((part, rest)) = path.split_first() else { return !node.is_null() };
    match &node.value {
        Value::Mapping(map) => {
            let name = part.strip_suffix("[]").unwrap_or(part);
            map.get(name).is_some_and(|next| reaches(next, rest))
        }
        Value::Sequence(list) => list.iter().any(|next| reaches(next, path)),
        Value::Scalar(_) => !node.is_null(),
    }
}

/// What must be known of the object that refers.
struct Referrer {
    shown: String,
    gvk: Gvk,
    effective_namespace: String,
    cluster_scoped: bool,
    /// Namespaces of the ServiceAccounts that a RoleBinding names.
    subject_namespaces: HashSet<String>,
    prefixes: Vec<String>,
    suffixes: Vec<String>,
}

impl Referrer {
    fn of(res: &Resource) -> Result<Self, Error> {
        let id = res.cur_id();
        Ok(Self {
            shown: id.to_string(),
            gvk: id.gvk.to_gvk(),
            effective_namespace: id.effective_namespace().to_owned(),
            cluster_scoped: id.gvk.is_cluster_scoped(),
            subject_namespaces: subject_namespaces(res)?,
            prefixes: res.build.prefixes.clone(),
            suffixes: res.build.suffixes.clone(),
        })
    }
}

fn subject_namespaces(res: &Resource) -> Result<HashSet<String>, Error> {
    let mut out = HashSet::new();
    if res.kind() != "RoleBinding" {
        return Ok(out);
    }
    let subjects = res.node.get("subjects").and_then(Node::as_seq).unwrap_or_default();
    for subject in subjects {
        let is_account = subject.get("kind").and_then(Node::text) == Some("ServiceAccount");
        if let (true, Some(namespace)) = (is_account, subject.get("namespace")) {
            match namespace.as_str() {
                Some(text) => out.insert(text.to_owned()),
                None => {
                    return Err(Error::new(format!(
                        "Invalid Input: namespace is blank for resource {}",
                        res.cur_id()
                    ))
                    .at(&res.file, namespace.pos.line)
                    .hint("give the subject's namespace as text, or remove the field"));
                }
            };
        }
    }
    Ok(out)
}

/// An object that was renamed or moved.
struct Candidate {
    name: String,
    namespace: String,
    effective_namespace: String,
    org_namespace: String,
    shown: String,
    cluster_scoped: bool,
    is_service_account: bool,
    group: String,
    version: String,
    prev: Vec<PrevId>,
    lineage: Resource,
    at: String,
}

impl Candidate {
    fn of(res: &Resource) -> Self {
        let id = res.cur_id();
        // Only the remembered prefixes and suffixes are compared; the node stays where it is.
        let mut lineage = Resource::new(Node::null());
        lineage.build.prefixes.clone_from(&res.build.prefixes);
        lineage.build.suffixes.clone_from(&res.build.suffixes);
        Self {
            name: id.name.to_owned(),
            namespace: id.namespace.to_owned(),
            effective_namespace: id.effective_namespace().to_owned(),
            org_namespace: res.org_id().effective_namespace().to_owned(),
            shown: id.to_string(),
            cluster_scoped: id.gvk.is_cluster_scoped(),
            is_service_account: id.gvk.kind == "ServiceAccount",
            group: id.gvk.group.to_owned(),
            version: id.gvk.version.to_owned(),
            prev: res.build.prev.clone(),
            lineage,
            at: if res.file.is_empty() {
                String::new()
            } else {
                format!(" ({}:{})", res.file, res.node.pos.line)
            },
        }
    }

    fn was(&self, name: &str) -> bool {
        self.prev.iter().any(|p| p.name == name)
    }

    fn had_kind(&self, selector: &Gvk) -> bool {
        self.prev.iter().any(|p| {
            GvkView { group: &self.group, version: &self.version, kind: &p.kind }.is_selected(selector)
        })
    }

    /// Whether the original's first sieve lets the referrer see this object at all.
    fn is_visible_to(&self, referrer: &Referrer) -> bool {
        referrer.cluster_scoped
            || self.cluster_scoped
            || self.effective_namespace == referrer.effective_namespace
            || referrer.subject_namespaces.contains(&self.namespace)
    }

    fn is_near(&self, referrer: &Referrer) -> bool {
        referrer.cluster_scoped
            || self.cluster_scoped
            || self.is_service_account
            || self.effective_namespace == referrer.effective_namespace
    }
}

struct Candidates {
    list: Vec<Candidate>,
    by_former_name: HashMap<String, Vec<usize>, BuildFnv>,
    /// Original namespace with today's effective one, of every object that has a namespace.
    moves: HashSet<(String, String)>,
    /// Original namespace with today's as written.
    moves_as_written: HashSet<(String, String)>,
}

impl Candidates {
    fn of(m: &ResMap) -> Self {
        let mut out = Self {
            list: Vec::new(),
            by_former_name: HashMap::default(),
            moves: HashSet::new(),
            moves_as_written: HashSet::new(),
        };
        for res in m {
            let org = res.org_id().effective_namespace().to_owned();
            if org != NOT_A_NAMESPACE {
                let now = res.cur_id();
                if !out.moves.iter().any(|(a, b)| *a == org && b == now.effective_namespace()) {
                    out.moves.insert((org.clone(), now.effective_namespace().to_owned()));
                }
                out.moves_as_written.insert((org, now.namespace.to_owned()));
            }
            if res.build.prev.is_empty() {
                continue;
            }
            let candidate = Candidate::of(res);
            for prev in &candidate.prev {
                let slot = out.by_former_name.entry(prev.name.clone()).or_default();
                if slot.last() != Some(&out.list.len()) {
                    slot.push(out.list.len());
                }
            }
            out.list.push(candidate);
        }
        out
    }

    fn update(&self, res: &mut Resource, referrer: &Referrer, field: &Field<'_>) -> Result<(), Error> {
        let role_ref = if field.spec.path.ends_with("roleRef/name") { role_ref(&res.node) } else { None };
        let search = Search { all: self, referrer, field, role_ref };
        let mut shares = Shares::default();
        let spec =
            FieldSpec { create: field.spec.create, gvk: Gvk::default(), path: field.spec.path.clone() };
        fieldspec::apply_unchecked(&mut res.node, &spec, Create::Never, &mut |node| {
            search.set(node, &mut shares)
        })
        .map_err(|e| {
            e.at(&res.file, 0).context(format!(
                "updating name reference in '{}' field of '{}'",
                field.spec.path, referrer.shown
            ))
        })?;
        shares.settle(&mut res.node);
        Ok(())
    }

    fn is_original_namespace(&self, namespace: &str, referrer: &Referrer) -> bool {
        if referrer.cluster_scoped {
            return self.moves.iter().any(|(org, _)| org == namespace);
        }
        self.moves.contains(&(namespace.to_owned(), referrer.effective_namespace.clone()))
            || referrer
                .subject_namespaces
                .iter()
                .any(|ns| self.moves_as_written.contains(&(namespace.to_owned(), ns.clone())))
    }
}

/// The group and kind that a binding's `roleRef` names, if it names both.
fn role_ref(node: &Node) -> Option<Gvk> {
    let role = node.get("roleRef")?;
    let text = |key: &str| role.get(key).filter(|n| !n.is_null()).and_then(Node::text);
    Some(Gvk::new(text("apiGroup")?, "", text("kind")?))
}

struct Search<'a> {
    all: &'a Candidates,
    referrer: &'a Referrer,
    field: &'a Field<'a>,
    role_ref: Option<Gvk>,
}

impl Search<'_> {
    fn set(&self, node: &mut Node, shares: &mut Shares) -> Result<(), Error> {
        if node.is_null() {
            return Ok(());
        }
        match &mut node.value {
            Value::Scalar(_) => self.set_scalar(node, shares),
            Value::Mapping(_) => self.set_mapping(node, shares),
            Value::Sequence(list) => {
                for element in list {
                    match &element.value {
                        _ if element.is_null() => {}
                        Value::Scalar(_) => self.set_scalar(element, shares)?,
                        Value::Mapping(_) => self.set_mapping(element, shares)?,
                        Value::Sequence(_) => {
                            return Err(Error::new("a list is expected to hold strings or maps")
                                .at_line(element.pos.line));
                        }
                    }
                }
                Ok(())
            }
        }
    }

    fn set_scalar(&self, node: &mut Node, shares: &mut Shares) -> Result<(), Error> {
        let old = node.text().unwrap_or_default();
        match self.find(old, |_| true, false)? {
            Some(found) if found.name != old => fieldspec::set_scalar_untyped(node, &found.name, shares),
            _ => Ok(()),
        }
    }

    fn set_mapping(&self, node: &mut Node, shares: &mut Shares) -> Result<(), Error> {
        let Some(name) = node.get("name") else {
            return Err(Error::new("path config error; no 'name' field in node")
                .at_line(node.pos.line)
                .hint("the reference's fieldSpec must lead to a name, or to a map with one"));
        };
        let old = name.text().unwrap_or_default().to_owned();
        let namespace = node.get("namespace").map(|n| n.text().unwrap_or_default().to_owned());
        let found = match &namespace {
            None => self.find(&old, |_| true, true)?,
            Some(ns) if self.all.is_original_namespace(ns, self.referrer) => {
                self.find(&old, |c| c.org_namespace == *ns && *ns != NOT_A_NAMESPACE, true)?
            }
            Some(ns) => self.find(&old, |c| c.effective_namespace == *ns && *ns != NOT_A_NAMESPACE, true)?,
        };
        let Some(found) = found else { return Ok(()) };
        if found.name == old && found.namespace.is_empty() {
            return Ok(());
        }
        for (key, text) in [("name", &found.name), ("namespace", &found.namespace)] {
            if text.is_empty() {
                continue;
            }
            match node.get_mut(key) {
                Some(slot) if slot.text().is_some() => fieldspec::set_scalar_untyped(slot, text, shares)?,
                _ => {
                    if let Some(map) = node.as_map_mut() {
                        super::scalar::set_untyped(map, key, text);
                    }
                }
            }
        }
        Ok(())
    }

    /// The one object that is meant, if it can be told.
    fn find(
        &self,
        old: &str,
        also: impl Fn(&Candidate) -> bool,
        with_namespace: bool,
    ) -> Result<Option<&Candidate>, Error> {
        let Some(slots) = self.all.by_former_name.get(old) else { return Ok(None) };
        let fits = |c: &&Candidate| {
            c.is_visible_to(self.referrer)
                && also(c)
                && c.was(old)
                && c.had_kind(self.field.target)
                && self.role_ref.as_ref().is_none_or(|gvk| c.had_kind(gvk))
                && c.is_near(self.referrer)
        };
        let mut found: Vec<&Candidate> = slots.iter().map(|at| &self.all.list[*at]).filter(fits).collect();
        if found.len() > 1 {
            let mut own = Resource::new(Node::null());
            own.build.prefixes.clone_from(&self.referrer.prefixes);
            own.build.suffixes.clone_from(&self.referrer.suffixes);
            found.retain(|c| c.lineage.same_lineage(&own, true));
            if found.len() > 1 {
                found.retain(|c| c.lineage.same_lineage(&own, false));
            }
        }
        let Some(first) = found.first().copied() else { return Ok(None) };
        let same =
            |c: &&Candidate| c.name == first.name && (!with_namespace || c.namespace == first.namespace);
        if found.iter().all(same) {
            return Ok(Some(first));
        }
        let list: Vec<String> = found.iter().map(|c| format!("{}{}", c.shown, c.at)).collect();
        Err(Error::new(format!("found multiple possible referrals: {}", list.join(", "))).hint(format!(
            "'{old}' in {} may mean any of them; give them different names or the reference a namespace",
            self.referrer.gvk
        )))
    }
}
