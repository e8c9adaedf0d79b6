//! The rooms keep their promises: pure rooms do no I/O, `kube` stays in `cluster`, imports follow DESIGN §6's arrows.
//!
//! Read from the source text: comments, strings and `#[cfg(test)]` modules do not count.

use std::path::{Path, PathBuf};

use regex::Regex;

/// Rooms that take data and return data.
const PURE: [&str; 9] =
    ["files", "goregex", "yaml", "template", "helm", "kustomize", "cloud", "plan", "health"];

/// What a pure room must not name.
const IMPURE: &[&str] = &[
    r"\btokio\b",
    r"\bkube::",
    r"\bk8s_openapi\b",
    r"\bgit2\b",
    r"\bureq\b",
    r"\bstd::(fs|net|env|process)\b",
    r"\bstd::\{[^}]*\b(fs|net|env|process)\b",
    r"\bstd::io::(stdin|stdout|stderr)\b",
    r"\bSystemTime\b",
    r"\bInstant\b",
    r"\bprintln!|\beprintln!|\bprint!|\beprint!",
];

/// For each room, the rooms that it may import; itself is understood.
const ARROWS: &[(&str, &[&str])] = &[
    ("files", &[]),
    ("goregex", &[]),
    ("yaml", &["files"]),
    ("template", &["yaml", "files", "goregex"]),
    ("helm", &["template", "yaml", "files", "goregex"]),
    ("kustomize", &["helm", "template", "yaml", "files", "goregex"]),
    ("cloud", &["kustomize", "helm", "template", "yaml", "files"]),
    ("plan", &["cloud", "yaml", "files"]),
    ("health", &["cloud", "yaml", "files"]),
    ("source", &["cloud", "helm", "kustomize", "yaml", "files"]),
    ("cluster", &["plan", "health", "cloud", "yaml", "files"]),
    ("ledger", &["cluster", "plan", "health", "cloud", "yaml", "files"]),
    ("apply", &["cluster", "plan", "health", "cloud", "yaml", "files"]),
    (
        "sync",
        &[
            "apply",
            "ledger",
            "cluster",
            "source",
            "plan",
            "health",
            "cloud",
            "kustomize",
            "helm",
            "template",
            "yaml",
            "files",
        ],
    ),
];

fn source(room: &str) -> Vec<PathBuf> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut folders = vec![src.join(room)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs")
                && path.file_name().is_some_and(|n| n != "tests.rs")
            {
                files.push(path);
            }
        }
    }
    let single = src.join(format!("{room}.rs"));
    if single.exists() {
        files.push(single);
    }
    assert!(!files.is_empty(), "no source for the room {room}");
    files
}

/// The code of a file: comments and the insides of strings blanked (lines stay where they are), test modules cut out.
fn code(text: &str) -> String {
    let tokens = Regex::new(
        r##"(?xs) //[^\n]* | /\*.*?\*/ | r\#\#".*?"\#\# | r\#".*?"\# | r"[^"]*" | "(?:\\.|[^"\\])*" | '(?:\\[^u]|\\u\{[^}]*\}|[^'\\])' "##,
    )
    .expect("a valid pattern");
    let blanked = tokens.replace_all(text, |found: &regex::Captures<'_>| {
        found[0].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect::<String>()
    });
    without_test_modules(&blanked)
}

fn without_test_modules(text: &str) -> String {
    let head = Regex::new(r"#\[cfg\(test\)\]\s*(#\[[^\]]*\]\s*)*(pub(\([a-z]+\))?\s+)?mod\s+\w+\s*\{")
        .expect("a valid pattern");
    let mut kept = String::new();
    let mut rest = text;
    while let Some(found) = head.find(rest) {
        kept.push_str(&rest[..found.start()]);
        let mut depth = 1;
        let mut end = found.end();
        for (at, c) in rest[found.end()..].char_indices() {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            if depth == 0 {
                end = found.end() + at + 1;
                break;
            }
        }
        kept.extend(rest[found.start()..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// `file:line: what` for each match.
fn findings(
    rooms: impl IntoIterator<Item = &'static str>,
    pattern: &Regex,
    wanted: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let mut all = Vec::new();
    for room in rooms {
        for path in source(room) {
            let text = code(&std::fs::read_to_string(&path).expect("sources are UTF-8"));
            for found in pattern.find_iter(&text) {
                if wanted(room, found.as_str()) {
                    let line = text[..found.start()].matches('\n').count() + 1;
                    all.push(format!("{}:{line}: {}", path.display(), found.as_str().trim()));
                }
            }
        }
    }
    all
}

#[test]
fn pure_rooms_name_nothing_that_does_io_or_tells_the_time() {
    let pattern = Regex::new(&IMPURE.join("|")).expect("valid patterns");
    let found = findings(PURE, &pattern, |_, _| true);
    assert!(found.is_empty(), "pure rooms take data and return data:\n{}", found.join("\n"));
}

#[test]
fn kube_stays_inside_the_cluster_room() {
    let pattern = Regex::new(r"\bkube::|\bk8s_openapi\b").expect("a valid pattern");
    let rooms = ["source", "apply", "ledger", "sync", "cli", "server"];
    let found = findings(rooms, &pattern, |_, _| true);
    assert!(found.is_empty(), "only `cluster` knows kube:\n{}", found.join("\n"));
}

#[test]
fn rooms_import_along_the_arrows_only() {
    let rooms: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).chain(["cli", "server"]).collect();
    let pattern = Regex::new(&format!(r"\bcrate::({})\b", rooms.join("|"))).expect("a valid pattern");
    let found = findings(ARROWS.iter().map(|(room, _)| *room), &pattern, |room, import| {
        let target = import.trim_start_matches("crate::");
        let allowed = ARROWS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        target != room && !allowed.contains(&target)
    });
    assert!(found.is_empty(), "not along an arrow of DESIGN §6:\n{}", found.join("\n"));
}

#[test]
fn the_reader_of_sources_sees_code_and_nothing_else() {
    let text = "use std::fs;\n// std::fs\nlet s = \"std::env\"; let c = '\"';\n#[cfg(test)]\nmod tests { fn f() { std::net::x() } }\nInstant";
    let seen = code(text);
    assert!(seen.contains("use std::fs;") && seen.contains("Instant"));
    assert!(!seen.contains("std::env") && !seen.contains("std::net"));
    assert_eq!(seen.matches('\n').count(), text.matches('\n').count(), "lines stay where they are");
}
