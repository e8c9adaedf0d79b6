//! Chart.yaml and requirements.yaml: reading and validating.
//!
//! Fields are decoded as `sigs.k8s.io/yaml` does into Helm's struct: names match in any case, scalars of any type
//! become text where text is wanted (`appVersion: 1.10` is "1.1"), unknown fields are ignored.

use std::collections::BTreeMap;

use crate::template::semver::Version;
use crate::yaml::Node;

use super::decode::{self, Decode};

/// What Chart.yaml says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// `name`
    pub name: String,
    /// `home`
    pub home: String,
    /// `sources`
    pub sources: Vec<String>,
    /// `version`
    pub version: String,
    /// `description`
    pub description: String,
    /// `keywords`
    pub keywords: Vec<String>,
    /// `maintainers`
    pub maintainers: Vec<Maintainer>,
    /// `icon`
    pub icon: String,
    /// `apiVersion`: v1 (also if absent) or v2.
    pub api_version: String,
    /// `condition`
    pub condition: String,
    /// `tags`
    pub tags: String,
    /// `appVersion`
    pub app_version: String,
    /// `deprecated`
    pub deprecated: bool,
    /// `annotations`; `None` if absent.
    pub annotations: Option<BTreeMap<String, String>>,
    /// `kubeVersion`
    pub kube_version: String,
    /// `dependencies`; `None` if absent, which Helm treats unlike an empty list.
    pub dependencies: Option<Vec<Dependency>>,
    /// `type`: empty, application or library.
    pub kind: String,
}

/// A maintainer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maintainer {
    /// `name`
    pub name: String,
    /// `email`
    pub email: String,
    /// `url`
    pub url: String,
}

/// A chart that this chart needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dependency {
    /// `name`: the chart's own name. While dependencies are processed an alias replaces it, as in Helm.
    pub name: String,
    /// `version`: a range.
    pub version: String,
    /// `repository`
    pub repository: String,
    /// `condition`: comma-separated paths in the values.
    pub condition: String,
    /// `tags`
    pub tags: Vec<String>,
    /// `enabled`; set while dependencies are processed.
    pub enabled: bool,
    /// `import-values`
    pub import_values: Vec<Import>,
    /// `alias`
    pub alias: String,
}

/// One entry of `import-values`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Import {
    /// A name under the child's `exports`.
    Export(String),
    /// A table of the child, copied to a table of the parent.
    Table {
        /// Path in the child's values.
        child: String,
        /// Path in the parent's values, `.` for its root.
        parent: String,
    },
}

impl Metadata {
    /// Decodes a document into these fields; what the document does not name stays as it is.
    pub(super) fn decode(&mut self, node: &Node) -> Result<(), String> {
        let d = Decode::new(node, "Metadata")?;
        d.text("name", &mut self.name)?;
        d.text("home", &mut self.home)?;
        d.texts("sources", &mut self.sources)?;
        d.text("version", &mut self.version)?;
        d.text("description", &mut self.description)?;
        d.texts("keywords", &mut self.keywords)?;
        if let Some(items) = d.list("maintainers")? {
            self.maintainers = items.iter().map(Maintainer::decode).collect::<Result<_, _>>()?;
        }
        d.text("icon", &mut self.icon)?;
        d.text("apiVersion", &mut self.api_version)?;
        d.text("condition", &mut self.condition)?;
        d.text("tags", &mut self.tags)?;
        d.text("appVersion", &mut self.app_version)?;
        d.flag("deprecated", &mut self.deprecated)?;
        if let Some(map) = d.text_map("annotations")? {
            self.annotations = Some(map);
        }
        d.text("kubeVersion", &mut self.kube_version)?;
        if let Some(items) = d.list("dependencies")? {
            self.dependencies = Some(items.iter().map(Dependency::decode).collect::<Result<_, _>>()?);
        }
        d.text("type", &mut self.kind)
    }

    /// Checks what Helm checks and cleans the texts as Helm does.
    pub(super) fn validate(&mut self) -> Result<(), String> {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            sanitize(text);
        }
        self.sources.iter_mut().chain(&mut self.keywords).for_each(sanitize);
        let invalid = |what: String| Err(format!("validation: {what}"));
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required".into());
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required".into());
        }
        if self.name == "." || self.name == ".." {
            return invalid(format!("chart.metadata.name {:?} is not allowed", self.name));
        }
        if self.name.contains('/') {
            return invalid(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required".into());
        }
        if Version::parse(&self.version).is_err() {
            return invalid(format!("chart.metadata.version {:?} is invalid", self.version));
        }
        if !matches!(&*self.kind, "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library".into());
        }
        for m in &mut self.maintainers {
            [&mut m.name, &mut m.email, &mut m.url].into_iter().for_each(sanitize);
        }
        let mut seen = std::collections::BTreeSet::new();
        for d in self.dependencies.iter_mut().flatten() {
            [&mut d.name, &mut d.version, &mut d.repository, &mut d.condition]
                .into_iter()
                .chain(&mut d.tags)
                .for_each(sanitize);
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !d.alias.chars().all(legal) {
                return invalid(format!("dependency {:?} has disallowed characters in the alias", d.name));
            }
            let key = if d.alias.is_empty() { &d.name } else { &d.alias };
            if !seen.insert(key.clone()) {
                return invalid(format!("more than one dependency with name or alias {key:?}"));
            }
        }
        Ok(())
    }

    /// Whether the chart only lends its partials to others.
    #[must_use]
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }
}

impl Maintainer {
    fn decode(node: &Node) -> Result<Self, String> {
        if node.is_null() {
            return Err("validation: maintainers must not contain empty or null nodes".into());
        }
        let d = Decode::new(node, "Maintainer")?;
        let mut m = Self::default();
        d.text("name", &mut m.name)?;
        d.text("email", &mut m.email)?;
        d.text("url", &mut m.url)?;
        Ok(m)
    }
}

impl Dependency {
    pub(super) fn decode(node: &Node) -> Result<Self, String> {
        if node.is_null() {
            return Err("validation: dependencies must not contain empty or null nodes".into());
        }
        let d = Decode::new(node, "Dependency")?;
        let mut out = Self::default();
        d.text("name", &mut out.name)?;
        d.text("version", &mut out.version)?;
        d.text("repository", &mut out.repository)?;
        d.text("condition", &mut out.condition)?;
        d.texts("tags", &mut out.tags)?;
        d.flag("enabled", &mut out.enabled)?;
        for item in d.list("import-values")?.unwrap_or_default() {
            if let Some(name) = item.as_str() {
                out.import_values.push(Import::Export(name.to_owned()));
            } else if item.as_map().is_some() {
                let side = |key: &str| match item.get(key) {
                    Some(n) if !n.is_null() => decode::text(n).unwrap_or_else(|| "map[]".to_owned()),
                    _ => "<nil>".to_owned(),
                };
                out.import_values.push(Import::Table { child: side("child"), parent: side("parent") });
            }
        }
        d.text("alias", &mut out.alias)?;
        Ok(out)
    }
}

/// White space becomes a blank, what cannot be printed goes.
fn sanitize(text: &mut String) {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return;
    }
    *text = text
        .chars()
        .filter_map(|c| {
            if c.is_whitespace() {
                Some(' ')
            } else {
                (!c.is_control() && c != '\u{ad}' && c != '\u{feff}').then_some(c)
            }
        })
        .collect();
}
