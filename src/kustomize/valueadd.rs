//! `ValueAddTransformer`: a value into fields of selected objects, as a whole or as a part of a file path.

use super::decode::{Decode, Mode, decodes};
use super::error::{Context, Error, Kind};
use super::fieldspec::{split_path, wrong_kind};
use super::namespace::Namespace;
use super::resmap::ResMap;
use super::resource::Resource;
use super::select::select;
use super::transform::{Ctx, Files, Transformer};
use super::types::Selector;
use crate::yaml::{Entry, Limits, Mapping, Node, Scalar, Style, Value, read_v2_json};

/// The transformer.
#[derive(Debug, Clone, Default)]
pub struct ValueAdd {
    /// The value; empty: the name of the kustomization's folder.
    pub value: String,
    /// Where it goes.
    pub targets: Vec<Target>,
    /// File with more targets.
    pub target_file_path: String,
}

/// A field of selected objects.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// Which objects; `None`: all.
    pub selector: Option<Selector>,
    /// `/`-separated, with `\/` for a slash in a name.
    pub field_path: String,
    /// If positive, the value becomes that part of the path in the field.
    pub file_path_position: i64,
}

decodes!(Target, "a target of ValueAddTransformer", {
    "selector" => selector, "fieldPath" => field_path, "filePathPosition" => file_path_position,
});
decodes!(ValueAdd, "ValueAddTransformer", {
    "value" => value, "targets" => targets, "targetFilePath" => target_file_path,
});

impl ValueAdd {
    /// From the plugin's configuration. `root` is the folder of the kustomization.
    ///
    /// # Errors
    /// If the configuration is incomplete.
    pub fn configure(node: &Node, root: &str, files: &dyn Files) -> Result<Self, Error> {
        let mut out = Self::decode(node, Mode::LENIENT, "plugin")?;
        out.value = out.value.trim().to_owned();
        if out.value.is_empty() {
            out.value = root.rsplit('/').next().unwrap_or("").to_owned();
        }
        if !out.target_file_path.is_empty() {
            let (bytes, file) = files.load(&out.target_file_path)?;
            let text = String::from_utf8_lossy(&bytes);
            let more = read_v2_json(&text, &Limits::default())
                .map_err(|e| Error::of(Kind::MalformedYaml, e.to_string()).at(&file, e.pos.line))?;
            out.targets
                .extend(Self::decode(&more, Mode::LENIENT, "targets").map_err(|e| e.at(&file, 0))?.targets);
        }
        if out.targets.is_empty() {
            return Err(Error::new("must specify at least one target"));
        }
        for target in &out.targets {
            if target.field_path.is_empty() {
                return Err(Error::new("fieldPath cannot be empty"));
            }
            if target.file_path_position < 0 {
                return Err(Error::new(format!(
                    "value of FilePathPosition ({}) cannot be negative",
                    target.file_path_position
                )));
            }
        }
        Ok(out)
    }

    fn apply(&self, res: &mut Resource, target: &Target) -> Result<(), Error> {
        if target.field_path == "metadata/namespace" {
            let namespace = Namespace { namespace: self.value.clone(), ..Namespace::default() };
            return namespace.apply(res);
        }
        let mut node = &mut res.node;
        let path: Vec<String> = split_path(&target.field_path, '/')
            .iter()
            .map(|part| part.trim().to_owned())
            .filter(|part| !part.is_empty())
            .collect();
        for (at, part) in path.iter().enumerate() {
            if node.is_null() {
                return Ok(());
            }
            if is_element(part) {
                match element(node, part)? {
                    Some(found) => node = found,
                    // As the original: a position that is not there is left alone.
                    None if target.file_path_position == 0 => return Ok(()),
                    None => return Err(Error::new(format!("there is no element {part}"))),
                }
                continue;
            }
            if node.as_map().is_none() {
                return Err(wrong_kind("MappingNode", node));
            }
            let Some(map) = node.as_map_mut() else { return Ok(()) };
            if map.get(part).is_none() {
                let made = match path.get(at + 1) {
                    None => Node::str("").value,
                    Some(next) if is_bracketed(next) || next.parse::<i64>().is_ok() => {
                        Value::Sequence(Vec::new())
                    }
                    Some(_) => Value::Mapping(Mapping::default()),
                };
                map.entries.push(Entry { key: Node::str(part.as_str()), value: Node::from(made) });
            }
            let Some(next) = map.get_mut(part) else { return Ok(()) };
            node = next;
        }
        let Value::Scalar(old) = &node.value else { return Err(wrong_kind("ScalarNode", node)) };
        let text = match usize::try_from(target.file_path_position - 1) {
            Ok(at) => insert_part(&old.text, at, &self.value),
            Err(_) => self.value.clone(),
        };
        let tag =
            if old.style == Style::Plain { super::scalar::resolve(&text) } else { crate::yaml::Tag::Str };
        node.value = Value::Scalar(Scalar { text: text.into(), tag, style: old.style });
        Ok(())
    }
}

impl Transformer for ValueAdd {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        for target in &self.targets {
            let chosen = match &target.selector {
                None => (0..m.len()).collect(),
                Some(selector) => select(m, selector)?,
            };
            for at in chosen {
                m.edit_at(at, |res| self.apply(res, target).map_err(|e| e.at(&res.file, 0)))
                    .context(|| format!("fieldPath '{}'", target.field_path))?;
            }
        }
        Ok(())
    }
}

fn is_bracketed(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

/// Whether a part of a path names elements of a list.
fn is_element(part: &str) -> bool {
    is_bracketed(part) || matches!(part, "-" | "*") || part.parse::<i64>().is_ok()
}

/// The element of a list that a part of a path names, as kyaml's `PathGetter` finds it: by position, `-` for the last,
/// `[key=value]` and `[=value]` by what it holds; those are made if there are none.
fn element<'a>(node: &'a mut Node, part: &str) -> Result<Option<&'a mut Node>, Error> {
    if part == "*" {
        return Err(
            Error::new("wildcard is not supported in PathGetter").hint("name the elements one by one")
        );
    }
    if node.as_seq().is_none() {
        return Err(wrong_kind("SequenceNode", node));
    }
    let Value::Sequence(list) = &mut node.value else { return Ok(None) };
    if part == "-" {
        return list.last_mut().map(Some).ok_or_else(|| Error::new("an empty list has no last element"));
    }
    if let Ok(at) = part.parse::<i64>() {
        let at =
            usize::try_from(at).map_err(|_| Error::new(format!("array index {at} cannot be negative")))?;
        return Ok(list.get_mut(at));
    }
    let inner = &part[1..part.len() - 1];
    let Some((key, value)) = inner.split_once('=') else {
        return Err(Error::new("list path element must contain fieldName=fieldValue for element to match"));
    };
    let text_of = |node: &Node| node.text().unwrap_or("").to_owned();
    let holds = |node: &Node| match key {
        "" => text_of(node) == value,
        key => node.as_map().and_then(|map| map.get(key)).is_some_and(|found| text_of(found) == value),
    };
    let at = list.iter().position(holds).unwrap_or(list.len());
    if at == list.len() {
        let tag = super::scalar::resolve(value);
        let made = Node::from(Value::Scalar(Scalar { text: value.into(), tag, style: Style::Plain }));
        list.push(match key {
            "" => made,
            key => {
                let entries = vec![Entry { key: Node::str(key), value: made }];
                Node::from(Value::Mapping(Mapping { entries }))
            }
        });
    }
    Ok(list.get_mut(at))
}

/// Puts a part into a file path; positions past the end append.
fn insert_part(path: &str, at: usize, part: &str) -> String {
    if part.is_empty() {
        return path.to_owned();
    }
    let (lead, relative) = match path.strip_prefix('/') {
        Some(rest) => ("/", rest),
        None => ("", path),
    };
    let mut parts: Vec<&str> = relative.split('/').filter(|p| !p.is_empty()).collect();
    parts.insert(at.min(parts.len()), part);
    format!("{lead}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_inserted_by_position_in_relative_and_absolute_paths() {
        for (path, at, want) in [
            ("", 0, "P"),
            ("/", 0, "/P"),
            ("pie", 0, "P/pie"),
            ("/pie", 0, "/P/pie"),
            ("raw", 1, "raw/P"),
            ("a/nice/warm/pie", 3, "a/nice/warm/P/pie"),
            ("/a/nice/warm/pie", 99, "/a/nice/warm/pie/P"),
        ] {
            assert_eq!(insert_part(path, at, "P"), want, "{path}");
        }
    }
}
