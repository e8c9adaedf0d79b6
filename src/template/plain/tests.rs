//! What is read as plain is what the parser makes of it.

use std::sync::Arc;

use super::*;
use crate::template::ast::{Branch, Command, Expr, Node, Pipe, Variable};
use crate::template::parser::{Build, parse};
use crate::template::sprig;

fn registry() -> Registry {
    let mut funcs = Registry::new();
    sprig::register(&mut funcs);
    funcs
}

/// Everything that is in a parsed text, with places, or the error.
fn outline(text: &str, funcs: &Registry, build: Build) -> String {
    match parse("t", text, Arc::from(text.as_bytes()), funcs, build) {
        Err(e) => e.to_string(),
        Ok(p) => {
            let define = |d: &Define| {
                let nodes = d.body("t", &p.text, funcs).map(dump).map_err(|e| e.to_string());
                format!("{} {} {nodes:?}", d.name, d.blank)
            };
            let defines: Vec<String> = p.defines.iter().map(define).collect();
            format!("{defines:?} {} {}", dump(&p.root), p.last_line())
        }
    }
}

/// A body with all that an execution or an error message can see of it.
fn dump(body: &Body) -> String {
    let nodes: Vec<String> = body.nodes.iter().map(node).collect();
    nodes.join("; ")
}

fn node(node: &Node) -> String {
    let branch = |word: &str, b: &Branch| {
        let otherwise = b.otherwise.as_ref().map(dump);
        format!("{word} {} [{}] {otherwise:?}", pipe(&b.pipe), dump(&b.then))
    };
    match node {
        Node::Text(span) => format!("text {span:?}"),
        Node::Action(p) => format!("action {}", pipe(p)),
        Node::If(b) => branch("if", b),
        Node::With(b) => branch("with", b),
        Node::Range(b) => branch("range", b),
        Node::Template(i) => format!("template {} {} {:?}", i.pos, i.name, i.pipe.as_ref().map(pipe)),
        Node::Break => "break".to_owned(),
        Node::Continue => "continue".to_owned(),
    }
}

fn pipe(p: &Pipe) -> String {
    let decl: Vec<String> = p.decl.iter().map(variable).collect();
    let command = |c: &Command| {
        let args: Vec<String> = c.args.iter().map(expr).collect();
        format!("{}({})", c.pos, args.join(", "))
    };
    let cmds: Vec<String> = p.cmds.iter().map(command).collect();
    format!("@{} {} {decl:?} {}", p.pos, p.assign, cmds.join(" | "))
}

/// Numbers of variables differ between a text and a body that is built later; `$` is 0 in both.
fn variable(v: &Variable) -> String {
    assert_eq!(v.id == 0, *v.name == *"$");
    format!("{}@{}{:?}", v.name, v.pos, v.fields)
}

fn expr(e: &Expr) -> String {
    match e {
        Expr::Dot(pos) => format!(".@{pos}"),
        Expr::Nil(pos) => format!("nil@{pos}"),
        Expr::Bool(pos, b) => format!("{b}@{pos}"),
        Expr::Number(n) => format!("{n:?}"),
        Expr::String(pos, text) => format!("{text:?}@{pos}"),
        Expr::Bytes(pos, bytes) => format!("{bytes:?}@{pos}"),
        Expr::Field(pos, names) => format!("{names:?}@{pos}"),
        Expr::Variable(v) => variable(v),
        Expr::Function(pos, callee) => format!("{}@{pos}", callee.name()),
        Expr::Chain(c) => format!("chain {} @{}{:?}", expr(&c.node), c.pos, c.fields),
        Expr::Pipe(p) => format!("({})", pipe(p)),
    }
}

const PLAIN: &[&str] = &[
    "{{end}}",
    " \n{{- /* a comment\n */ -}}\n {{- end -}}\n\n x",
    "text {{ .a.b }} {{- $.c -}} {{ $x := .d }}{{ $x }}{{ $x = 2 }}{{$y:=1}}{{$y}}{{ end }}",
    "{{ if .a }}1{{ else if eq .b 1 }}2{{ else }}3{{ end }}{{ end }}",
    "{{ with $w := .a }}{{ $w.b }}{{ else with .c }}{{ . }}{{ else }}-{{ end }}{{ end }}",
    "{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ else }}none{{ end }}{{ range .m }}{{ . }}{{ end }}{{ end }}",
    "{{ template \"x\" (dict \"a\" 1 \"b\" `raw \n`) }}{{ template \"y\" }}{{ template `z` . }}{{ end }}",
    "{{ (index .a 0).b | default true | quote }}{{ printf \"%s\\n\\t\" (.a | upper) }}{{ nil }}{{ end }}",
    "{{ $x := .a.b.c.d }}{{ $x.e.f.g }} {{ ($x.e.f).g.h }}{{ $.i.j }}{{ end }}",
    "{{ tuple . 1 \"é }}\" | first }}{{ (($p := 1)) }}{{ $p }}{{ list\n 1\n 2 |\n last }}{{ end }}",
];

const ODD: &[&str] = &[
    "{{ $x }}{{ end }}",
    "{{ if .a }}{{ $x := 1 }}{{ end }}{{ $x }}{{ end }}",
    "{{ if .a }}{{ else }}{{ else }}{{ end }}{{ end }}",
    "{{ range .a }}{{ else if .b }}{{ end }}{{ end }}",
    "{{ .a | 1 }}{{ end }}",
    "{{ .a | }}{{ end }}",
    "{{ }}{{ end }}",
    "{{ nosuch }}{{ end }}",
    "{{ $x=1 }}{{ end }}",
    "{{ .a.5 }}{{ end }}",
    "{{ true.x }}{{ end }}",
    "{{ \"a\".b }}{{ end }}",
    "{{ (.a }}{{ end }}",
    "{{ .a) }}{{ end }}",
    "{{ .a }{{ end }}",
    "{{template\"x\"}}{{ end }}",
    "{{ define \"y\" }}{{ end }}{{ end }}",
    "{{ block \"y\" . }}{{ end }}{{ end }}",
    "{{ break }}{{ end }}",
    "{{ range .a }}{{ if .b }}{{ break }}{{ end }}{{ end }}{{ end }}",
    "{{ /* no */ }}{{ end }}",
    "{{/* open }}{{ end }}",
    "{{ \"\\q\" }}{{ end }}",
    "{{ 'x' }}{{ 1.5 }}{{ -1 }}{{ 0x1F }}{{ 007 }}{{ 1i }}{{ end }}",
    "{{ .é }}{{ end }}",
    "\u{a0}\u{b}{{ end }}",
    "{{ end -}}",
    "{{ if }}{{ end }}{{ end }}",
    "{{ .a-}}{{ end }}",
    "no end",
];

#[test]
fn plain_texts_are_read_as_such() {
    let funcs = registry();
    for text in PLAIN {
        let skimmed = skim(text, 0, &funcs).expect(text);
        assert!(body(&text[..skimmed.after], 0, &funcs).is_some(), "{text}");
    }
    let skimmed = skim(PLAIN[1], 0, &funcs).expect("skimmed above");
    assert!(skimmed.blank && &PLAIN[1][skimmed.after..] == "x");
}

#[test]
fn what_is_read_as_plain_is_what_the_parser_makes_of_it() {
    let funcs = registry();
    let same = |text: &str| {
        assert_eq!(outline(text, &funcs, Build::NoDefines), outline(text, &funcs, Build::All), "{text}");
    };
    let whole_too = |text: &str| assert!(whole(text, &funcs).is_some(), "{text}");
    whole_too("");
    for text in PLAIN {
        // What stands in a body may stand outside of it, but for the end.
        let text = text.rsplit_once("{{").expect("its end").0;
        whole_too(text);
        same(text);
        whole_too(&format!("{text}{{{{ define `y` }}}}z{{{{- end -}}}} \n{text}"));
        same(&format!("{text}{{{{ define `y` }}}}z{{{{- end -}}}} \n{text}"));
        same(&format!("{{{{ if 1 }}}}{text}{{{{ else if 2 }}}}{text}{{{{ else }}}}{text}{{{{ end }}}}{{{{"));
        same(&format!("{{{{ if 1 }}}}{text}{{{{ else if 2 }}}}{text}{{{{ else }}}}{text}{{{{ end }}}}"));
    }
    let all: Vec<&str> = PLAIN.iter().chain(ODD).copied().collect();
    for text in &all {
        same(&format!("\n{{{{define \"x\"}}}}{text}"));
        same(&format!("{{{{define \"x\"}}}}1{{{{end}}}}{{{{define \"x\"}}}}{text}\n{{{{ bad"));
    }
    // Pieces of them in any order: mostly wrong, each in its own way.
    let pieces: Vec<&str> = all.iter().flat_map(|t| t.split_inclusive(' ')).collect();
    let mut state = 7_usize;
    for _ in 0..4000 {
        let mut text = "{{define \"x\"}}".to_owned();
        for _ in 0..state % 9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(state >> 33) % pieces.len()]);
        }
        state = state.wrapping_add(0x9E37_79B9) ^ (state >> 7);
        same(&text["{{define \"x\"}}".len()..]);
        text.push_str("{{end}}{{end}}");
        same(&text);
    }
}
