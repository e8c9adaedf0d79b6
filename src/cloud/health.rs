//! `spec.health.rules`: what is wrong with the rules that users write for their kinds.

use std::collections::BTreeSet;

use super::expression::Expression;
use super::load::Repository;
use super::problem::{Problem, ProblemKind};
use super::spec::HealthVerdict;

/// Expressions that cannot be read, rules that can never decide, verdicts without a message, kinds with two sets of rules.
pub(super) fn check(repository: &Repository, problems: &mut Vec<Problem>) {
    for app in repository.apps.values() {
        let mut seen = BTreeSet::new();
        for (at, kinds) in app.app.spec.health.rules.iter().enumerate() {
            let at = at.to_string();
            let mut wrong = |path: &[&str], kind: ProblemKind, message: String| {
                let place: Vec<&str> =
                    ["spec", "health", "rules", at.as_str()].iter().chain(path).copied().collect();
                problems.push(app.problem(kind, &place, format!("spec.health.rules: {message}")));
            };
            for kind in &kinds.kinds {
                if !seen.insert((&kinds.group, kind)) {
                    wrong(&["kinds"], ProblemKind::Duplicate, format!("{kind} has rules twice in this app"));
                }
            }
            let last = kinds.rules.len().saturating_sub(1);
            for (n, rule) in kinds.rules.iter().enumerate() {
                let number = n.to_string();
                match &rule.when {
                    Some(text) => {
                        if let Err(error) = Expression::read(text) {
                            let kind = if cfg!(feature = "cel") {
                                ProblemKind::BadValue
                            } else {
                                ProblemKind::Unsupported
                            };
                            wrong(&["rules", &number, "when"], kind, format!("CEL: {error}"));
                        }
                    }
                    None if n < last => wrong(
                        &["rules", &number],
                        ProblemKind::BadValue,
                        "a rule without `when` always decides: the rules after it never do".to_owned(),
                    ),
                    None => {}
                }
                if rule.message.is_empty() && rule.verdict != HealthVerdict::Ready {
                    wrong(
                        &["rules", &number],
                        ProblemKind::MissingField,
                        "a verdict other than ready needs a message that says what is waited for or wrong"
                            .to_owned(),
                    );
                }
            }
        }
    }
}
