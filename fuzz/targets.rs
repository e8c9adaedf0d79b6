//! What is fuzzed. A room adds its targets here: a name, a corpus, a function that takes any bytes.

use retune::yaml::{self, Limits, emit, json};

use crate::Target;

/// All targets.
pub(crate) const ALL: &[Target] = &[
    Target { name: "read_v3", corpus: yaml_corpus, run: |input| read(input, yaml::read_v3) },
    Target { name: "read_v2", corpus: yaml_corpus, run: |input| read(input, yaml::read_v2_json_all) },
    Target { name: "emit", corpus: yaml_corpus, run: emit },
];

/// The documents and scalars of the YAML room's baselines.
pub(crate) fn yaml_corpus() -> Vec<Vec<u8>> {
    let field = |file: &str, name: &str| -> Vec<Vec<u8>> {
        let text = std::fs::read_to_string(format!("fixtures/yaml/{file}")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter_map(|case| case[name].as_str().map(|s| s.as_bytes().to_vec())).collect()
    };
    let mut corpus = field("documents.jsonl", "d");
    corpus.extend(field("scalars.jsonl", "s"));
    corpus.push(b"a: 1\n".to_vec());
    corpus
}

fn read(input: &[u8], reader: fn(&str, &Limits) -> Result<Vec<yaml::Node>, yaml::Error>) {
    let text = match yaml::decode_bytes(input) {
        Ok(text) => text.into_owned(),
        Err(_) => String::from_utf8_lossy(input).into_owned(),
    };
    match reader(&text, &Limits::default()) {
        Ok(nodes) => {
            for node in &nodes {
                let _ = emit::to_yaml(node);
                let _ = json::to_json(node, true);
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// What is printed must read as what it was.
fn emit(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let clean: String =
        text.chars().filter(|c| !matches!(c, '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')).collect();
    let entries = clean
        .split('\u{1}')
        .enumerate()
        .map(|(i, piece)| yaml::Entry {
            key: yaml::Node::str(format!("{i}{}", &piece.get(..3).unwrap_or(""))),
            value: yaml::Node::str(piece),
        })
        .collect();
    let node = yaml::Node::from(yaml::Value::Mapping(yaml::Mapping { entries }));
    let plain: Vec<String> = node
        .as_map()
        .map(|m| m.entries.iter().filter_map(|e| e.value.text().map(str::to_owned)).collect())
        .unwrap_or_default();
    // The tree was made by the program in plain style: only a leading tab with line breaks is refused.
    let Ok(printed) = emit::to_yaml(&node) else {
        assert!(plain.iter().any(|p| p.starts_with('\t')), "refused: {clean:?}");
        return;
    };
    let again = yaml::read_v2_json(&printed, &Limits::default()).expect("what was printed can be read");
    assert_eq!(json::to_json(&again, false), json::to_json(&node, false), "{printed:?}");
}
