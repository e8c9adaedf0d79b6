//! A billion-laughs file is refused at once, with its place, wherever YAML comes in. (kustomize v5.8.1 expands such a
//! resource until memory is full; helm v4.3.1 refuses it without a place.)

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use retune::yaml::{Limits, read_v2, read_v3};

/// Unoptimised builds, and other tests at the same time; alone it takes under a millisecond.
const BOUND: Duration = Duration::from_millis(500);

/// Nine levels of nine aliases: 387 million texts.
fn bomb() -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\na: &a [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n",
    );
    for (lower, name) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        let _ = writeln!(text, "{name}: &{name} [{}]", vec![format!("*{lower}"); 9].join(","));
    }
    text
}

#[test]
fn both_readers_refuse_a_bomb_at_once_and_name_the_line() {
    let text = bomb();
    let v2 = |text: &str| read_v2(text, &Limits::default()).map(|_| ());
    let v3 = |text: &str| read_v3(text, &Limits::default()).map(|_| ());
    for (name, read) in [("v2", &v2 as &dyn Fn(&str) -> Result<(), retune::yaml::Error>), ("v3", &v3)] {
        let begun = Instant::now();
        let error = read(&text).unwrap_err();
        assert!(begun.elapsed() < BOUND, "{name} took {:?}", begun.elapsed());
        assert!((5..=9).contains(&error.pos.line), "{name}: {error:?}");
        assert!(error.to_string().contains("excessive aliasing"), "{name}: {error}");
    }
}

#[test]
fn a_bomb_below_the_ratio_of_aliases_is_stopped_by_the_limit_on_nodes() {
    // Much plain text beside it, so that go-yaml's own rule does not see it soon.
    let text = format!("plain: [{}]\n{}", "a,".repeat(150_000), bomb());
    for read in [read_v2 as fn(&str, &Limits) -> _, read_v3] {
        let begun = Instant::now();
        assert!(read(&text, &Limits::default()).is_err());
        assert!(begun.elapsed() < 10 * BOUND, "{:?}", begun.elapsed());
    }
}

#[test]
fn the_commands_refuse_a_bomb_at_once_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("resource/kustomization.yaml", "resources:\n- bomb.yaml\n");
    write("resource/bomb.yaml", &bomb());
    write("itself/kustomization.yaml", bomb().split_once("{name: x}\n").unwrap().1);
    write("patch/kustomization.yaml", "resources:\n- a.yaml\npatches:\n- path: bomb.yaml\n");
    write("patch/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    write("patch/bomb.yaml", &bomb());
    write("chart/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    write("chart/templates/a.yaml", "a: b\n");
    write("bomb.yaml", &bomb());
    write("bombed/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    write("bombed/values.yaml", &bomb());
    for (arguments, place) in [
        (&["kustomize", "build", "resource"][..], "resource/bomb.yaml:"),
        (&["kustomize", "build", "itself"], "itself/kustomization.yaml:"),
        (&["kustomize", "build", "patch"], "patch/bomb.yaml:"),
        (&["helm", "template", "chart", "-f", "bomb.yaml"], "bomb.yaml"),
        (&["helm", "template", "bombed"], "values.yaml"),
    ] {
        let begun = Instant::now();
        let out = Command::new(env!("CARGO_BIN_EXE_retune"))
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap();
        let took = begun.elapsed();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(took < 2 * BOUND, "{arguments:?} took {took:?}");
        let (_, after) =
            stderr.split_once(place).unwrap_or_else(|| panic!("{arguments:?} names no {place}: {stderr}"));
        let has_line = after.starts_with(|c: char| c.is_ascii_digit()) || after.contains("line ");
        assert!(has_line && stderr.contains("excessive aliasing"), "{arguments:?}: {stderr}");
    }
}
