//! Documents by their URL: the chart's own and the metaschemas; nothing is fetched.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::template::sprig::check_url;
use crate::template::strconv;

use super::address;
use super::draft::{self, Draft};
use super::json::{self, Json};
use super::root::Dialects;

fn quoted(text: &str) -> String {
    strconv::quote(text.as_bytes())
}

/// Documents that were read.
#[derive(Default)]
pub(super) struct Documents(HashMap<String, Rc<Json>>);

impl Documents {
    pub(super) fn add(&mut self, url: &str, document: Json) {
        self.0.insert(url.to_owned(), Rc::new(document));
    }

    /// A document by its URL. A render reads nothing but its inputs: only metaschemas are at hand. What is named by an
    /// unknown `urn:` accepts anything, as in Helm.
    pub(super) fn load(&mut self, url: &str) -> Result<Rc<Json>, String> {
        if let Some(known) = self.0.get(url) {
            return Ok(Rc::clone(known));
        }
        let document = if let Some(text) = draft::metaschema(url) {
            json::parse(text.as_bytes())?
        } else if url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:")) {
            Json::Bool(true)
        } else {
            let why = match url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
                Some("http" | "https" | "file") => {
                    "a schema outside of values.schema.json is not fetched; copy it into its $defs".to_owned()
                }
                _ => format!("no URLLoader registered for {}", quoted(url)),
            };
            return Err(format!("failing loading {}: {why}", quoted(url)));
        };
        let document = Rc::new(document);
        self.0.insert(url.to_owned(), Rc::clone(&document));
        Ok(document)
    }

    fn draft_of(&mut self, place: (&str, &str), schema: &Json, fallback: Draft) -> Result<Draft, String> {
        let mut seen = HashSet::new();
        let mut at = (place.0.to_owned(), place.1.to_owned());
        let mut held: Rc<Json>;
        let mut schema = schema;
        loop {
            let Some(named) = schema.text("$schema") else { return Ok(fallback) };
            if let Some(draft) = Draft::of_url(named) {
                return Ok(draft);
            }
            let url = address::split(named).0.to_owned();
            if let Err(e) = check_url(&url) {
                return Err(format!("invalid $schema in {}: {e}", quoted(&address::location(&at.0, &at.1))));
            }
            if at.1.is_empty() && url == at.0 {
                return Err(format!("draft {} is not supported", quoted(&url)));
            }
            if !seen.insert(url.clone()) {
                return Err(format!("cycle in resolving $schema in {}", quoted(&url)));
            }
            held = self.load(&url)?;
            schema = &*held;
            at = (url, String::new());
        }
    }
}

impl Dialects for Documents {
    fn draft(&mut self, url: &str, pointer: &str, schema: &Json, fallback: Draft) -> Result<Draft, String> {
        self.draft_of((url, pointer), schema, fallback)
    }

    fn vocabularies(&mut self, schema: &Json, draft: Draft) -> Result<Option<Rc<[String]>>, String> {
        let Some(named) = schema.text("$schema").filter(|named| Draft::of_url(named).is_none()) else {
            return Ok(None);
        };
        let url = address::split(named).0;
        let document = self.load(url)?;
        let Some(Json::Object(all)) = document.as_object().and_then(|o| o.get("$vocabulary")) else {
            return Ok(None);
        };
        if draft < Draft::D2019 {
            return Ok(None);
        }
        let mut names = vec!["core".to_owned()];
        for vocabulary in all.iter().filter(|(_, wanted)| matches!(wanted, Json::Bool(true))).map(|(v, _)| v)
        {
            let Some(name) = draft.vocabulary(vocabulary) else {
                return Err(format!("unsupported vocabulary {} in {}", quoted(vocabulary), quoted(url)));
            };
            names.push(name.to_owned());
        }
        Ok(Some(names.into()))
    }
}
