//! Go's `path` and, on Linux the same, `path/filepath`.

use super::args::{B, Entry, S, fixed, text};

/// `path.Clean`.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// `path.Base`.
pub(super) fn base(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

fn dir(path: &str) -> String {
    clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

macro_rules! path_functions {
    ($($base:literal $clean:literal $dir:literal $ext:literal $abs:literal)*) => {
        &[$(
            ($base, fixed(&[S], S), |_, a| Ok(base(&text(&a[0])).into())),
            ($clean, fixed(&[S], S), |_, a| Ok(clean(&text(&a[0])).into())),
            ($dir, fixed(&[S], S), |_, a| Ok(dir(&text(&a[0])).into())),
            ($ext, fixed(&[S], S), |_, a| Ok(ext(&text(&a[0])).into())),
            ($abs, fixed(&[S], B), |_, a| Ok(text(&a[0]).starts_with('/').into())),
        )*]
    };
}

pub(super) const TABLE: &[Entry] = path_functions! {
    "base" "clean" "dir" "ext" "isAbs"
    "osBase" "osClean" "osDir" "osExt" "osIsAbs"
};
