//! Named templates: parsing adds them, a clone is cheap, the last non-empty definition wins.

use std::hash::BuildHasherDefault;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Body, Parsed};
use super::error::ParseError;
use super::func::Registry;
use super::hash::QuickMap;
use super::strconv::quote;

/// What a field of a map that has no such key gives: Go's option `missingkey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// Nothing, without a type; its fields are nothing again.
    #[default]
    Default,
    /// The zero value of the map's element type; Helm's choice.
    Zero,
    /// An error.
    Error,
}

/// A named template.
pub struct Template {
    /// Its name.
    pub name: Rc<str>,
    /// The name its text was parsed under.
    pub file: Rc<str>,
    pub(super) parsed: Rc<Parsed>,
    /// Which of the text's defines it is; `None` is what is outside of them.
    define: Option<usize>,
}

impl Template {
    /// What it executes. One that was only skimmed is built with the functions it was parsed with.
    pub(super) fn body(&self, funcs: &Registry) -> Result<&Body, ParseError> {
        match self.define {
            None => Ok(&self.parsed.root),
            Some(i) => self.parsed.defines[i].body(&self.file, &self.parsed.text, funcs),
        }
    }

    /// Whether it has nothing but white space and comments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self.define {
            None => self.parsed.root.is_empty(&self.parsed.text),
            Some(i) => self.parsed.defines[i].blank,
        }
    }
}

/// How many templates a set has room for from the start: those of a chart with a library.
const MANY: usize = 400;

/// A layer of definitions over others: a clone that is added to starts a new one.
#[derive(Default)]
struct Layer {
    templates: QuickMap<Rc<str>, Rc<Template>>,
    below: Option<Rc<Layer>>,
}

impl Layer {
    fn get(&self, name: &str) -> Option<&Rc<Template>> {
        let mut layer = self;
        loop {
            if let Some(found) = layer.templates.get(name) {
                return Some(found);
            }
            layer = layer.below.as_deref()?;
        }
    }
}

/// A set of named templates over a registry of functions.
#[derive(Clone)]
pub struct Set {
    name: Rc<str>,
    funcs: Rc<Registry>,
    missing_key: MissingKey,
    top: Rc<Layer>,
}

impl Set {
    /// An empty set.
    #[must_use]
    pub fn new(funcs: Rc<Registry>) -> Self {
        let templates = QuickMap::with_capacity_and_hasher(MANY, BuildHasherDefault::default());
        let top = Rc::new(Layer { templates, below: None });
        Self { name: "".into(), funcs, missing_key: MissingKey::Default, top }
    }

    /// With the name that the message about a missing template gives the set (Helm's is `gotpl`).
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    /// With the option `missingkey`.
    #[must_use]
    pub fn with_missing_key(mut self, missing_key: MissingKey) -> Self {
        self.missing_key = missing_key;
        self
    }

    /// The set's name.
    #[must_use]
    pub fn name(&self) -> &Rc<str> {
        &self.name
    }

    /// The functions its templates may call.
    #[must_use]
    pub fn funcs(&self) -> &Rc<Registry> {
        &self.funcs
    }

    /// The option `missingkey`.
    #[must_use]
    pub fn missing_key(&self) -> MissingKey {
        self.missing_key
    }

    /// Whether this is a clone in which more than that name was defined since, as the texts of `tpl` may.
    #[must_use]
    pub(crate) fn has_more_than(&self, name: &str) -> bool {
        let mut layer = &*self.top;
        while let Some(below) = layer.below.as_deref() {
            if layer.templates.keys().any(|n| **n != *name) {
                return true;
            }
            layer = below;
        }
        false
    }

    /// Parses a text and adds it under `name`, and every `define` in it under its own name. A definition with nothing but
    /// white space and comments replaces none.
    ///
    /// The returned template is the text itself, which is not what is found under `name` if it is empty.
    ///
    /// # Errors
    /// The text is not a template; nothing is added then.
    pub fn parse(&mut self, name: &str, text: &str) -> Result<Rc<Template>, ParseError> {
        let parsed = self.funcs.parse(name, text, &|| Arc::from(text.as_bytes()))?;
        self.add_parsed(name, parsed)
    }

    /// The same for a file that others hold too: its text is not copied.
    ///
    /// # Errors
    /// As [`Set::parse`]; the file is not UTF-8.
    pub fn parse_file(&mut self, name: &str, file: &Arc<[u8]>) -> Result<Rc<Template>, ParseError> {
        let text = simdutf8::basic::from_utf8(file).or_else(|_| std::str::from_utf8(file)).map_err(|e| {
            let message = format!("not UTF-8 at byte {}", e.valid_up_to());
            ParseError { name: name.to_owned(), line: 1, message }
        })?;
        let parsed = self.funcs.parse(name, text, &|| Arc::clone(file))?;
        self.add_parsed(name, parsed)
    }

    fn add_parsed(&mut self, name: &str, parsed: Rc<Parsed>) -> Result<Rc<Template>, ParseError> {
        let file: Rc<str> = name.into();
        let root = Rc::new(Template { name: Rc::clone(&file), file, parsed, define: None });
        let parsed = &root.parsed;
        let mut hidden_by = None;
        for (i, define) in parsed.defines.iter().enumerate() {
            if *define.name == *root.name && !define.blank {
                // A text may define what has its own name, but not both have content.
                if !root.is_empty() {
                    let message = format!(
                        "template: multiple definition of template {}",
                        quote(define.name.as_bytes())
                    );
                    return Err(ParseError { name: name.to_owned(), line: parsed.last_line(), message });
                }
                hidden_by = Some(i);
            }
            self.add(Rc::new(Template {
                name: Rc::clone(&define.name),
                file: Rc::clone(&root.file),
                parsed: Rc::clone(parsed),
                define: Some(i),
            }));
        }
        if hidden_by.is_some() {
            let (name, file, parsed) = (Rc::clone(&root.name), Rc::clone(&root.file), Rc::clone(parsed));
            return Ok(Rc::new(Template { name, file, parsed, define: hidden_by }));
        }
        self.add(Rc::clone(&root));
        Ok(root)
    }

    fn add(&mut self, template: Rc<Template>) {
        if template.is_empty() && self.top.get(&template.name).is_some() {
            return;
        }
        if Rc::get_mut(&mut self.top).is_none() {
            self.top = Rc::new(Layer { templates: QuickMap::default(), below: Some(Rc::clone(&self.top)) });
        }
        if let Some(top) = Rc::get_mut(&mut self.top) {
            top.templates.insert(Rc::clone(&template.name), template);
        }
    }

    /// A template by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Rc<Template>> {
        self.top.get(name).cloned()
    }

    /// Whether a template of that name is defined.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.top.get(name).is_some()
    }
}
