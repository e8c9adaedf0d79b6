//! Live inputs for commands that ask no cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::CommandError;
use crate::cloud::inputs::{Hidden, InputSource, Inputs, Lookup, Placeholders};
use crate::helm::values;

/// Values of live inputs.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct InputArgs {
    /// The value of a live input (spec.inputs of the apps), for all apps or for one; can be given more than once.
    #[arg(long, value_name = "[APP/]NAME=VALUE", value_parser = pair, help_heading = "Live inputs")]
    input: Vec<(String, String)>,
    /// A YAML file of such values: a map of [APP/]NAME to text.
    #[arg(long, value_name = "FILE", help_heading = "Live inputs")]
    inputs: Option<PathBuf>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected NAME=VALUE or APP/NAME=VALUE".to_owned()),
    }
}

/// Values that were given, and perhaps something in the place of the others.
pub(super) struct Given {
    values: BTreeMap<String, String>,
    placeholders: bool,
}

impl InputArgs {
    /// What was given; with `placeholders` every other input has a value too, which says that it is none.
    pub(super) fn open(&self, placeholders: bool) -> Result<Given, CommandError> {
        let mut all = BTreeMap::new();
        if let Some(path) = &self.inputs {
            let wrong = |message: String| CommandError::user(format!("{}: {message}", path.display()));
            let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
            for (name, value) in values::read_values(&text).map_err(wrong)? {
                let value = value
                    .as_str()
                    .ok_or_else(|| wrong(format!("{name}: a text is expected")).hint("put it in quotes"))?;
                all.insert(name, value.to_owned());
            }
        }
        all.extend(self.input.iter().cloned());
        Ok(Given { values: all, placeholders })
    }
}

impl Inputs for Given {
    fn get(&self, app: &str, name: &str, source: &InputSource) -> Lookup {
        let given = self.values.get(&format!("{app}/{name}")).or_else(|| self.values.get(name));
        match given {
            Some(value) => Lookup::Value(Hidden(value.as_str().into())),
            None if self.placeholders => Placeholders.get(app, name, source),
            None => {
                Lookup::Missing(format!("is not asked for here; give it with --input {app}/{name}=VALUE"))
            }
        }
    }
}
