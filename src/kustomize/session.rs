//! What one build holds: its options, warnings, and the schema in force.

use std::sync::Arc;

use super::Options;
use super::accumulate::Target;
use super::error::{Context as _, Error};
use super::kustomization::from_yaml;
use super::resource::Resource;
use super::schema::Schema;
use super::scope;
use super::transform::Files as _;
use crate::yaml::{self, Limits};

/// The only version of Kubernetes' OpenAPI document that the original carries.
const BUILTIN_VERSION: &str = "v1.21.2";

/// One build.
pub(super) struct Session<'o> {
    pub(super) options: &'o Options<'o>,
    pub(super) warnings: Vec<String>,
    pub(super) schema: Arc<Schema>,
    /// The built-in schema has been asked, so that a custom one met later is an addition.
    pub(super) schema_used: bool,
    schema_set: bool,
    learned: Option<scope::Learned>,
}

impl<'o> Session<'o> {
    /// A build that has read nothing yet.
    pub(super) fn new(options: &'o Options<'o>) -> Self {
        Self {
            options,
            warnings: Vec::new(),
            schema: Arc::new(Schema::default()),
            schema_used: false,
            schema_set: false,
            learned: None,
        }
    }

    /// Notes that a resource's kind had to be looked up.
    pub(super) fn note_kind(&mut self, res: &Resource) {
        if !self.schema_used {
            self.schema_used = !scope::is_builtin(res.api_version(), res.kind());
        }
    }

    /// Obeys `openapi`. The first kustomization that has it wins, the root first.
    pub(super) fn set_schema(&mut self, target: &Target<'_>, root: bool) -> Result<(), Error> {
        let field = &target.kust.openapi;
        let (version, path) = (field.get("version"), field.get("path"));
        let at = |e: Error| e.at(target.file(), 0);
        let loaded = match path {
            Some(path) => Some(target.loader.load(path).map_err(at)?),
            None => None,
        };
        if self.schema_set && !root {
            return Ok(());
        }
        match (version, loaded) {
            (Some(_), Some(_)) => {
                Err(at(Error::new("builtin version and custom schema provided, cannot use both")
                    .hint("remove 'version' or 'path' from 'openapi'")))
            }
            (None, Some((bytes, name))) => {
                let text = String::from_utf8_lossy(&bytes);
                let document = yaml::read_v2_json(&text, &Limits::default())
                    .map_err(|e| from_yaml(&e).at(&name, 0))
                    .context(|| "reading the OpenAPI schema")?;
                let schema = Schema::custom(&document, self.schema_used);
                self.learned = None;
                self.learned = Some(scope::learn(schema.scopes()));
                self.schema = Arc::new(schema);
                self.schema_set = true;
                Ok(())
            }
            (Some(version), None) if !version.is_empty() => {
                if version != BUILTIN_VERSION {
                    return Err(at(Error::new(format!(
                        "the specified OpenAPI version '{version}' is not built in"
                    ))
                    .hint(format!("the only one is {BUILTIN_VERSION}"))));
                }
                self.schema_set = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
