//! Objects against rules.

use std::collections::BTreeSet;

use base64::Engine as _;
use regex::Regex;
use serde_json::Value;

use super::Rules;
use super::pattern::{Path, glob};
use super::spec::Rule;
use crate::cloud::object::{Object, split_api_version};
use crate::cloud::problem::{Problem, ProblemKind};
use crate::cloud::rendered::RenderedCloud;
use crate::cloud::spec::Selector;

/// Where text stands if a rule does not say.
const TEXT: &[&str] = &["/data/*", "/stringData/*"];

/// A rule with its paths and expressions read.
#[derive(Debug)]
pub(super) struct Compiled {
    name: String,
    hint: Option<String>,
    objects: Vec<Selector>,
    except: Vec<Selector>,
    require: Vec<Required>,
    text: Option<Text>,
    refers_to: Option<Refers>,
}

#[derive(Debug)]
struct Required {
    shown: String,
    path: Path,
    one_of: Option<Vec<Value>>,
    matches: Option<Regex>,
}

#[derive(Debug)]
struct Text {
    paths: Vec<Path>,
    find: Regex,
    shown: Vec<String>,
    one_of: Option<Vec<Regex>>,
    none_of: Vec<Regex>,
}

#[derive(Debug)]
struct Refers {
    kind: Option<String>,
    group: String,
    names: Vec<Path>,
    made_by: Vec<Made>,
    external: Vec<Regex>,
}

#[derive(Debug)]
struct Made {
    objects: Selector,
    when: Option<Path>,
    path: Path,
    suffix: String,
}

impl Compiled {
    pub(super) fn new(rule: Rule, file: &str) -> Result<Self, Problem> {
        let name = rule.name.clone();
        Self::compile(rule)
            .map_err(|reason| Problem::new(ProblemKind::BadValue, file, format!("rule {name}: {reason}")))
    }

    fn compile(rule: Rule) -> Result<Self, String> {
        let regex = |text: &str| {
            // The library shows the expression over several lines; what is wrong stands in the last one.
            let last = |e: regex::Error| e.to_string().lines().last().unwrap_or_default().to_owned();
            Regex::new(text).map_err(|e| {
                format!("{text:?} is no regular expression: {}", last(e).trim_start_matches("error: "))
            })
        };
        let paths = |texts: &[String]| texts.iter().map(|t| Path::parse(t)).collect::<Result<Vec<_>, _>>();
        if rule.require.is_empty() && rule.text.is_none() && rule.refers_to.is_none() {
            return Err("it checks nothing; give it require, text or refersTo".to_owned());
        }
        let require = rule.require.into_iter().map(|r| {
            let matches = r.matches.as_deref().map(regex).transpose()?;
            Ok(Required { path: Path::parse(&r.path)?, shown: r.path, one_of: r.one_of, matches })
        });
        let text = rule.text.map(|t| {
            let default: Vec<String> = TEXT.iter().map(|p| (*p).to_owned()).collect();
            let find = regex(&t.find)?;
            if find.capture_names().flatten().all(|n| n != "value") {
                return Err(format!("text.find has no group named value: {}", t.find));
            }
            if t.one_of.is_none() && t.none_of.is_empty() {
                return Err("text says neither oneOf nor noneOf".to_owned());
            }
            let globs = |texts: &[String]| texts.iter().map(|g| glob(g)).collect::<Result<Vec<_>, _>>();
            let one_of = t.one_of.as_deref().map(globs).transpose()?;
            let none_of = globs(&t.none_of)?;
            let paths = paths(if t.paths.is_empty() { &default } else { &t.paths })?;
            Ok(Text { paths, find, shown: t.one_of.unwrap_or_default(), one_of, none_of })
        });
        let refers_to = rule.refers_to.map(|r| {
            let made_by = r.made_by.into_iter().map(|m| {
                let when = m.when.as_deref().map(Path::parse).transpose()?;
                let (path, suffix) = (Path::parse(&m.path)?, m.suffix.unwrap_or_default());
                Ok(Made { objects: m.objects, when, path, suffix })
            });
            Ok::<_, String>(Refers {
                kind: r.kind,
                group: r.group.unwrap_or_default(),
                names: paths(&r.names)?,
                made_by: made_by.collect::<Result<_, String>>()?,
                external: r.external.iter().map(|g| glob(g)).collect::<Result<_, _>>()?,
            })
        });
        Ok(Self {
            name: rule.name,
            hint: rule.hint,
            objects: rule.objects,
            except: rule.except,
            require: require.collect::<Result<_, String>>()?,
            text: text.transpose()?,
            refers_to: refers_to.transpose()?,
        })
    }

    fn is_about(&self, object: &Object) -> bool {
        (self.objects.is_empty() || self.objects.iter().any(|s| s.matches(&object.id)))
            && !self.except.iter().any(|s| s.matches(&object.id))
    }
}

/// Group, kind, namespace, name of everything that exists or is made by what exists.
type Known = BTreeSet<(String, String, String, String)>;

/// Everything in the cloud that breaks a rule.
#[must_use]
pub fn check(cloud: &RenderedCloud, rules: &Rules) -> Vec<Problem> {
    if rules.is_empty() {
        return Vec::new();
    }
    let all = || {
        let of = |app| objects_of(app).map(move |o| (&*app.name, o));
        cloud.apps.iter().flat_map(move |app| of(&**app))
    };
    let generated = cloud.apps.iter().flat_map(|app| app.generated.iter());
    let existing: Known =
        all()
            .map(|(_, o)| {
                let namespace = o.id.namespace.as_deref().unwrap_or_default().to_owned();
                (o.id.group.to_string(), o.id.kind.to_string(), namespace, o.id.name.to_string())
            })
            .chain(generated.map(|s| {
                (String::new(), "Secret".to_owned(), s.at.namespace.to_string(), s.at.name.to_string())
            }))
            .collect();
    let bodies: Vec<(&str, &Object, Value)> = all().map(|(app, o)| (app, o, o.json())).collect();
    let mut problems = Vec::new();
    for rule in &rules.0 {
        let made = rule.refers_to.as_ref().map(|r| makes(r, &bodies)).unwrap_or_default();
        for (app, object, body) in bodies.iter().filter(|(_, o, _)| rule.is_about(o)) {
            let mut findings = Vec::new();
            rule.require.iter().for_each(|r| required(r, body, &mut findings));
            if let Some(text) = &rule.text {
                texts(text, object, body, &mut findings);
            }
            if let Some(refers) = &rule.refers_to {
                references(refers, object, body, &existing, &made, &mut findings);
            }
            findings.sort();
            findings.dedup();
            problems.extend(findings.into_iter().map(|finding| {
                let message = format!("{}: {finding} (rule {})", object.id, rule.name);
                let mut problem = Problem::new(ProblemKind::Rule, &object.origin.file, message).of_app(app);
                problem.line = object.origin.line;
                problem.hint.clone_from(&rule.hint);
                problem
            }));
        }
    }
    problems
}

fn objects_of(app: &crate::cloud::RenderedApp) -> impl Iterator<Item = &Object> {
    app.objects.iter().chain(app.hooks.iter().map(|h| &h.object))
}

fn required(rule: &Required, body: &Value, findings: &mut Vec<String>) {
    let found = rule.path.find(body);
    if found.is_empty() && rule.path.is_plain() {
        findings.push(format!("{} is not set", rule.shown));
    }
    for value in found.iter().map(|f| f.value) {
        if let Some(allowed) = rule.one_of.as_ref().filter(|allowed| !allowed.contains(value)) {
            let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
            findings.push(format!("{} is {value}, not {}", rule.shown, allowed.join(" or ")));
        }
        if let (Some(regex), Some(text)) = (&rule.matches, value.as_str())
            && !regex.is_match(text)
        {
            findings.push(format!("{} is {value}", rule.shown));
        }
    }
}

fn texts(rule: &Text, object: &Object, body: &Value, findings: &mut Vec<String>) {
    let is_secret = object.id.is("", "Secret");
    for text in rule.paths.iter().flat_map(|p| p.texts(body)) {
        let decoded =
            is_secret.then(|| base64::engine::general_purpose::STANDARD.decode(text).ok()).flatten();
        let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        for found in rule.find.captures_iter(decoded.as_deref().unwrap_or(text)) {
            let Some(value) = found.name("value").map(|m| m.as_str()) else { continue };
            if rule.one_of.as_ref().is_some_and(|allowed| !allowed.iter().any(|g| g.is_match(value))) {
                findings.push(format!("{value:?} is not {}", rule.shown.join(" or ")));
            }
            if rule.none_of.iter().any(|g| g.is_match(value)) {
                findings.push(format!("{value:?} must not be here"));
            }
        }
    }
}

/// What the makers of a rule make: namespace/name.
fn makes(rule: &Refers, bodies: &[(&str, &Object, Value)]) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for maker in &rule.made_by {
        for (_, object, body) in bodies.iter().filter(|(_, o, _)| maker.objects.matches(&o.id)) {
            if maker.when.as_ref().is_some_and(|path| path.find(body).is_empty()) {
                continue;
            }
            let namespace = object.id.namespace.as_deref().unwrap_or_default();
            out.extend(maker.path.texts(body).map(|name| format!("{namespace}/{name}{}", maker.suffix)));
        }
    }
    out
}

fn references(
    rule: &Refers,
    object: &Object,
    body: &Value,
    existing: &Known,
    made: &BTreeSet<String>,
    findings: &mut Vec<String>,
) {
    let namespace = object.id.namespace.as_deref().unwrap_or_default();
    for found in rule.names.iter().flat_map(|p| p.find(body)) {
        let Some(name) = found.value.as_str().filter(|n| !n.is_empty()) else { continue };
        let beside = |field: &str| found.parent.and_then(|p| p.get(field));
        if beside("optional") == Some(&Value::Bool(true)) {
            continue;
        }
        let text = |field: &str| beside(field).and_then(Value::as_str).unwrap_or_default();
        let (group, kind) = match &rule.kind {
            Some(kind) => (rule.group.as_str(), kind.as_str()),
            None => (split_api_version(text("apiVersion")).0, text("kind")),
        };
        let id = (group.to_owned(), kind.to_owned(), namespace.to_owned(), name.to_owned());
        let place = format!("{namespace}/{name}");
        if existing.contains(&id) || made.contains(&place) || rule.external.iter().any(|g| g.is_match(&place))
        {
            continue;
        }
        findings.push(format!("nobody makes {kind} {place}"));
    }
}
