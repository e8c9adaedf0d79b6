use super::*;

fn say(schema: &str, values: &str) -> String {
    let values = json::parse(values.as_bytes()).unwrap();
    check_one(schema.as_bytes(), &values).err().unwrap_or_default()
}

#[test]
fn hostile_schemas_end() {
    // Doubles its work at each level.
    let mut members: Vec<String> = (0..40)
        .map(|i| {
            format!(
                r##""d{i}": {{"allOf": [{{"$ref": "#/$defs/d{0}"}}, {{"$ref": "#/$defs/d{0}"}}]}}"##,
                i + 1
            )
        })
        .collect();
    members.push(r#""d40": {"type": "object"}"#.to_owned());
    let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/d0"}}"##, members.join(","));
    assert!(say(&schema, "{}").contains("given up"));
    // A chain that is as long as the document.
    let mut chain: Vec<String> =
        (0..3_000).map(|i| format!(r##""d{i}": {{"$ref": "#/$defs/d{}"}}"##, i + 1)).collect();
    chain.push(r#""d3000": true"#.to_owned());
    let schema = format!(r##"{{"$defs": {{{}}}, "$ref": "#/$defs/d0"}}"##, chain.join(","));
    assert!(say(&schema, "{}").contains("given up"));
    let deep = format!("{}true{}", r#"{"not":"#.repeat(450), "}".repeat(450));
    assert_eq!(say(&deep, "{}"), "");
    assert_eq!(say(&"[".repeat(200_000), "{}"), "exceeded max depth");
}

#[test]
fn a_reference_that_leads_back_to_itself_is_told() {
    let said = say(
        r##"{"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}"##,
        "{}",
    );
    assert!(said.contains("causing reference cycle"), "{said}");
}

#[test]
fn nothing_is_fetched_and_unknown_names_accept_anything() {
    let said = say(r#"{"$ref": "https://example.test/x.json"}"#, "{}");
    assert!(said.starts_with("failing loading \"https://example.test/x.json\": "), "{said}");
    assert!(say(r#"{"$ref": "other.json"}"#, "{}").starts_with("failing loading \"file:///other.json\": "));
    assert_eq!(say(r#"{"$ref": "urn:nobody:knows"}"#, r#"{"a": 1}"#), "");
    assert_eq!(
        say(r#"{"$ref": "ftp://h/x"}"#, "{}"),
        "failing loading \"ftp://h/x\": no URLLoader registered for \"ftp://h/x\""
    );
}

#[test]
fn numbers_are_exact_and_whole_floats_whole() {
    let schema = r#"{"properties": {"a": {"multipleOf": 0.1}, "b": {"type": "integer"}, "c": {"const": 1}}}"#;
    assert_eq!(say(schema, r#"{"a": 0.3, "b": 1e3, "c": 1.0}"#), "");
    assert_eq!(say(schema, r#"{"a": 0.35}"#), "- at '/a': multipleOf: got 0.35, want 0.1\n");
}
