//! The YAML core against the answers of the original Go libraries (`fixtures/yaml/*.jsonl`, made by `tests/tools/yaml`).

use proptest::prelude::*;
use retune::yaml::emit::{self, Writer};
use retune::yaml::{self, Entry, Limits, Mapping, Node, Scalar, Style, Tag, Value, json, num};

fn lines(name: &str) -> Vec<serde_json::Value> {
    let path = std::env::var("RETUNE_YAML_CASES").unwrap_or_else(|_| "fixtures/yaml".into());
    let text = std::fs::read_to_string(format!("{path}/{name}")).expect("baseline");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON line")).collect()
}

/// Collects differences, so that one run shows them all.
#[derive(Default)]
struct Differences {
    count: usize,
    text: String,
}

impl Differences {
    fn compare(&mut self, what: &str, case: &str, ours: &str, theirs: &str) {
        // Go escapes what it puts in place of bytes that are not UTF-8.
        let theirs = &theirs.replace("\\ufffd", "\u{FFFD}");
        if ours != theirs {
            self.count += 1;
            if self.count <= 20 {
                self.text
                    .push_str(&format!("\n--- {what} of {case:?}\n ours   {ours:?}\n theirs {theirs:?}"));
            }
        }
    }

    fn expect_none(self) {
        assert!(self.count == 0, "{} differences{}", self.count, self.text);
    }
}

fn field<'a>(case: &'a serde_json::Value, name: &str) -> &'a str {
    case[name].as_str().expect("a text field")
}

fn write(f: impl FnOnce(&mut Writer<'_>)) -> String {
    let mut out = String::new();
    let mut w = Writer::new(&mut out);
    f(&mut w);
    match w.finish() {
        Ok(()) => out,
        Err(e) => format!("!{e}"),
    }
}

fn v2(text: &str) -> String {
    match yaml::read_v2_json(text, &Limits::default()).and_then(|n| json::to_json(&n, true)) {
        Ok(text) => text,
        Err(e) => format!("!{e}"),
    }
}

fn v3(text: &str) -> String {
    let read = yaml::read_v3_stream(text, &Limits::default());
    let all =
        read.and_then(|nodes| nodes.iter().map(|n| json::to_json(n, true)).collect::<Result<Vec<_>, _>>());
    match all {
        Ok(all) => all.join("\n"),
        Err(e) => format!("!{e}"),
    }
}

fn kustomize(text: &str) -> String {
    let read = yaml::read_v3(text, &Limits::default());
    if read.as_ref().is_ok_and(|nodes| nodes.iter().any(|n| n.as_map().is_none())) {
        return "?".into();
    }
    let all = read.and_then(|nodes| nodes.iter().map(emit::to_yaml).collect::<Result<Vec<_>, _>>());
    match all {
        Ok(all) => all.join("---\n"),
        Err(e) => format!("!{e}"),
    }
}

/// Whether both refuse. The wording is compared apart, where go-yaml has one wording.
fn outcome(text: &str) -> &str {
    if text.starts_with('!') { "!" } else { text }
}

/// The scanner's and parser's errors, which are to be word for word go-yaml's; the decoder's depend on Go's types.
fn grammar_error(text: &str) -> bool {
    text.starts_with("!yaml: ")
        && ["did not find", "could not find", "found ", "mapping ", "block ", "while ", "control "]
            .iter()
            .any(|s| text.contains(s))
        && !["unmarshal errors", "cannot decode", "map merge"].iter().any(|s| text.contains(s))
}

#[test]
fn strings_are_printed_as_the_original_prints_them() {
    let mut differences = Differences::default();
    for case in lines("scalars.jsonl") {
        let s = field(&case, "s");
        let value = write(|w| {
            w.begin_map();
            w.key("k");
            w.string(s);
            w.end();
        });
        differences.compare("value", s, outcome(&value), outcome(field(&case, "v")));
        let item = write(|w| {
            w.begin_seq();
            w.string(s);
            w.end();
        });
        differences.compare("item", s, outcome(&item), outcome(field(&case, "i")));
        let key = write(|w| {
            w.begin_map();
            w.key(s);
            w.int(0);
            w.end();
        });
        differences.compare("key", s, outcome(&key), outcome(field(&case, "k")));
    }
    differences.expect_none();
}

#[test]
fn to_yaml_pretty_prints_as_go_yaml_v3_does() {
    let mut differences = Differences::default();
    for case in lines("scalars.jsonl") {
        let s = field(&case, "s");
        let inner = Node::from(Value::Mapping(Mapping {
            entries: vec![Entry { key: Node::str(s), value: Node::str(s) }],
        }));
        let list = Node::from(Value::Sequence(vec![Node::str(s), inner]));
        let node =
            Node::from(Value::Mapping(Mapping { entries: vec![Entry { key: Node::str("k"), value: list }] }));
        let ours = emit::to_yaml_v3_indented(&node).unwrap_or_else(|e| format!("!{e}"));
        differences.compare("pretty", s, &ours, field(&case, "p"));
    }
    differences.expect_none();
}

#[test]
fn keys_are_sorted_as_both_emitters_sort_them() {
    let mut differences = Differences::default();
    for case in lines("orders.jsonl") {
        let keys = |i: usize| -> Vec<&str> {
            case[i].as_array().expect("keys").iter().filter_map(serde_json::Value::as_str).collect()
        };
        let mut sorted = keys(0);
        sorted.sort_unstable();
        emit::natural_sort_by(&mut sorted, |k| k);
        differences.compare("v2", "keys", &sorted.join(" "), &keys(0).join(" "));
        sorted.sort_unstable();
        emit::natural_sort_by_v3(&mut sorted, |k| k);
        differences.compare("v3", "keys", &sorted.join(" "), &keys(1).join(" "));
    }
    differences.expect_none();
}

#[test]
fn scalars_are_read_as_the_originals_read_them() {
    let mut differences = Differences::default();
    for case in lines("scalars.jsonl") {
        let s = field(&case, "s");
        let text = format!("- {s}\n");
        differences.compare("v2", s, outcome(&v2(&text)), outcome(field(&case, "v2")));
        differences.compare("v3", s, outcome(&v3(&text)), outcome(field(&case, "v3")));
    }
    differences.expect_none();
}

#[test]
fn documents_are_read_as_the_originals_read_them() {
    let mut differences = Differences::default();
    for case in lines("documents.jsonl") {
        let d = field(&case, "d");
        differences.compare("v2", d, outcome(&v2(d)), outcome(field(&case, "v2")));
        differences.compare("v3", d, outcome(&v3(d)), outcome(field(&case, "v3")));
        if let Some(want) = case["k"].as_str() {
            let ours = kustomize(d);
            // kyaml refuses roots that are no mappings by rules of its own.
            if ours != "?" {
                differences.compare("kustomize", d, outcome(&ours), outcome(want));
            }
        }
    }
    differences.expect_none();
}

#[test]
fn grammar_errors_have_the_words_and_lines_of_the_originals() {
    let mut differences = Differences::default();
    let mut compared = 0;
    for case in lines("documents.jsonl") {
        let d = field(&case, "d");
        for (ours, theirs) in [(v2(d), field(&case, "v2")), (v3(d), field(&case, "v3"))] {
            if grammar_error(theirs) {
                compared += 1;
                differences.compare("error", d, &ours, theirs);
            }
        }
    }
    assert!(compared > 100, "only {compared} errors compared");
    differences.expect_none();
}

fn places(node: &Node, out: &mut String) {
    use std::fmt::Write as _;
    let _ = write!(out, "{}:{}", node.pos.line, node.pos.column);
    match &node.value {
        Value::Scalar(s) => {
            let tag = match &s.tag {
                Tag::Null => "null",
                Tag::Bool => "bool",
                Tag::Int => "int",
                Tag::Float => "float",
                Tag::Str => "str",
                Tag::Timestamp => "timestamp",
                Tag::Binary => "binary",
                Tag::Other(name) => name.strip_prefix("!!").unwrap_or(name),
            };
            let _ = write!(out, " {tag};");
        }
        Value::Sequence(items) => {
            out.push(';');
            items.iter().for_each(|item| places(item, out));
        }
        Value::Mapping(mapping) => {
            out.push(';');
            for entry in &mapping.entries {
                places(&entry.key, out);
                places(&entry.value, out);
            }
        }
    }
}

#[test]
fn nodes_stand_where_go_yaml_says_and_have_its_tags() {
    let mut differences = Differences::default();
    let mut compared = 0;
    for case in lines("documents.jsonl") {
        let Some(want) = case["p"].as_str() else { continue };
        let d = field(&case, "d");
        let mut ours = String::new();
        for node in yaml::read_v3_stream(d, &Limits::default()).unwrap_or_default() {
            places(&node, &mut ours);
        }
        compared += 1;
        differences.compare("places", d, &ours, want);
    }
    assert!(compared > 100, "only {compared} documents have places");
    differences.expect_none();
}

#[test]
fn floats_are_printed_as_go_prints_them() {
    let cases = lines("numbers.json");
    let mut differences = Differences::default();
    for case in cases[0].as_array().expect("an array") {
        let text = |i: usize| case[i].as_str().expect("text");
        let x: f64 = text(0).parse().expect("a float");
        differences.compare("%v", text(0), &num::format_g(x), text(1));
        differences.compare("JSON", text(0), &num::format_json(x).unwrap_or_default(), text(2));
        differences.compare("YAML", text(0), write(|w| w.float(x)).trim_end(), text(3));
    }
    differences.expect_none();
}

/// Any value that JSON can hold.
fn any_node() -> impl Strategy<Value = Node> {
    let text = prop_oneof![
        "[ -~]{0,12}",
        "[ \\-:#a'\"\n\t0-9]{0,30}",
        "\\PC{0,8}",
        "(true|no|0x1F|1e3|2020-01-01|~|<<|=|1:20)",
        "[a-z ]{60,140}"
    ];
    // `<<` is printed plain, as the original prints it, and reads as a merge key: no key here is that.
    let key = text.clone().prop_filter("no merge key", |k| k != "<<");
    let leaf = prop_oneof![
        Just(Node::null()),
        any::<bool>().prop_map(|b| Node::scalar(Tag::Bool, b.to_string())),
        any::<i64>().prop_map(|n| Node::scalar(Tag::Int, n.to_string())),
        any::<f64>()
            .prop_map(|x| x * 0.5 + 0.25)
            // Of the integers only those of int64 can be read as `!!float`, in the original too.
            .prop_filter("finite, no uint64", |x| x.is_finite() && !(9.2e18..1.9e19).contains(x))
            .prop_map(|x| Node::scalar(Tag::Float, num::format_json(x).unwrap_or_default())),
        // Quoted, as JSON's strings are: kustomize cannot print a block scalar that begins with a tab.
        text.clone().prop_map(|s| {
            let scalar = Scalar { text: s.into(), tag: Tag::Str, style: Style::DoubleQuoted };
            Node::from(Value::Scalar(scalar))
        }),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| Node::from(Value::Sequence(items))),
            prop::collection::btree_map(key.clone(), inner, 0..5).prop_map(|map| {
                let entries = map.into_iter().map(|(k, value)| Entry { key: Node::str(k), value }).collect();
                Node::from(Value::Mapping(Mapping { entries }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_as_what_it_was(node in any_node()) {
        let text = emit::to_yaml(&node).expect("printable");
        let want = json::to_json(&node, false).expect("JSON");
        let v3 = yaml::read_v3_stream(&text, &Limits::default()).expect("readable by v3");
        prop_assert_eq!(json::to_json(&v3[0], false).expect("JSON"), want.clone(), "v3 of {:?}", text);
        let v2 = yaml::read_v2_json(&text, &Limits::default()).expect("readable by v2");
        prop_assert_eq!(json::to_json(&v2, false).expect("JSON"), want.clone(), "v2 of {:?}", text);
        let again = json::from_json(&want).expect("JSON");
        prop_assert_eq!(emit::to_yaml(&again).expect("printable"), text);
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "([ \\-?:#,\\[\\]{}&*!|>'\"%@`a-c0-2~\n\t\r\\\\.<=]|é|\u{85}|\u{2028}){0,60}") {
        let limits = Limits::default();
        for nodes in [yaml::read_v3(&text, &limits), yaml::read_v2(&text, &limits)].into_iter().flatten() {
            for node in &nodes {
                let _ = emit::to_yaml(node);
            }
        }
    }
}

#[test]
fn nesting_beyond_the_limit_is_refused_with_its_line() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "a:\n".to_owned() + &" {a: ".repeat(9_000),
        "? ".repeat(9_000),
    ] {
        for error in [
            yaml::read_v3(&text, &Limits::default()).expect_err("too deep"),
            yaml::read_v2(&text, &Limits::default()).expect_err("too deep"),
        ] {
            assert!(error.message.contains("exceeded max depth"), "{error}");
            assert!(error.pos.line > 0, "{error}");
        }
    }
}
