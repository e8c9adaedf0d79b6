//! `replacements`: a value from one object (or given literally) is written into fields of others.
//!
//! Follows `api/filters/replacement` of 5.8. What is easily got wrong: the source is found by exact identity and must be
//! one object, targets by patterns; a scalar target keeps its own type and quoting, so a number written into a string
//! stays a string, and text written into a number fails when the object is printed; a path that leads into YAML or JSON
//! inside a string rewrites that string.

use super::decode::{Decode, Mode};
use super::error::{Context, Error, Kind};
use super::fieldpath::{self, Made};
use super::gvk::{DEFAULT_NAMESPACE, IdView, ResId};
use super::resmap::ResMap;
use super::scalar::is_nil_or_empty;
use super::select::{IdPattern, MetaSelectors};
use super::share::Shares;
use super::transform::{Ctx, Transformer};
use super::types::{FieldOptions, Replacement, ReplacementField, SourceSelector, TargetSelector};
use super::yamltext;
use crate::yaml::{Limits, Node, Scalar, Tag, Value, json, read_v2_json};

const DEFAULT_FIELD: &str = "metadata.name";

/// The transformer.
#[derive(Debug, Clone, Default)]
pub struct Replacements {
    /// Entries, inline or in files.
    pub replacements: Vec<ReplacementField>,
}

impl Transformer for Replacements {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        for field in &self.replacements {
            if field.path.is_empty() {
                apply(m, &field.replacement)?;
                continue;
            }
            if field.replacement.source.is_some() || !field.replacement.targets.is_empty() {
                return Err(Error::new("cannot specify both path and inline replacement"));
            }
            let (bytes, file) = ctx.files.load(&field.path)?;
            let text = String::from_utf8_lossy(&bytes);
            for replacement in from_file(&text).map_err(|e| e.at(&file, 0))? {
                apply(m, &replacement).map_err(|e| e.at(&file, 0))?;
            }
        }
        Ok(())
    }
}

/// A file holds one replacement or a list of them.
fn from_file(text: &str) -> Result<Vec<Replacement>, Error> {
    let node = read_v2_json(text, &Limits::default())
        .map_err(|e| Error::of(Kind::MalformedYaml, e.to_string()).at_line(e.pos.line))?;
    match &node.value {
        Value::Sequence(_) => Decode::decode(&node, Mode::LENIENT, "replacements"),
        Value::Mapping(_) => Ok(vec![Replacement::decode(&node, Mode::LENIENT, "replacement")?]),
        Value::Scalar(_) => Err(Error::new(
            "unsupported replacement type encountered within replacement path: it is no object or list",
        )),
    }
}

/// Applies one entry.
///
/// # Errors
/// If source or targets are not as the entry says; the message names field and object.
pub fn apply(m: &mut ResMap, replacement: &Replacement) -> Result<(), Error> {
    let value = match (&replacement.source, &replacement.source_value) {
        (None, None) => return Err(incomplete()),
        _ if replacement.targets.is_empty() => return Err(incomplete()),
        (Some(_), Some(_)) => {
            return Err(Error::new("value and resource selectors are mutually exclusive")
                .hint("a replacement has either 'source' or 'sourceValue'"));
        }
        (None, Some(text)) => Node::scalar(super::scalar::resolve(text), text.as_str()),
        (Some(source), None) => source_value(m, source)?,
    };
    replacement.targets.iter().try_for_each(|target| apply_to(m, &value, target))
}

fn incomplete() -> Error {
    Error::new("replacements must specify a source and at least one target")
}

/// Exact selection, in which no kind counts as cluster-scoped.
fn is_source(id: &IdView<'_>, wanted: &ResId) -> bool {
    fn effective(namespace: &str) -> &str {
        if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }
    }
    (wanted.name.is_empty() || wanted.name == id.name)
        && (wanted.namespace.is_empty() || effective(&wanted.namespace) == effective(id.namespace))
        && id.gvk.is_selected(&wanted.gvk)
}

fn source_value(m: &ResMap, source: &SourceSelector) -> Result<Node, Error> {
    let mut matches = m.iter().filter(|res| res.any_ids().any(|id| is_source(&id, &source.id)));
    let found = matches.next().ok_or_else(|| Error::new(format!("nothing selected by {}", show(source))))?;
    if matches.next().is_some() {
        return Err(Error::new(format!("multiple matches for selector {}", show(source)))
            .hint("name kind, name and namespace of the source so that one object is left"));
    }
    let path = if source.field_path.is_empty() { DEFAULT_FIELD } else { &source.field_path };
    let value = fieldpath::get(&found.node, &fieldpath::split(path))
        .context(|| "error looking up replacement source".to_owned())?
        .filter(|v| !is_nil_or_empty(v))
        .ok_or_else(|| {
            Error::new(format!("fieldPath `{path}` is missing for replacement source {}", source.id))
                .at(&found.file, found.node.pos.line)
        })?;
    match &source.options {
        Some(options) if !options.delimiter.is_empty() => part_of(value, options),
        _ => Ok(value.clone()),
    }
}

fn show(source: &SourceSelector) -> String {
    if source.field_path.is_empty() {
        source.id.to_string()
    } else {
        format!("{}:{}", source.id, source.field_path)
    }
}

fn only_scalars() -> Error {
    Error::new("delimiter option can only be used with scalar nodes")
}

fn part_of(value: &Node, options: &FieldOptions) -> Result<Node, Error> {
    let Value::Scalar(scalar) = &value.value else { return Err(only_scalars()) };
    let text = if value.is_null() { "" } else { &*scalar.text };
    let part = usize::try_from(options.index).ok().and_then(|at| text.split(&options.delimiter).nth(at));
    let part = part.ok_or_else(|| {
        Error::new(format!("options.index {} is out of bounds for value {text}", options.index))
    })?;
    Ok(Node::from(Value::Scalar(Scalar { text: part.into(), ..scalar.clone() })))
}

fn apply_to(m: &mut ResMap, value: &Node, target: &TargetSelector) -> Result<(), Error> {
    let Some(select) = &target.select else {
        return Err(Error::new("target must specify resources to select"));
    };
    let wrap = |e: Error| e.context("error creating target selector");
    let pattern = IdPattern::new(&select.id).map_err(wrap)?;
    let meta = MetaSelectors::new(select);
    let mut rejected_ids = Vec::new();
    let mut rejected_meta = Vec::new();
    for reject in &target.reject {
        let pattern = IdPattern::new(&reject.id).map_err(wrap)?;
        if !reject.id.is_empty() {
            rejected_ids.push(pattern);
        }
        if !reject.label_selector.is_empty() || !reject.annotation_selector.is_empty() {
            rejected_meta.push(MetaSelectors::new(reject));
        }
    }
    let default = [DEFAULT_FIELD.to_owned()];
    let fields = if target.field_paths.is_empty() { &default[..] } else { &target.field_paths };
    let fields: Vec<(&String, Vec<String>)> = fields.iter().map(|f| (f, fieldpath::split(f))).collect();
    let mut chosen = Vec::new();
    'resources: for (at, res) in m.iter().enumerate() {
        if !meta.select(res)? {
            continue;
        }
        for reject in &rejected_meta {
            if reject.select(res)? {
                continue 'resources;
            }
        }
        if res.any_ids().any(|id| rejected_ids.iter().any(|reject| reject.matches(&id))) {
            continue;
        }
        if res.any_ids().any(|id| pattern.matches(&id)) {
            chosen.push(at);
        }
    }
    for at in chosen {
        m.edit_at(at, |res| {
            let mut shares = Shares::default();
            for (path, parts) in &fields {
                write(&mut res.node, value, parts, target.options.as_ref(), &mut shares).map_err(|e| {
                    let create = if creates(target.options.as_ref()) { "find or create" } else { "find" };
                    let e = match e.kind() {
                        Kind::Unsupported => e,
                        _ => e.context(format!("unable to {create} field \"{path}\" in replacement target")),
                    };
                    e.at(&res.file, res.node.pos.line).context(format!("replacement into {}", res.cur_id()))
                })?;
            }
            shares.settle(&mut res.node);
            Ok(())
        })?;
    }
    Ok(())
}

fn creates(options: Option<&FieldOptions>) -> bool {
    options.is_some_and(|o| o.create)
}

fn write(
    root: &mut Node,
    value: &Node,
    path: &[String],
    options: Option<&FieldOptions>,
    shares: &mut Shares,
) -> Result<(), Error> {
    let made = if creates(options) { Made::like(value) } else { Made::No };
    match write_inside_string(root, value, path, made, shares) {
        Ok(true) => return Ok(()),
        Err(e) if e.kind() == Kind::Unsupported => return Err(e),
        _ => {}
    }
    let count = fieldpath::for_each(root, path, made, &mut |slot| set(slot, value, options, shares))?;
    if count == 0 {
        return Err(Error::new("no such field").hint(if made == Made::No {
            "'options: {create: true}' makes missing fields"
        } else {
            "the path leads through something that cannot be made"
        }));
    }
    Ok(())
}

/// Writes the text of a scalar into a scalar, which keeps its type and quoting; anything else takes the value's place.
fn put(slot: &mut Node, value: &Node, shares: &mut Shares) {
    let Value::Scalar(old) = &slot.value else {
        let new = value.value.clone();
        shares.assign(slot, new);
        return;
    };
    let text = value.text().unwrap_or("");
    let tag = if fieldpath::is_untyped(old) { super::scalar::resolve(text) } else { old.tag.clone() };
    let new = Scalar { text: text.into(), tag, style: old.style };
    shares.assign(slot, Value::Scalar(new));
}

fn set(
    slot: &mut Node,
    value: &Node,
    options: Option<&FieldOptions>,
    shares: &mut Shares,
) -> Result<(), Error> {
    let Some(options) = options.filter(|o| !o.delimiter.is_empty()) else {
        put(slot, value, shares);
        return Ok(());
    };
    let Value::Scalar(old) = &slot.value else { return Err(only_scalars()) };
    let text = if value.is_null() { "" } else { value.text().unwrap_or("") };
    let mut parts: Vec<&str> = old.text.split(&options.delimiter).collect();
    match usize::try_from(options.index) {
        Err(_) => parts.insert(0, text),
        Ok(at) => match parts.get_mut(at) {
            Some(part) => *part = text,
            None => parts.push(text),
        },
    }
    let joined = Node::scalar(Tag::Str, parts.join(&options.delimiter));
    put(slot, &joined, shares);
    Ok(())
}

/// Writes into YAML or JSON inside a string, if the path leads there. `false` if it does not.
fn write_inside_string(
    root: &mut Node,
    value: &Node,
    path: &[String],
    made: Made,
    shares: &mut Shares,
) -> Result<bool, Error> {
    let Some(cut) = (1..path.len()).find(|cut| {
        matches!(fieldpath::get(root, &path[..*cut]), Ok(Some(Node { value: Value::Scalar(s), .. }))
            if fieldpath::parse_inner(&s.text).is_ok())
    }) else {
        return Ok(false);
    };
    let Some(holder) = fieldpath::get_mut(root, &path[..cut])? else { return Ok(false) };
    let Value::Scalar(scalar) = &holder.value else { return Ok(false) };
    let text = scalar.text.to_string();
    let mut inner = fieldpath::parse_inner(&text)?;
    let mut ignored = Shares::default();
    let count = fieldpath::for_each(&mut inner, &path[cut..], made, &mut |slot| {
        put(slot, value, &mut ignored);
        Ok(())
    })?;
    if count == 0 {
        return Ok(false);
    }
    let written = if text.trim_start().starts_with(['{', '[']) {
        let compact = json::to_json(&inner, true).map_err(|e| Error::new(e.to_string()))?;
        if text.contains('\n') && text.contains("  ") { pretty(&compact) } else { compact }
    } else {
        refuse_lossy(&text)?;
        yamltext::to_text(&inner).trim().to_owned()
    };
    let new = Scalar { text: written.into(), ..scalar.clone() };
    shares.assign(holder, Value::Scalar(new));
    Ok(true)
}

/// Comments and flow collections would not survive our writer.
fn refuse_lossy(text: &str) -> Result<(), Error> {
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let what = if trimmed.starts_with('#') || line.contains(" #") {
            "comments"
        } else if [": {", ": [", "- {", "- ["].iter().any(|s| {
            line.find(s).is_some_and(|i| !line[i + 2..].starts_with("{}") && !line[i + 2..].starts_with("[]"))
        }) {
            "flow collections"
        } else {
            continue;
        };
        return Err(Error::unsupported(format!(
            "replacement into YAML inside a string that has {what} (line {} of the string) is not supported",
            at + 1
        ))
        .hint("write that part of the string in block style without comments, or patch the whole string"));
    }
    Ok(())
}

/// JSON with an indentation of two, as Go's `MarshalIndent` prints it.
fn pretty(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let mut depth = 0_usize;
    let mut chars = compact.chars().peekable();
    let newline = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                out.push(c);
                while let Some(c) = chars.next() {
                    out.push(c);
                    match c {
                        '\\' => out.extend(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '{' | '[' => {
                out.push(c);
                if chars.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    out.extend(chars.next());
                } else {
                    depth += 1;
                    newline(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                newline(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                newline(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kustomize::resource::Resource;
    use crate::kustomize::types::Selector;
    use crate::yaml::{Limits, read_v3};

    fn build(text: &str) -> ResMap {
        let mut m = ResMap::new();
        read_v3(text, &Limits::default()).unwrap().into_iter().for_each(|n| m.push(Resource::new(n)));
        m
    }

    fn run(path: &str, value: &str, options: Option<FieldOptions>) -> Result<String, String> {
        let mut m = build(
            "kind: A\nmetadata: {name: a}\nspec: {n: 5, s: x-y-z, l: [{k: u}, {k: v}]}\ndata: {j: '{\"p\":{\"q\":1}}', y: \"p:\\n    q: 1\\n\"}\n",
        );
        let replacement = Replacement {
            source_value: Some(value.into()),
            targets: vec![TargetSelector {
                select: Some(Selector::default()),
                field_paths: vec![path.into()],
                options,
                ..TargetSelector::default()
            }],
            source: None,
        };
        apply(&mut m, &replacement).map_err(|e| e.to_string())?;
        json::to_json(&m.get(0).node, false).map_err(|e| e.to_string())
    }

    #[test]
    fn a_target_keeps_its_type_and_text_in_a_number_fails_later() {
        assert!(run("spec.n", "7", None).unwrap().contains("\"n\":7"));
        assert!(run("spec.s", "7", None).unwrap().contains("\"s\":\"7\""));
        assert!(run("spec.n", "word", None).unwrap_err().contains("cannot decode"));
    }

    #[test]
    fn delimiter_and_index_write_a_part() {
        let options = |index| Some(FieldOptions { delimiter: "-".into(), index, ..FieldOptions::default() });
        assert!(run("spec.s", "N", options(1)).unwrap().contains("x-N-z"));
        assert!(run("spec.s", "N", options(-1)).unwrap().contains("N-x-y-z"));
        assert!(run("spec.s", "N", options(9)).unwrap().contains("x-y-z-N"));
    }

    #[test]
    fn json_and_yaml_inside_strings_are_rewritten() {
        assert!(run("data.j.p.q", "2", None).unwrap().contains(r#""j":"{\"p\":{\"q\":2}}""#));
        assert!(run("data.y.p.q", "2", None).unwrap().contains(r#""y":"p:\n  q: 2""#));
    }

    #[test]
    fn a_missing_field_is_an_error_unless_it_may_be_made() {
        let e = run("spec.nope", "x", None).unwrap_err();
        assert!(e.contains("unable to find field \"spec.nope\" in replacement target"), "{e}");
        let create = Some(FieldOptions { create: true, ..FieldOptions::default() });
        assert!(run("spec.nope.deep", "12", create).unwrap().contains("\"nope\":{\"deep\":12}"));
        assert!(run("spec.l.*.k", "w", None).unwrap().contains(r#"[{"k":"w"},{"k":"w"}]"#));
    }
}
