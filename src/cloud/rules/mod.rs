//! The platform's own rules: what a cloud's objects must be, written as data beside it.
//!
//! `rules/*.yaml` (kind Rules) are read from the composed tree, so that a site adds files to its upstream's or replaces them.
//! `retune check` holds every rendered object, hooks included, against them: a field's value ([`Requirement`]), text inside of
//! ConfigMaps and Secrets ([`TextRule`]), and references to objects that somebody must make ([`Reference`]).
//! No value of a Secret is ever part of a message, only the part that the rule's pattern names.
//!
//! | module | subject |
//! |---|---|
//! | [`spec`] | the kind Rules |
//! | [`pattern`] | paths with wildcards, names with `*` |
//! | `check` | an object against a rule |
//!
//! [`Requirement`]: spec::Requirement
//! [`TextRule`]: spec::TextRule
//! [`Reference`]: spec::Reference

pub mod pattern;
pub mod spec;

mod check;

use super::load::{read, tree_problem};
use super::problem::Problem;
use super::schema;
use crate::files::{EntryKind, FileTree};

use check::Compiled;
pub use check::check;
use spec::RuleFile;

/// The folder of the rules.
pub const RULES_DIR: &str = "rules";

/// Rules that are ready to be used.
#[derive(Debug, Default)]
pub struct Rules(Vec<Compiled>);

impl Rules {
    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads `rules/*.yaml`, in name order. Without that folder there are no rules.
///
/// # Errors
/// Everything that is wrong with the files.
pub fn load(tree: &dyn FileTree) -> Result<Rules, Vec<Problem>> {
    let failed = |path: &str, e| vec![tree_problem(path, &e)];
    if tree.kind(RULES_DIR).map_err(|e| failed(RULES_DIR, e))? != Some(EntryKind::Dir) {
        return Ok(Rules::default());
    }
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for (name, kind) in tree.list(RULES_DIR).map_err(|e| failed(RULES_DIR, e))? {
        if kind != EntryKind::File || name.starts_with('.') || !name.ends_with(".yaml") {
            continue;
        }
        let file = format!("{RULES_DIR}/{name}");
        match read::<RuleFile>(tree, &file, schema::rules()) {
            Ok((content, node)) => {
                for (i, rule) in content.spec.rules.into_iter().enumerate() {
                    match Compiled::new(rule, &file) {
                        Ok(rule) => rules.push(rule),
                        Err(problem) => {
                            let index = i.to_string();
                            problems.push(problem.at(super::load::pos_of(&node, &["spec", "rules", &index])));
                        }
                    }
                }
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(Rules(rules)) } else { Err(problems) }
}
