//! Templates that never end, nest too deeply or grow too large are stopped with an error, not by a crash.

use std::rc::Rc;

use retune::template::{Exec, Limits, Set, Value};

use super::functions;

fn run(text: &str, limits: Limits) -> Result<String, String> {
    let mut set = Set::new(Rc::new(functions::helm())).with_name("case");
    let template = set.parse("case", text).map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    Exec::new(set, limits, functions::host())
        .run_template(&template, Value::dict([("a", Value::int(1))]), &mut out)
        .map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn small() -> Limits {
    Limits { depth: 500, steps: 100_000, text: 1 << 20 }
}

fn assert_stops(text: &str, limits: Limits, because: &str) {
    let error = run(text, limits).expect_err("it is stopped");
    assert!(error.contains(because), "{}", &error[error.len().saturating_sub(300)..]);
}

#[test]
fn a_template_that_calls_itself_is_stopped_at_the_depth_limit() {
    let text = r#"{{define "x"}}{{template "x" .}}{{end}}{{template "x" .}}"#;
    assert_stops(text, small(), "exceeded maximum template depth (500)");
    assert_stops(text, Limits::default(), "exceeded maximum template depth (100000)");
}

#[test]
fn an_include_of_itself_is_stopped_at_the_depth_limit() {
    let text =
        r#"{{define "x"}}{{if .}}{{range list 1}}{{include "x" $}}{{end}}{{end}}{{end}}{{include "x" .}}"#;
    assert_stops(text, small(), "exceeded maximum template depth (500)");
    assert_stops(
        text,
        Limits { depth: 20_000, ..Limits::default() },
        "exceeded maximum template depth (20000)",
    );
}

#[test]
fn a_loop_that_never_ends_is_stopped_at_the_step_limit() {
    assert_stops("{{range 100000000000}}x{{end}}", small(), "does not seem to end");
    assert_stops("{{range 1000}}{{range 1000}}{{$.a}}{{end}}{{end}}", small(), "does not seem to end");
}

#[test]
fn text_that_doubles_without_end_is_stopped_at_the_text_limit() {
    let text = r#"{{$x := "0123456789"}}{{range 60}}{{$x = print $x $x}}{{end}}"#;
    let limits = Limits { text: 1 << 20, ..Limits::default() };
    assert_stops(text, limits, "larger than the limit");
    assert_stops(r#"{{range 1000}}{{printf "%1000000d" 1}}{{end}}"#, limits, "larger than the limit");
    assert_stops(r#"{{printf "%999999d%999999d" 1 2}}"#, limits, "larger than the limit");
}

#[test]
fn a_map_that_contains_itself_is_not_printed_without_end() {
    let text = r#"{{$d := dict}}{{$_ := set $d "self" $d}}{{$d}}"#;
    assert_stops(text, Limits::default(), "nested too deeply");
}

#[test]
fn actions_and_parentheses_may_be_nested_thousands_deep() {
    let deep = 5000;
    let text = format!("{}x{}", "{{if .a}}".repeat(deep), "{{end}}".repeat(deep));
    assert_eq!(run(&text, Limits::default()).as_deref(), Ok("x"));
    let text = format!("{{{{{}1{}}}}}", "(".repeat(deep), ")".repeat(deep));
    assert_eq!(run(&text, Limits::default()).as_deref(), Ok("1"));
    let text = format!("{}x{}", "{{if .a}}".repeat(30_000), "{{end}}".repeat(30_000));
    assert_stops(&text, Limits::default(), "nested more than");
    let text = format!("{{{{{}1{}}}}}", "(".repeat(10_001), ")".repeat(10_001));
    assert_stops(&text, Limits::default(), "max expression depth exceeded");
}

#[test]
fn a_value_nested_a_million_deep_is_freed_without_a_crash() {
    let text = "{{$x := list}}{{range 1000000}}{{$x = list $x}}{{end}}{{len $x}}";
    assert_eq!(run(text, Limits::default()).as_deref(), Ok("1"));
}
