//! What is read as plain is what the reader takes, and means the same.

use super::super::{Limits, Node, Tag, Value as Tree, read_v2_json};
use super::*;
use serde_json::Value as Json;

/// What the reader has read, as `read_plain_json` tells it.
fn json(node: &Node) -> Json {
    match &node.value {
        Tree::Sequence(items) => items.iter().map(json).collect(),
        Tree::Mapping(map) => {
            let entry = |e: &super::super::Entry| (e.key.text().unwrap().to_owned(), json(&e.value));
            Json::Object(map.entries.iter().map(entry).collect())
        }
        Tree::Scalar(s) => match s.tag {
            Tag::Null => Json::Null,
            Tag::Bool => Json::Bool(&*s.text == "true"),
            Tag::Int | Tag::Float => Json::from(s.text.parse::<f64>().unwrap()),
            _ => Json::String(s.text.to_string()),
        },
    }
}

/// Takes note of nothing: for a document of which only the head is wanted.
struct Nothing;

impl Sink for Nothing {
    fn key(&mut self, _: &str) -> Option<()> {
        Some(())
    }
    fn scalar(&mut self, _: &Scalar<'_>) -> Option<()> {
        Some(())
    }
    fn open(&mut self, _: bool) -> Option<()> {
        Some(())
    }
    fn close(&mut self) -> Option<()> {
        Some(())
    }
}

/// Whether a text is plain. If so, the reader must take it and find the same in it.
fn agrees(text: &str) -> bool {
    let limits = Limits::default();
    let plain = read_plain_json(text, &limits);
    if plain.is_none() && read_plain(text, &limits, &mut Nothing).is_none() {
        return false;
    }
    let read = read_v2_json(text, &limits).unwrap_or_else(|e| panic!("{text}: {e}"));
    if let Some(plain) = plain {
        assert_eq!(plain, json(&read), "{text}");
        assert_eq!(read_plain_v2_json(text, &limits).as_ref(), Some(&read), "{text}");
    }
    true
}

#[test]
fn what_is_read_as_plain_is_what_the_reader_takes() {
    // Lines put together in every way.
    let pieces = [
        "kind: A\n",
        "a: 1\n",
        "a:\n",
        "  b: x y\n",
        "  b:\n",
        "  - c\n",
        "- c\n",
        "- d: 1\n",
        "  e: |\n",
        "    f\n",
        "   g\n",
        "  - - h\n",
        "    i: \"j\\n\"\n",
        "-\n",
        "# k\n",
        "\n",
        "    \n",
        "  l: 'm'\n",
        "a: >-\n",
        "  : n\n",
        "a: .inf\n",
        "  - o: {}\n",
        "      p: -1\n",
        "    -\tq\n",
        "a: 1:\n",
        " r: s\n",
        "<<: t\n",
        "a: b #c\n",
        "kind: \"A\n",
        "a: 1\"\n",
        "kind: {a: 1,\n",
        "...\n",
        "---\n",
        "composite:a+b:\n",
        "  /: t\n",
        "  'p:q': [u, \"v w\", 'x', 1,  ~]\n",
        "- 'y'\n",
        "a: &n\n",
        "  b: &n\n",
        "  z: *n\n",
        "  <<: *n\n",
        "<<: [*n, *m]\n",
        "b: &m\n",
        "  s: \"t \\n\n",
        "  u\" # v\n",
        "  ? \"A\"\n",
        "? 'B'\n",
        ": C\n",
        "  :\n",
        "    words \"of\" text # D\n",
        "  d: {\n",
        "  }\n",
        "a: >\n",
        "00-x.cnf: ^a(b)\n",
    ];
    let mut taken = 0;
    let n = pieces.len();
    for number in 0..2 * n * n * n {
        let first = if number < n * n * n { "a:\n" } else { "a: &n\n  b:\n" };
        let text: String = first.to_owned() + &[0, 1, 2].map(|i| pieces[number / n.pow(i) % n]).concat();
        taken += usize::from(agrees(&text));
    }
    assert!(taken > 1_000, "{taken}");
}

#[test]
fn what_a_generator_writes_means_the_same() {
    let mut state = 11_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    let keys = [
        "a",
        "b",
        "kind",
        "c/d.e-f",
        "\"q r\"",
        "on",
        "12",
        "x_1",
        "/",
        "/v2",
        "p:q:r",
        "a::",
        "'s: t'",
        "a+b",
        "'u''v'",
        ":",
        "~",
        "p:q r",
        "0",
        "00-a",
        "7",
        "1.5",
        "-1",
        "010",
        "2020-01-01",
        "1e3",
        "no",
        "Null",
        "y",
        "off",
        "tru",
        "NAME",
        "falsy",
        "nul",
        "0x1f",
        "1_0",
    ];
    let values = [
        "",
        " 1",
        " text of words",
        " \"q\\\\\\n\\\"\"",
        " 'q'",
        " {}",
        " []",
        " |",
        " |-",
        " >+",
        " |+",
        " -1.5e3",
        " http://a:80/b",
        " .5",
        " 2020-01-01",
        " 1e999",
        " -.Inf",
        " a: b",
        " *x",
        " &x y",
        " !t z",
        " {a: b}",
        " \"open",
        " end\"",
        " ?",
        " - a",
        " 0o7_",
        " 0x1F",
        " 12345678901234567890",
        " -0",
        " -0.0",
        " 1_000",
        " <<",
        " =",
        " ~",
        " No",
        " @a",
        " a#b",
        " a #b",
        " # c",
        " \"a\" # b",
        " 'a'#b",
        " {}#",
        " [] # x",
        " 'it''s'",
        " a\tb",
        " ---",
        " x ",
        " \u{e9}",
        " a\u{2028}b",
        " a\u{a0}",
        " \"\\x\"",
        " 1:30",
        " [a, b]",
        " [a,b , 1] # x",
        " [\"a, b\", 'c]', -1.5e3]",
        " [a, b]]",
        " [a,]",
        " [,]",
        " [a: b]",
        " [a:b]",
        " ['a''b']",
        " [\"a\": b]",
        " [ ]",
        " [[a]]",
        " [{}]",
        " [a b]",
        " [a",
        " [*a]",
        " [-]",
        " [-a, .inf]",
        " [1e999]",
        " ['a' b]",
        " [\"\\x\"]",
        " [a #b]",
        " [a]#",
        " [~]",
        " [$.a.b, $c ]",
        " [/a/b, .5, 2020-01-01, No]",
        " ~ # x",
        " ~a",
        " &n",
        " *n",
        " [a,",
        " b, 'c']",
        " ]",
        " {",
        " <no value>",
        " <<",
        " ^x$",
        " \\d",
        " -",
        " >-",
    ];
    let mut taken = 0;
    for _ in 0..60_000 {
        let mut text = String::new();
        let mut depth = 0;
        for _ in 0..=below(9) {
            // Mostly in order.
            depth = if below(4) > 0 { (depth + below(2)).min(3) } else { below(3) };
            let spaces = if below(9) > 0 { 2 * depth } else { below(7) };
            text.push_str(&" ".repeat(spaces));
            text.push_str(["", "", "", "", "- ", "- - ", "-   ", "# "][below(8)]);
            if below(40) == 0 {
                text.push_str(["? \"x y\"", "? 'z'", "<<: *n", "}", "? w"][below(5)]);
            } else if below(30) == 0 {
                text.push(':');
            } else if below(8) > 0 {
                let rare = below(6) == 0;
                text.push_str(keys[below(if rare { keys.len() } else { 4 })]);
                text.push(':');
            }
            let rare = below(6) == 0;
            text.push_str(values[if rare || below(9) == 0 { below(values.len()) } else { below(12) }]);
            let ends = if below(9) > 0 { 4 } else { 7 };
            text.push_str(["\n", "\n", "\n", "\n", "\n\n", "\n   \n", ""][below(ends)]);
        }
        taken += usize::from(agrees(&text));
    }
    assert!(taken > 2_000, "{taken}");
}

#[test]
fn values_files_and_manifests_are_plain() {
    let text = "# note\n---\napiVersion: v1\nkind: A # b\nmetadata:\n  # note\n  name: x\n  \"helm.sh/hook\": 'c'\n  note: |\n    a\n   \n    b: c\n\nspec:\n- a: 1\n  b:\n  - |-\n    text: {{\n\n  - c\nnone:\nlast: \u{e9}\n...\n# end\n";
    assert!(agrees(text.replace('\u{e9}', "e").as_str()));
    let read = read_plain_json(&text.replace('\u{e9}', "e"), &Limits::default()).unwrap();
    assert_eq!(read["metadata"]["note"], "a\n\nb: c\n");
    assert_eq!(read["spec"][0]["b"][0], "text: {{");
    assert_eq!((&read["none"], &read["kind"]), (&Json::Null, &Json::from("A")));
    for refused in [
        "a: {b: c}\n",
        "a: [{b: c}]\n",
        "a: [b,\nc]\n",
        "a: [b,\n\n  c]\n",
        "a: [b\n  c]\n",
        "a: [b, # d\n  c]\n",
        "a: b: c\n",
        "a: &b c\n",
        "a: *b\n",
        "a: !t b\n",
        "a: \u{85}\n",
        "a: \u{e9}\n",
        "a:\n\tb: c\n",
        "a: &n\n  b: *n\n",
        "a: &n\n  b: c\nd:\n  <<: [*n, ",
        "a: &n\n  b: c\nd:\n  <<: [",
        "a: &n\n  b: &n\n    c: d\n",
        "a: *n\n",
        "a: &n\nb: *n\n",
        "a: &n\n  text\n",
        "? a\n: b\n",
        "a:\n  ? 'b'\n  c: d\n",
        "a: b\n\n  c\n",
        "a: b # c\n  d\n",
        "a: b\n  c: d\n",
        "a: {\n}\n",
        "text\n",
        "- a\n",
        "a: 'b\n",
        "a: 'b\nc'\n",
        "a: 'b\n\n  c'\n",
        "a: \"b\\\n  c\"\n",
        "a: 'b\n  it''s'\n",
        "%x\n",
        "a: 1\n---\nb: 1\n",
        "kind: \"a\nspec: 1\nkind: b\"\n",
    ] {
        assert!(!agrees(refused), "{refused}");
    }
    let text = "paste:\n  composite:main:\n    /: root\n    /v2+x: 'a'\n  'p:q': [\"r, s\", t, 1, ~] # u\n  none: ~\n";
    assert!(agrees(text));
    let read = read_plain_json(text, &Limits::default()).unwrap();
    assert_eq!(read["paste"]["composite:main"]["/"], "root");
    assert_eq!(
        read["paste"]["p:q"],
        Json::from(vec!["r, s".into(), "t".into(), Json::from(1.0), Json::Null])
    );
}

#[test]
fn rarer_shapes_mean_what_the_reader_says() {
    let text = "a: &n\n  b: 1\n  c:\n  - d\nm:\n  b: 2\n  <<: *n\n  e: f\nk: &k\n- *n\nl: *k\nt:\n- set -x;\n  run \"it\" - now\n  : # c\n";
    assert!(!agrees(text));
    let text = text.replace("  : # c\n", "  :x # c\n");
    assert!(agrees(&text));
    let read = read_plain_json(&text, &Limits::default()).unwrap();
    assert_eq!(read["m"], serde_json::json!({"b": 1.0, "c": ["d"], "e": "f"}));
    assert_eq!(read["l"][0]["c"][0], "d");
    assert_eq!(read["t"][0], "set -x; run \"it\" - now :x");
    let text = "a: &n\n  b: 1\n  c: 1\nd: &m\n  b: 2\n  e: 2\nf:\n  b: 3\n  <<: [*n , *m]\n  e: 4\n";
    assert!(agrees(text));
    let read = read_plain_json(text, &Limits::default()).unwrap();
    assert_eq!(read["f"], serde_json::json!({"b": 1.0, "c": 1.0, "e": 4.0}));
    let text = "a: \"b \\\"c\\\"  \n  d\\n\n e\" # f\ng: 'h\n   i'\n";
    assert!(agrees(text));
    let read = read_plain_json(text, &Limits::default()).unwrap();
    assert_eq!((&read["a"], &read["g"]), (&Json::from("b \"c\" d\n e"), &Json::from("h i")));
    let text = "a:\n  ? \"!=\"\n  :\n    b: 1\n  ? 'c'\n  : d\ne: {\n  }\n0: ^x\nv: [ x,\n 'y'\n  ]\nf: >-\n  g\n  h\ni: >\n  j\n\n";
    assert!(agrees(text));
    let read = read_plain_json(text, &Limits::default()).unwrap();
    let want = serde_json::json!({
        "a": {"!=": {"b": 1.0}, "c": "d"}, "e": {}, "0": "^x", "v": ["x", "y"], "f": "g h", "i": "j\n"
    });
    assert_eq!(read, want);
    // What these say is left to the reader.
    for text in ["a: >\n  b\n\n  c\n", "a: >\n  b\n    c\n", "a: |\n  no line break at the end"] {
        assert!(agrees(text) && read_plain_json(text, &Limits::default()).is_none(), "{text}");
    }
    for empty in ["", "# only\n", "---\n# only\n"] {
        assert!(agrees(empty));
        assert_eq!(read_plain_json(empty, &Limits::default()), Some(Json::Null), "{empty}");
    }
}

#[test]
fn long_lines_are_read_like_short_ones() {
    for place in 30..70 {
        let before = "x".repeat(place);
        for (piece, is_plain) in [
            (":", true),
            ("#", true),
            (" #", true),
            ("\\", true),
            (": ", false),
            ("\t", false),
            (":\n", false),
        ] {
            for behind in ["", "y", ":z", " y #"] {
                let text = format!("a: {before}{piece}{behind}\nb: c\n");
                let is_gap = behind.is_empty() || behind.starts_with(' ');
                assert_eq!(agrees(&text), is_plain && !(piece == ":" && is_gap), "{text}");
            }
        }
        assert!(agrees(&format!("{before}: y\n{before}:z: y\n{before}z: {before}\n")));
    }
}

#[test]
fn what_names_stand_for_is_limited() {
    let mut text = "a0: &a0\n  x: y\n".to_owned();
    for n in 1..30 {
        let before = n - 1;
        text.push_str(&format!("a{n}: &a{n}\n- *a{before}\n- *a{before}\n"));
    }
    assert!(!agrees(&text));
}
