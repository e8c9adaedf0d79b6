//! `configMapGenerator` and `secretGenerator`.

use base64::Engine as _;

use super::error::Error;
use super::kv;
use super::memory::Behavior;
use super::resource::Resource;
use super::scalar::string;
use super::transform::Files;
use super::types::{GeneratorArgs, GeneratorOptions, StringMap};
use crate::yaml::{Mapping, Node, Scalar, Style, Tag, Value};

/// What is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generated {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// Makes the object of one generator entry.
pub fn generate(what: Generated, args: &GeneratorArgs, files: &dyn Files) -> Result<Resource, Error> {
    if args.name.is_empty() {
        return Err(Error::new("a configmap must have a name")
            .at_line(args.line)
            .hint("give the generator entry a 'name'"));
    }
    let mut root = Mapping::default();
    root.set("apiVersion", Node::str("v1"));
    let kind = match what {
        Generated::ConfigMap => "ConfigMap",
        Generated::Secret => "Secret",
    };
    root.set("kind", Node::str(kind));
    let mut meta = Mapping::default();
    meta.set("name", string(&args.name));
    if !args.namespace.is_empty() {
        meta.set("namespace", string(&args.namespace));
    }
    let options = args.options.as_ref();
    for (field, map) in [
        ("labels", options.and_then(|o| o.labels.as_ref())),
        ("annotations", options.and_then(|o| o.annotations.as_ref())),
    ] {
        if let Some(map) = map.filter(|m| !m.is_empty()) {
            meta.set(field, super::scalar::string_map_node(map));
        }
    }
    root.set("metadata", Node::from(Value::Mapping(meta)));
    let pairs = kv::load(args, files)?;
    // The original makes keys without a tag and then cannot print those that are no strings.
    if let Some((key, _)) = pairs.iter().find(|(key, _)| super::scalar::resolve(key) != Tag::Str) {
        return Err(Error::new(format!(
            "key '{key}' of {kind} {} reads as a number, boolean, date or null, which kustomize cannot print",
            args.name
        ))
        .at_line(args.line)
        .hint("name the key otherwise, or write the object as a resource with the key in quotes"));
    }
    match what {
        Generated::ConfigMap => {
            for (key, bytes) in pairs {
                match String::from_utf8(bytes) {
                    Ok(text) => put(&mut root, "data", key, text),
                    Err(e) => put(&mut root, "binaryData", key, base64_lines(e.as_bytes())),
                }
            }
        }
        Generated::Secret => {
            let secret_type = if args.secret_type.is_empty() { "Opaque" } else { args.secret_type.as_str() };
            root.set("type", string(secret_type));
            root.set("data", Node::mapping());
            for (key, bytes) in pairs {
                put(&mut root, "data", key, base64_lines(&bytes));
            }
        }
    }
    if options.is_some_and(|o| o.immutable) {
        root.set("immutable", Node::scalar(Tag::Bool, "true"));
    }
    let mut res = Resource::new(Node::from(Value::Mapping(root)));
    res.build.needs_hash = !options.is_some_and(|o| o.disable_name_suffix_hash);
    res.build.behavior = Some(Behavior::parse(&args.behavior));
    Ok(res)
}

fn put(root: &mut Mapping, field: &str, key: String, text: String) {
    if root.get(field).is_none() {
        root.set(field, Node::mapping());
    }
    let style = if text.contains('\n') { Style::Literal } else { Style::Plain };
    let value = Node::from(Value::Scalar(Scalar { text: text.into(), tag: Tag::Str, style }));
    if let Some(map) = root.get_mut(field).and_then(Node::as_map_mut) {
        map.entries.push(crate::yaml::Entry { key: super::fieldspec::untagged_key(&key), value });
    }
}

/// Base64; 70 or more characters are cut into lines of 70, each with a line break, the last one too.
fn base64_lines(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let all = base64::engine::general_purpose::STANDARD.encode(bytes);
    if all.len() < LINE {
        return all;
    }
    let mut out = String::with_capacity(all.len() + all.len() / LINE + 1);
    let mut rest = all.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = more;
    }
    out
}

/// Options of the kustomization under those of the entry: global `true` wins, local map entries win.
#[must_use]
pub fn merge_options(
    local: Option<&GeneratorOptions>,
    global: Option<&GeneratorOptions>,
) -> Option<GeneratorOptions> {
    let Some(global) = global else { return local.cloned() };
    let mut out = local.cloned().unwrap_or_default();
    let fill = |own: &mut Option<StringMap>, more: &Option<StringMap>| match (own, more) {
        (slot @ None, more) => slot.clone_from(more),
        (Some(own), Some(more)) => {
            for (k, v) in more {
                own.entry(k.clone()).or_insert_with(|| v.clone());
            }
        }
        (Some(_), None) => {}
    };
    fill(&mut out.labels, &global.labels);
    fill(&mut out.annotations, &global.annotations);
    out.disable_name_suffix_hash |= global.disable_name_suffix_hash;
    out.immutable |= global.immutable;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_base64_is_cut_at_seventy_columns_and_ends_with_a_line_break() {
        assert_eq!(base64_lines(&[0; 51]).len(), 68);
        let long = base64_lines(&[0; 53]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [70, 2]);
        assert!(long.ends_with('\n'));
    }

    #[test]
    fn a_global_true_wins_and_local_labels_win() {
        let map = |v: &str| Some(StringMap::from([("a".to_owned(), v.to_owned())]));
        let local = GeneratorOptions { labels: map("local"), ..GeneratorOptions::default() };
        let global =
            GeneratorOptions { labels: map("global"), immutable: true, ..GeneratorOptions::default() };
        let got = merge_options(Some(&local), Some(&global)).unwrap();
        assert_eq!(got.labels, map("local"));
        assert!(got.immutable);
    }
}
