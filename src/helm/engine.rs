//! Running a chart's templates: one namespace for all charts, one dot per chart, in Helm's order.
//!
//! All files are parsed first, deepest path first and within a depth in reverse order of names, so that of several
//! definitions of one name the shallower and alphabetically earlier file's stands. Then all but partials run in the same
//! order; a chart's `.Values` is one mutable map, so the order shows. Upstream: `pkg/engine/engine.go`.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::files::base_name;
use crate::template::set::MissingKey;
use crate::template::value::Entries;
use crate::template::{Exec, ExecError, FuncError, Limits, Map, ParseError, Set, Type, Value, sprig};

use super::coalesce::{Table, new_table, table_at};
use super::error::Error;
use super::funcs::{self, ROOT_NAME, WARN_END, WARN_START, without_no_value};
use super::instance::Instance;
use super::metadata::{Dependency, Import, Metadata};
use super::objects;

/// A template file with what it runs on.
struct Renderable<'c> {
    text: &'c Arc<[u8]>,
    dot: Table,
    base_path: Rc<str>,
}

/// What a chart's dot has besides its own.
pub(super) struct Shared {
    /// `.Release`
    pub(super) release: Value,
    /// `.Capabilities`
    pub(super) capabilities: Value,
}

/// The rendered files by path, partials left out.
pub(super) fn run(
    root: &Instance<'_>,
    values: &Table,
    shared: &Shared,
    host: sprig::Host,
    limits: Limits,
) -> Result<BTreeMap<String, String>, Error> {
    let mut files = BTreeMap::new();
    collect(root, None, Some(Rc::clone(values)), shared, &mut files);
    // Sorted by name already: a stable sort by depth keeps that.
    let mut order: Vec<(&String, &Renderable<'_>)> = files.iter().rev().collect();
    order.sort_by_cached_key(|(path, _)| Reverse(memchr::memchr_iter(b'/', path.as_bytes()).count()));

    let mut set = Set::new(funcs::registry()).with_name(ROOT_NAME).with_missing_key(MissingKey::Zero);
    for (name, file) in &order {
        set.parse_file(name, file.text).map_err(|e| Error::Template(parse_error(&e)))?;
    }
    let mut exec = Exec::new(set, limits, Rc::new(host));
    let mut rendered = BTreeMap::new();
    let mut out = Vec::with_capacity(8 << 10);
    for (name, file) in order {
        if base_name(name).starts_with('_') {
            continue;
        }
        let template =
            Value::dict([("Name", Value::str(name.as_str())), ("BasePath", Value::str(&*file.base_path))]);
        if let Value::Map(map) = template {
            file.dot.set_passing("Template", objects::values(map));
        }
        let dot = objects::values(Rc::clone(&file.dot));
        out.clear();
        let known = funcs::next_file(&exec, name, &dot);
        if known.is_none() {
            exec.run(name, dot, &mut out).map_err(|e| Error::Template(exec_error(&e)))?;
        }
        let text = without_no_value(known.as_ref().and_then(Value::bytes).unwrap_or(&out));
        let text = match simdutf8::basic::from_utf8(&text) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(&text).into_owned(),
        };
        rendered.insert(name.clone(), text);
    }
    funcs::leave_at_end(exec);
    Ok(rendered)
}

/// Builds the dots of a chart and its subcharts; gives the chart's. `values` is given for the root only.
fn collect<'c>(
    chart: &Instance<'c>,
    parent: Option<(&str, &Table)>,
    values: Option<Table>,
    shared: &Shared,
    out: &mut BTreeMap<String, Renderable<'c>>,
) -> Table {
    let path = match parent {
        None => chart.name.clone(),
        Some((path, _)) => format!("{path}/charts/{}", chart.name),
    };
    // A name with a dot is looked up as a path, as in the original: such a subchart sees no values.
    let values = values
        .or_else(|| parent.and_then(|(_, values)| table_at(values, &chart.name)))
        .unwrap_or_else(new_table);
    let subcharts = new_table();
    let dot: Entries = [
        ("Chart", metadata(&chart.chart.metadata, chart, parent.is_none())),
        ("Files", objects::files(&chart.chart.files)),
        ("Release", shared.release.clone()),
        ("Capabilities", shared.capabilities.clone()),
        ("Values", objects::values(Rc::clone(&values))),
        ("Subcharts", Value::Map(Rc::clone(&subcharts))),
    ]
    .into_iter()
    .map(|(k, v)| (Rc::from(k), v))
    .collect();
    let dot = Rc::new(Map::new(Type::DICT, dot));
    for child in &chart.children {
        let below = collect(child, Some((&path, &values)), None, shared, out);
        let _ = subcharts.set(&*child.name, Value::Map(below));
    }
    let base_path: Rc<str> = Rc::from(format!("{path}/templates"));
    for file in &chart.chart.templates {
        if chart.chart.metadata.is_library() && !base_name(&file.name).starts_with('_') {
            continue;
        }
        let renderable =
            Renderable { text: &file.data, dot: Rc::clone(&dot), base_path: Rc::clone(&base_path) };
        out.insert([&*path, "/", &*file.name].concat(), renderable);
    }
    dot
}

/// `.Chart`: Chart.yaml under the names of Helm's Go fields.
fn metadata(m: &Metadata, chart: &Instance<'_>, root: bool) -> Value {
    let text = |s: &str| Value::str(s);
    let texts = |list: &[String]| Value::list(list.iter().map(|s| text(s)).collect());
    let annotations = match &m.annotations {
        None => Value::Map(Rc::new(Map::nil(Type::STRING_MAP))),
        Some(map) => Value::typed_map(
            Type::STRING_MAP,
            map.iter().map(|(k, v)| (Rc::from(k.as_str()), text(v))).collect(),
        ),
    };
    let maintainers = m
        .maintainers
        .iter()
        .map(|p| Value::dict([("Name", text(&p.name)), ("Email", text(&p.email)), ("URL", text(&p.url))]))
        .collect();
    Value::dict([
        ("Name", text(&chart.name)),
        ("Home", text(&m.home)),
        ("Sources", texts(&m.sources)),
        ("Version", text(&m.version)),
        ("Description", text(&m.description)),
        ("Keywords", texts(&m.keywords)),
        ("Maintainers", Value::list(maintainers)),
        ("Icon", text(&m.icon)),
        ("APIVersion", text(&m.api_version)),
        ("Condition", text(&m.condition)),
        ("Tags", text(&m.tags)),
        ("AppVersion", text(&m.app_version)),
        ("Deprecated", Value::Bool(m.deprecated)),
        ("Annotations", annotations),
        ("KubeVersion", text(&m.kube_version)),
        ("Dependencies", Value::list(chart.dependencies.iter().flatten().map(dependency).collect())),
        ("Type", text(&m.kind)),
        ("IsRoot", Value::Bool(root)),
    ])
}

fn dependency(d: &Dependency) -> Value {
    let imports = d.import_values.iter().map(|import| {
        let (child, parent) = match import {
            Import::Export(name) => (format!("exports.{name}"), "."),
            Import::Table { child, parent } => (child.clone(), &**parent),
        };
        let entries = [("child", Value::from(child)), ("parent", Value::str(parent))];
        Value::typed_map(Type::STRING_MAP, entries.into_iter().map(|(k, v)| (Rc::from(k), v)).collect())
    });
    Value::dict([
        ("Name", Value::str(&*d.name)),
        ("Version", Value::str(&*d.version)),
        ("Repository", Value::str(&*d.repository)),
        ("Condition", Value::str(&*d.condition)),
        ("Tags", Value::list(d.tags.iter().map(|t| Value::str(&**t)).collect())),
        ("Enabled", Value::Bool(d.enabled)),
        ("ImportValues", Value::list(imports.collect())),
        ("Alias", Value::str(&*d.alias)),
    ])
}

/// `parse error at (FILE:LINE): MESSAGE`, where the message is what follows the last `: `, as in the original.
fn parse_error(error: &ParseError) -> String {
    let text = error.to_string();
    let tokens: Vec<&str> = text.split(": ").collect();
    match tokens.as_slice() {
        [_, location, .., message] => format!("parse error at ({location}): {message}"),
        _ => format!("parse error in ({}): {text}", error.name),
    }
}

/// One place of a chain of calls.
#[derive(PartialEq)]
struct Place<'a> {
    location: &'a str,
    function: String,
    message: &'a str,
}

/// Helm 4's layout of a failed execution: each place of the chain on its own, where the chain can be taken apart.
fn exec_error(error: &ExecError) -> String {
    let whole = error.to_string();
    let mut tokens = whole.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (tokens.next(), tokens.next(), tokens.next()) else {
        return whole;
    };
    if let Some(from) = rest.find(WARN_START)
        && let Some(to) = rest.rfind(WARN_END)
        && from + WARN_START.len() <= to
    {
        return format!("execution error at ({location}): {}", &rest[from + WARN_START.len()..to]);
    }
    let mut texts = vec![whole.clone()];
    let mut cause = error.cause.as_deref();
    while let Some(current) = cause {
        texts.push(current.to_string());
        cause = match current {
            FuncError::Exec(inner) => inner.cause.as_deref(),
            FuncError::Wrapped(_, inner) => Some(inner),
            FuncError::Message(_) => None,
        };
    }
    let mut places: Vec<Place<'_>> = Vec::new();
    for text in &texts {
        match place(text) {
            Some(place) if places.last() == Some(&place) => {}
            Some(place) => places.push(place),
            None => return whole,
        }
    }
    let mut out = String::new();
    for Place { location, function, message } in &places {
        if !location.is_empty() {
            out.push_str(&format!("{location}\n  "));
        }
        if !function.is_empty() {
            out.push_str(&format!("{function}\n    "));
        }
        if !message.is_empty() {
            out.push_str(&format!("{message}\n"));
        }
    }
    out.trim().to_owned()
}

fn place(text: &str) -> Option<Place<'_>> {
    let rest = text.strip_prefix("template: ")?;
    if rest.starts_with("no template ") {
        return Some(Place { location: "", function: String::new(), message: text });
    }
    let first = |message: &'_ str| message.find(" template:").unwrap_or(message.len());
    if let Some((location, after)) = rest.split_once(": executing ")
        && let Some((function, after)) = after.strip_prefix('"').and_then(|a| a.split_once('"'))
        && let Some((at, message)) = after.strip_prefix(" at <").and_then(|a| a.split_once(">: "))
    {
        let function = format!("executing \"{function}\" at <{at}>:");
        return Some(Place { location, function, message: &message[..first(message)] });
    }
    let (location, message) = rest.rsplit_once(": ")?;
    Some(Place { location, function: String::new(), message: &message[..first(message)] })
}
