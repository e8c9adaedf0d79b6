//! Users' own rules: `App.spec.health.rules`, conditions in CEL. They come before the shipped rules, for the objects of
//! their app only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::Value;

use super::{Health, Verdict, rule};
use crate::cloud::expression::Expression;
use crate::cloud::spec::{Health as Policy, HealthVerdict};

/// What an app says of a kind, ready to be evaluated.
#[derive(Debug)]
pub struct Cases(Vec<Case>);

#[derive(Debug)]
struct Case {
    when: Option<Expression>,
    verdict: Health,
    message: String,
}

impl Cases {
    /// The verdict of the first rule whose condition holds; `None` when none does.
    #[must_use]
    pub fn judge(&self, object: &Value) -> Option<Verdict> {
        for (at, case) in self.0.iter().enumerate() {
            match case.when.as_ref().map_or(Ok(true), |when| when.holds(object)) {
                Ok(false) => {}
                Ok(true) => {
                    let message = rule::fill(&case.message, object, None);
                    return Some(Verdict { health: case.verdict, message });
                }
                Err(error) => {
                    let message =
                        format!("rule {} of spec.health.rules for its kind cannot say: {error}", at + 1);
                    return Some(Verdict { health: Health::Unknown, message });
                }
            }
        }
        None
    }
}

/// The rules of all apps.
#[derive(Debug, Default)]
pub struct OwnRules {
    by_app: HashMap<Arc<str>, HashMap<(String, String), Cases>>,
    /// What they were made of, for each kind.
    texts: BTreeMap<(String, String), String>,
}

impl OwnRules {
    /// Reads the apps' policies. (The loader has refused expressions that cannot be read; one that slipped in is left out.)
    #[must_use]
    pub fn of<'a>(apps: impl Iterator<Item = (&'a Arc<str>, &'a Policy)>) -> Self {
        let mut own = Self::default();
        for (app, policy) in apps {
            for rules in &policy.rules {
                for kind in &rules.kinds {
                    let key = (rules.group.clone(), kind.clone());
                    let text = own.texts.entry(key.clone()).or_default();
                    text.push_str(&format!("{app} {:?}\n", rules.rules));
                    let cases = rules.rules.iter().filter_map(|r| {
                        let when = match &r.when {
                            Some(text) => Some(Expression::read(text).ok()?),
                            None => None,
                        };
                        let verdict = match r.verdict {
                            HealthVerdict::Ready => Health::Ready,
                            HealthVerdict::Progressing => Health::Progressing,
                            HealthVerdict::Failed => Health::Failed,
                            HealthVerdict::Unknown => Health::Unknown,
                        };
                        Some(Case { when, verdict, message: r.message.clone() })
                    });
                    own.by_app.entry(Arc::clone(app)).or_default().insert(key, Cases(cases.collect()));
                }
            }
        }
        own
    }

    /// What an app says of a kind.
    #[must_use]
    pub fn cases(&self, app: &str, group: &str, kind: &str) -> Option<&Cases> {
        if self.by_app.is_empty() {
            return None;
        }
        self.by_app.get(app)?.get(&(group.to_owned(), kind.to_owned()))
    }

    /// Whether any app says anything of a kind.
    #[must_use]
    pub fn speak_of(&self, group: &str, kind: &str) -> bool {
        !self.texts.is_empty() && self.texts.contains_key(&(group.to_owned(), kind.to_owned()))
    }

    /// The kinds of which others say something else: their objects are to be judged anew.
    #[must_use]
    pub fn changed(&self, other: &Self) -> BTreeSet<(String, String)> {
        let kinds: BTreeSet<_> = self.texts.keys().chain(other.texts.keys()).cloned().collect();
        kinds.into_iter().filter(|k| self.texts.get(k) != other.texts.get(k)).collect()
    }
}
