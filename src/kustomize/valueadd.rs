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
            if part.starts_with('[') || part == "-" || part == "*" || part.parse::<i64>().is_ok() {
                return Err(Error::unsupported(format!(
                    "fieldPath '{}': list elements in ValueAddTransformer are not supported",
                    target.field_path
                ))
                .hint("use 'replacements' with 'sourceValue' for elements of lists"));
            }
            if node.as_map().is_none() {
                return Err(wrong_kind("MappingNode", node));
            }
            let Some(map) = node.as_map_mut() else { return Ok(()) };
            if map.get(part).is_none() {
                let made = if at + 1 == path.len() {
                    Node::str("").value
                } else {
                    Value::Mapping(Mapping::default())
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
