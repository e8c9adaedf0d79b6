//! `vars`: collected up the tree, resolved once at the end against the finished objects.

use std::collections::BTreeMap;

use super::error::Error;
use super::gvk::{GvkView, IdView};
use super::resmap::ResMap;
use super::types::Var;
use crate::yaml::{Node, Tag, Value};

/// The variables of a layer and those below it, by name.
#[derive(Debug, Clone, Default)]
pub struct VarSet(BTreeMap<String, Var>);

impl VarSet {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn insert(&mut self, var: Var) -> Result<(), Error> {
        let name = var.name.clone();
        if self.0.insert(name.clone(), var).is_some() {
            return Err(Error::new(format!("var '{name}' already encountered"))
                .hint("a variable's name must be unique over all bases; rename one of them"));
        }
        Ok(())
    }

    /// Takes over the variables of a layer below.
    pub fn merge(&mut self, other: Self) -> Result<(), Error> {
        other.0.into_values().try_for_each(|var| self.insert(var))
    }

    /// Declares the variables of a layer and marks the objects that they read.
    pub fn declare(&mut self, vars: &[Var], m: &mut ResMap) -> Result<(), Error> {
        for var in vars {
            let target = &var.obj_ref;
            let id = IdView { gvk: target.gvk.view(), name: &target.name, namespace: &target.namespace };
            let exact = !target.namespace.is_empty() || id.gvk.is_cluster_scoped();
            let matched: Vec<usize> = if exact {
                m.matching_any(&id)
            } else {
                let fits =
                    |at: &usize| m.get(*at).any_ids().any(|own: IdView<'_>| own.same_without_namespace(&id));
                (0..m.len()).filter(fits).collect()
            };
            match matched.as_slice() {
                [] => {}
                [at] => m.edit_at(*at, |res| res.var_names.push(var.name.clone())),
                many => {
                    return Err(Error::new(format!(
                        "found {} resId matches for var {} (unable to disambiguate)",
                        many.len(),
                        var.name
                    ))
                    .hint("give the variable's objref a namespace"));
                }
            }
            self.insert(var.clone())?;
        }
        Ok(())
    }

    /// The value of every variable.
    pub fn values(&self, m: &ResMap) -> Result<BTreeMap<String, Node>, Error> {
        let mut sources: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, res) in m.iter().enumerate() {
            for name in &res.var_names {
                sources.entry(name).or_insert(at);
            }
        }
        let mut out = BTreeMap::new();
        for var in self.0.values() {
            let at = sources.get(var.name.as_str()).ok_or_else(|| {
                let t = &var.obj_ref;
                let gvk = GvkView { group: &t.gvk.group, version: &t.gvk.version, kind: &t.gvk.kind };
                let id = IdView { gvk, name: &t.name, namespace: &t.namespace };
                Error::new(format!(
                    "var '{}' cannot be mapped to a field in the set of known resources: no object {id}",
                    var.name
                ))
                .hint("its objref must name an object of this build by its original name")
            })?;
            let res = m.get(*at);
            let value = field_value(&res.node, &var.field_path).ok_or_else(|| {
                Error::new(format!(
                    "field '{}' specified in var '{}' not found in corresponding resource {}",
                    var.field_path,
                    var.name,
                    res.cur_id()
                ))
                .at(&res.file, res.node.pos.line)
            })?;
            out.insert(var.name.clone(), value);
        }
        Ok(out)
    }
}

/// The value at a dotted path with `[n]` for elements.
fn field_value(node: &Node, path: &str) -> Option<Node> {
    let mut at = node;
    for part in split(path) {
        at = match &at.value {
            Value::Mapping(map) => map.get(&part)?,
            Value::Sequence(list) => list.get(part.parse::<usize>().ok()?)?,
            Value::Scalar(_) => return None,
        };
    }
    if at.is_null() {
        return None;
    }
    match &at.value {
        Value::Scalar(s) => match s.tag {
            // Go's Atoi knows decimal digits only.
            Tag::Int => s.text.parse::<i64>().ok().map(|n| Node::scalar(Tag::Int, n.to_string())),
            Tag::Bool | Tag::Float => Some(at.clone()),
            _ => Some(Node::str(&*s.text)),
        },
        _ => Some(at.clone()),
    }
}

/// Splits at dots outside brackets; `\.` is a dot; `a[0]` is `a`, `0`; `a.[b.c]` keeps the dot in brackets.
fn split(path: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut in_brackets = false;
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        let last = parts.last_mut().expect("starts with one part");
        match c {
            '\\' if chars.peek() == Some(&'.') => {
                last.push('.');
                chars.next();
            }
            '[' => {
                in_brackets = true;
                last.push(c);
            }
            ']' => {
                in_brackets = false;
                last.push(c);
            }
            '.' if !in_brackets => parts.push(String::new()),
            c => last.push(c),
        }
    }
    let mut out = Vec::new();
    for part in parts {
        match part.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
            Some((head, index)) if index.chars().all(|c| c.is_ascii_digit()) && !index.is_empty() => {
                if !head.is_empty() {
                    out.push(head.to_owned());
                }
                out.push(index.to_owned());
            }
            Some(("", name)) => out.push(name.to_owned()),
            _ => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_split_at_dots_and_indexes() {
        assert_eq!(split("spec.ports[0].port"), ["spec", "ports", "0", "port"]);
        assert_eq!(split("metadata.annotations.[a.b/c]"), ["metadata", "annotations", "a.b/c"]);
        assert_eq!(split("metadata.annotations.a\\.b"), ["metadata", "annotations", "a.b"]);
    }

    #[test]
    fn a_name_may_be_declared_once() {
        let mut set = VarSet::default();
        let var = Var { name: "A".into(), ..Var::default() };
        set.declare(std::slice::from_ref(&var), &mut ResMap::new()).unwrap();
        assert!(set.declare(&[var], &mut ResMap::new()).is_err());
    }
}
