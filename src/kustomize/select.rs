//! Which resources a patch or a replacement is for.
//!
//! Follows `types.SelectorRegex` and `resWrangler.Select`: the parts of an identity are anchored patterns, empty ones
//! match everything.

use super::error::{Context, Error};
use super::gvk::{GvkView, IdView, ResId};
use super::labelselector::LabelSelector;
use super::pattern::Anchored;
use super::resmap::ResMap;
use super::resource::Resource;
use super::types::Selector;

/// The patterns of a selector's identity.
#[derive(Debug, Clone)]
pub struct IdPattern {
    group: Anchored,
    version: Anchored,
    kind: Anchored,
    name: Anchored,
    namespace: Anchored,
}

impl IdPattern {
    /// Compiles.
    ///
    /// # Errors
    /// If a part is no regular expression.
    pub fn new(id: &ResId) -> Result<Self, Error> {
        let part = |text: &str, what: &str| {
            Anchored::new(text).map_err(Error::new).context(|| format!("{what} of the target"))
        };
        Ok(Self {
            group: part(&id.gvk.group, "group")?,
            version: part(&id.gvk.version, "version")?,
            kind: part(&id.gvk.kind, "kind")?,
            name: part(&id.name, "name")?,
            namespace: part(&id.namespace, "namespace")?,
        })
    }

    /// Whether group, version and kind match.
    #[must_use]
    pub fn matches_gvk(&self, gvk: GvkView<'_>) -> bool {
        self.kind.matches(gvk.kind) && self.group.matches(gvk.group) && self.version.matches(gvk.version)
    }

    /// Whether the identity matches, with its namespace as written.
    #[must_use]
    pub fn matches(&self, id: &IdView<'_>) -> bool {
        self.name.matches(id.name) && self.matches_gvk(id.gvk) && self.namespace.matches(id.namespace)
    }

    /// Whether it matches the resource by its first or its present name and namespace.
    fn selects(&self, res: &Resource) -> bool {
        let (first, now) = (res.org_id(), res.cur_id());
        (self.name.matches(first.name) || self.name.matches(now.name))
            && self.matches_gvk(now.gvk)
            && (self.namespace.matches(first.effective_namespace())
                || self.namespace.matches(now.effective_namespace()))
    }
}

/// Label and annotation selectors; a malformed one is an error only when it is asked, as in the original.
#[derive(Debug, Clone)]
pub struct MetaSelectors {
    labels: Result<LabelSelector, Error>,
    annotations: Result<LabelSelector, Error>,
}

impl MetaSelectors {
    /// Parses both.
    #[must_use]
    pub fn new(selector: &Selector) -> Self {
        let parse = |text: &str, what: &str| {
            LabelSelector::parse(text).map_err(|e| Error::new(e).context(format!("{what} '{text}'")))
        };
        Self {
            labels: parse(&selector.label_selector, "labelSelector"),
            annotations: parse(&selector.annotation_selector, "annotationSelector"),
        }
    }

    /// Whether both select the resource.
    ///
    /// # Errors
    /// If one is malformed.
    pub fn select(&self, res: &Resource) -> Result<bool, Error> {
        let labels = self.labels.as_ref().map_err(Clone::clone)?;
        if !labels.is_empty() && !labels.matches(&res.labels()) {
            return Ok(false);
        }
        let annotations = self.annotations.as_ref().map_err(Clone::clone)?;
        Ok(annotations.is_empty() || annotations.matches(&res.annotations()))
    }
}

/// Positions of the resources that a patch's target selects.
///
/// # Errors
/// If a pattern or selector is malformed.
pub fn select(m: &ResMap, selector: &Selector) -> Result<Vec<usize>, Error> {
    let pattern = IdPattern::new(&selector.id)?;
    let meta = MetaSelectors::new(selector);
    let mut out = Vec::new();
    for (at, res) in m.iter().enumerate() {
        if pattern.selects(res) && meta.select(res)? {
            out.push(at);
        }
    }
    Ok(out)
}
