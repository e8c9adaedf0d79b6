//! `buildMetadata`: where resources came from and what changed them, as annotations.

use super::repospec::RepoSpec;
use super::resmap::ResMap;
use super::resource::Resource;
use crate::yaml::{self, Limits, Node};

/// The annotation that says where a resource came from.
pub const ORIGIN_KEY: &str = "config.kubernetes.io/origin";
/// The annotation that lists what changed a resource.
pub const TRANSFORMATIONS_KEY: &str = "alpha.config.kubernetes.io/transformations";

/// Where a resource or transformer came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Path from the root of the build or of the repository.
    pub path: String,
    /// Repository, if it is remote.
    pub repo: String,
    /// Ref in that repository.
    pub reference: String,
    /// The file that configures the generator or transformer.
    pub configured_in: String,
    /// What configures it: apiVersion, kind, name, namespace.
    pub configured_by: [String; 4],
}

const BY_FIELDS: [&str; 4] = ["apiVersion", "kind", "name", "namespace"];

impl Origin {
    /// The origin of something at `path`, a path or repository URL as a kustomization writes it.
    #[must_use]
    pub fn append(&self, path: &str) -> Self {
        let mut out = self.clone();
        if let Ok(spec) = RepoSpec::parse(path) {
            out.repo = spec.clone_spec();
            // The original cuts the path of a clone that was never made; nothing inside leaves its name.
            let inside = if spec.path.is_empty() { "notCloned" } else { spec.path.as_str() };
            out.path = clean(inside);
            out.reference = spec.reference;
        } else {
            out.path = clean(&format!("{}/{path}", out.path));
        }
        out
    }

    /// The origin of what a built-in generator or transformer of the kustomization at `self` makes.
    #[must_use]
    pub fn of_builtin(&self, file: &str, kind: &str) -> Self {
        Self {
            path: String::new(),
            repo: self.repo.clone(),
            reference: self.reference.clone(),
            configured_in: clean(&format!("{}/{file}", self.path)),
            configured_by: ["builtin".into(), kind.into(), String::new(), String::new()],
        }
    }

    /// The origin of what a plugin makes, from the origin of its configuration.
    #[must_use]
    pub fn of_plugin(res: &Resource) -> Option<Self> {
        let text = res.annotation(ORIGIN_KEY)?;
        let node =
            yaml::read_v3(text, &Limits::default()).ok()?.into_iter().next().unwrap_or_else(Node::null);
        let field = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
        Some(Self {
            path: String::new(),
            repo: field("repo"),
            reference: field("ref"),
            configured_in: field("path"),
            configured_by: [
                res.api_version().to_owned(),
                res.kind().to_owned(),
                res.name().to_owned(),
                res.namespace().to_owned(),
            ],
        })
    }

    /// The annotation's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let fields = [
            ("path", &self.path),
            ("repo", &self.repo),
            ("ref", &self.reference),
            ("configuredIn", &self.configured_in),
        ];
        let mut out = String::new();
        for (key, value) in fields.into_iter().filter(|(_, v)| !v.is_empty()) {
            out.push_str(&format!("{key}: {}\n", scalar(value)));
        }
        if self.configured_by.iter().any(|v| !v.is_empty()) {
            out.push_str("configuredBy:\n");
            for (key, value) in BY_FIELDS.iter().zip(&self.configured_by).filter(|(_, v)| !v.is_empty()) {
                out.push_str(&format!("  {key}: {}\n", scalar(value)));
            }
        }
        if out.is_empty() { "{}\n".to_owned() } else { out }
    }

    fn to_item(&self) -> String {
        let text = self.to_text();
        let mut out = String::new();
        for (at, line) in text.lines().enumerate() {
            out.push_str(if at == 0 { "- " } else { "  " });
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

/// Go's `filepath.Join` of relative paths.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn scalar(text: &str) -> String {
    match yaml::emit::to_yaml(&Node::str(text)) {
        Ok(line) => line.trim_end().to_owned(),
        Err(_) => format!("'{}'", text.replace('\'', "''")),
    }
}

/// Notes where resources came from that do not say it yet.
pub fn note_generator(m: &mut ResMap, origin: &Origin) {
    let text = origin.to_text();
    for res in m.iter_mut().filter(|r| r.annotation(ORIGIN_KEY).is_none()) {
        res.set_annotation(ORIGIN_KEY, Some(&text));
    }
}

/// Notes that a transformer ran over all resources; those that it made came from it.
pub fn note_transformer(m: &mut ResMap, origin: &Origin) {
    let (text, item) = (origin.to_text(), origin.to_item());
    for res in m.iter_mut() {
        if res.annotation(ORIGIN_KEY).is_none() {
            res.set_annotation(ORIGIN_KEY, Some(&text));
        } else {
            let all = format!("{}{item}", res.annotation(TRANSFORMATIONS_KEY).unwrap_or_default());
            res.set_annotation(TRANSFORMATIONS_KEY, Some(&all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_in_the_originals_order() {
        let origin = Origin { path: "base".into(), ..Origin::default() };
        assert_eq!(origin.append("a.yaml").to_text(), "path: base/a.yaml\n");
        assert_eq!(origin.append("../x").path, "x");
        let remote = origin.append("github.com/a/b//c?ref=v1");
        assert_eq!(remote.to_text(), "path: c\nrepo: https://github.com/a/b\nref: v1\n");
        assert_eq!(
            origin.of_builtin("kustomization.yaml", "ConfigMapGenerator").to_text(),
            "configuredIn: base/kustomization.yaml\nconfiguredBy:\n  apiVersion: builtin\n  kind: ConfigMapGenerator\n"
        );
    }
}
