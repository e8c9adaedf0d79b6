//! Results of `include` that are used again.
//!
//! Charts include the same template with the same argument many times over: each workload hashes the rendered text of the
//! same configuration maps. A result is kept if nothing was done on the way that would show: no map changed that was there
//! before, no random number drawn, no clock read; and it is given again as long as `template::watch` vouches that what it
//! read is unchanged. What read the file's name is given again in that file, what showed no more of it than the folder in
//! that folder. Errors are not kept. `include_results_are_used_again_only_while_nothing_has_changed`.

use std::rc::Rc;

use crate::template::hash::QuickMap;
use crate::template::watch::{self, Kept, Reads};
use crate::template::{Map, Value};

use super::objects::Values;

/// How many results are kept of one template; the oldest gives way.
const PER_TEMPLATE: usize = 12;
/// How many bytes of results are kept before all are dropped.
const MAX_BYTES: usize = 32 << 20;
/// How large an argument list may be to be compared.
const MAX_ITEMS: usize = 12;

/// The results of a render.
#[derive(Default)]
pub(super) struct Memo {
    by_name: QuickMap<Rc<str>, Vec<Entry>>,
    bytes: usize,
}

struct Entry {
    argument: Value,
    result: Value,
    start: watch::Time,
    /// Until when it is known that nothing has changed.
    checked: watch::Time,
    reads: Kept,
    /// Where it was computed.
    at: Place,
    /// How many includes deep it went.
    height: u32,
}

/// Which file is rendered, by number, and which run of files of one folder it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) file: u64,
    pub(super) folder: u64,
}

/// A computation that has begun.
pub(super) struct Begun {
    start: watch::Time,
    around: Reads,
}

impl Begun {
    /// Begins.
    pub(super) fn now() -> Self {
        Self { start: watch::now(), around: watch::begin() }
    }
}

impl Memo {
    /// The result of a template for an argument, and how many includes deep it went, if it is known and what it depends on
    /// has not changed. `height` is how deep it may go.
    pub(super) fn get(
        &mut self,
        name: &str,
        argument: &Value,
        at: Place,
        height: u32,
    ) -> Option<(Value, u32)> {
        let entries = self.by_name.get_mut(name)?;
        loop {
            let place = entries
                .iter()
                .position(|e| e.holds(at) && e.height <= height && same(&e.argument, argument, true))?;
            let found = &mut entries[place];
            if found.is_unchanged() {
                watch::again(&found.reads);
                return Some((found.result.clone(), found.height));
            }
            entries.remove(place);
        }
    }

    /// Ends a computation, and keeps its result if there is one and it may be kept.
    pub(super) fn end(
        &mut self,
        begun: Begun,
        name: &Rc<str>,
        argument: &Value,
        result: Option<&Value>,
        at: Place,
        height: u32,
    ) {
        let Begun { start, around } = begun;
        let reads = watch::end(around);
        let Some(result) = result else { return };
        if reads.host || !comparable(argument) || watch::changed(start, start, None) {
            return;
        }
        self.bytes += result.bytes().map_or(0, <[u8]>::len);
        if self.bytes > MAX_BYTES {
            self.by_name.clear();
            self.bytes = 0;
        }
        // Most templates have one.
        let entries = self.by_name.entry(Rc::clone(name)).or_insert_with(|| Vec::with_capacity(1));
        if entries.len() >= PER_TEMPLATE {
            let useless = entries.iter_mut().position(|e| !e.is_unchanged());
            entries.remove(useless.unwrap_or(0));
        }
        if entries.len() == entries.capacity() {
            entries.reserve_exact(PER_TEMPLATE / 4);
        }
        let checked = watch::now();
        entries.push(Entry {
            argument: argument.clone(),
            result: result.clone(),
            start,
            checked,
            reads: reads.kept(),
            at,
            height,
        });
    }
}

impl Entry {
    /// Whether what it read is still as it was.
    fn is_unchanged(&mut self) -> bool {
        let now = watch::now();
        let unchanged = !watch::changed(self.start, self.checked, Some(&self.reads));
        if unchanged {
            self.checked = now;
        }
        unchanged
    }

    /// Whether, at that place, what it read of the file's name is the same.
    fn holds(&self, at: Place) -> bool {
        (!self.reads.passing || self.at.file == at.file)
            && (!self.reads.folder || self.at.folder == at.folder)
    }
}

/// The map that a value is, and whether it is one of type `common.Values`.
fn table(value: &Value) -> Option<(&Rc<Map>, bool)> {
    match value {
        Value::Map(map) => Some((map, false)),
        Value::Object(object) => object.as_any().downcast_ref::<Values>().map(|v| (v.table(), true)),
        _ => None,
    }
}

fn comparable(argument: &Value) -> bool {
    match argument {
        Value::List(list) => list.items().len() <= MAX_ITEMS,
        Value::Object(_) => table(argument).is_some(),
        Value::Func(_) => false,
        _ => true,
    }
}

/// Whether two arguments are the same for every template: the same maps, equal texts and numbers. Lists and maps made for
/// the call (`tuple`, `dict`) are compared by what they hold.
fn same(a: &Value, b: &Value, outermost: bool) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(k, a), Value::Int(l, b)) => (k, a) == (l, b),
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::List(a), Value::List(b)) => {
            Rc::ptr_eq(a, b)
                || outermost
                    && a.go_type() == b.go_type()
                    && a.is_nil() == b.is_nil()
                    && a.items().len() == b.items().len()
                    && a.items().iter().zip(b.items()).all(|(a, b)| same(a, b, false))
        }
        _ => match (table(a), table(b)) {
            (Some((a, named_a)), Some((b, named_b))) if named_a == named_b => {
                Rc::ptr_eq(a, b)
                    || outermost
                        && a.go_type() == b.go_type()
                        && a.is_nil() == b.is_nil()
                        && a.len() == b.len()
                        && a.len() <= MAX_ITEMS
                        && a.entries()
                            .iter()
                            .zip(b.entries().iter())
                            .all(|((ka, a), (kb, b))| ka == kb && same(a, b, false))
            }
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::files::MemTree;
    use crate::helm::{Chart, ReleaseOptions, render};

    const HELPERS: &str = r#"
{{ define "value" }}{{ .Values.a }}{{ .Values.deep.er }}{{ end }}
{{ define "file" }}{{ base .Template.Name }}{{ end }}
{{ define "whole" }}{{ (toYaml .) | contains "b.yaml" }}{{ end }}
{{ define "nested" }}{{ include "file" . }}{{ include "value" . }}{{ end }}
{{ define "draw" }}{{ randAlphaNum 12 }}{{ end }}
{{ define "count" }}{{ $_ := set .Values "n" (add1 .Values.n) }}{{ .Values.n }}{{ end }}
{{ define "listed" }}{{ index . 0 }}{{ (index . 1).Values.a }}{{ end }}
{{ define "dicted" }}{{ .k }}{{ .v.a }}{{ end }}
{{ define "local" }}{{ $d := dict "x" 1 }}{{ $_ := set $d "y" .Values.a }}{{ len $d }}{{ $d.y }}{{ end }}
{{ define "argument" }}{{ $_ := set . "k" (add1 .k) }}{{ .k }}{{ end }}
"#;
    const BODY: &str = r#"
- {{ include "value" . }} {{ include "value" . }} {{ include "nested" . }} {{ include "local" . }}
- {{ $_ := set .Values "a" (add1 .Values.a) }}{{ include "value" . }} {{ include "nested" . }} {{ include "local" . }}
- {{ $_ := set .Values.deep "er" "changed" }}{{ include "value" . }} {{ include "nested" . }}
- {{ include "file" . }} {{ include "file" . }} {{ include "whole" . }}
- {{ include "count" . }} {{ include "count" . }} {{ include "count" . }}
- {{ tuple "x" . | include "listed" }} {{ tuple "y" . | include "listed" }} {{ tuple "x" . | include "listed" }}
- {{ dict "k" 1 "v" .Values | include "dicted" }} {{ dict "k" 2 "v" .Values | include "dicted" }} {{ dict "k" 1 "v" .Values | include "dicted" }}
- {{ $d := dict "k" 1 }}{{ include "argument" $d }} {{ include "argument" $d }} {{ include "argument" (dict "k" 1) }}
- {{ ne (include "draw" .) (include "draw" .) }}
- {{ tpl "{{ define \"value\" }}other{{ end }}{{ include \"value\" . }}" . }} {{ include "value" . }}
"#;

    #[test]
    fn include_results_are_used_again_only_while_nothing_has_changed() {
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: memo\nversion: 0.1.0\n"),
            ("values.yaml", "a: 1\nn: 0\ndeep: {er: -}\n"),
            ("templates/_helpers.tpl", HELPERS),
        ];
        let mut tree: MemTree =
            files.into_iter().map(|(path, text)| (path, text.as_bytes().to_vec())).collect();
        for name in ["a", "b"] {
            let body = format!("x:{}", BODY.replace("\n- ", &format!("\n- {name} ")));
            tree.insert(&format!("templates/{name}.yaml"), body.into_bytes());
        }
        let chart = Chart::load(&tree, "").unwrap();
        let release = render(&chart, &ReleaseOptions::new("r", "n"), &serde_json::Map::new()).unwrap();
        // Files run in reverse order of their names.
        let texts: Vec<&str> = release.manifests.iter().rev().map(|m| m.text.trim()).collect();
        let expected = [
            "x:\n- b 1- 1- b.yaml1- 21\n- b 2- b.yaml2- 22\n- b 2changed b.yaml2changed\n- b b.yaml b.yaml true\n- b 1 2 3\n- b x2 y2 x2\n- b 12 22 12\n- b 2 3 2\n- b true\n- b other 2changed",
            "x:\n- a 2changed 2changed a.yaml2changed 22\n- a 3changed a.yaml3changed 23\n- a 3changed a.yaml3changed\n- a a.yaml a.yaml false\n- a 4 5 6\n- a x3 y3 x3\n- a 13 23 13\n- a 2 3 2\n- a true\n- a other 3changed",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn results_that_depend_on_the_folder_alone_are_used_again_in_it() {
        let helpers = r#"
{{ define "beside" }}{{ $name := index . 0 }}{{ $top := index . 1 }}{{ $last := base $top.Template.Name }}{{ $path := $top.Template.Name | replace $last $name }}{{ $path }}{{ end }}
{{ define "shown" }}{{ $last := base $.Template.Name }}{{ $path := $.Template.Name | replace $last "x" }}{{ $path }} {{ $last }}{{ end }}
{{ define "again" }}{{ include "beside" (tuple "x" .) }}{{ end }}
{{ define "deep" }}{{ if gt . 0 }}{{ include "deep" (sub . 1) }}{{ end }}{{ end }}
"#;
        let body = r#"{{ include "beside" (tuple "x" .) }} {{ include "again" . }} {{ include "shown" . }}"#;
        let mut tree: MemTree = [
            ("Chart.yaml", "apiVersion: v2\nname: memo\nversion: 0.1.0\n"),
            ("templates/_helpers.tpl", helpers),
        ]
        .into_iter()
        .map(|(path, text)| (path, text.as_bytes().to_vec()))
        .collect();
        for name in ["q", "w", "templates/q", "templates/templates"] {
            tree.insert(&format!("templates/{name}"), format!("x: {body}").into_bytes());
        }
        let options = ReleaseOptions::new("r", "n");
        let values = serde_json::Map::new();
        let release = render(&Chart::load(&tree, "").unwrap(), &options, &values).unwrap();
        let mut texts: Vec<&str> = release.manifests.iter().map(|m| m.text.trim()).collect();
        texts.sort_unstable();
        let expected = [
            "x: memo/templates/templates/x memo/templates/templates/x memo/templates/templates/x q",
            "x: memo/templates/x memo/templates/x memo/templates/x q",
            "x: memo/templates/x memo/templates/x memo/templates/x w",
            "x: memo/x/x/x memo/x/x/x memo/x/x/x templates",
        ];
        assert_eq!(texts, expected);
        // What is remembered counts as deep as it was.
        tree.insert("templates/c", br#"{{ include "deep" 700 }}x: {{ include "deep" 990 }}y"#.to_vec());
        let fine = render(&Chart::load(&tree, "").unwrap(), &options, &values);
        assert!(fine.is_ok(), "{fine:?}");
        tree.insert("templates/c", br#"{{ include "deep" 700 }}x: {{ include "deep" 1100 }}y"#.to_vec());
        let error = render(&Chart::load(&tree, "").unwrap(), &options, &values).unwrap_err().to_string();
        assert!(error.contains("nested reference name: deep"), "{error}");
    }
}
