//! What JSON Schema needs of `net/url`: references against a base, and whether a text is a URL.

use super::{Part, Url, escape, unescape};

/// What JSON Schema asks of a URL.
pub(crate) struct Checked {
    pub(crate) absolute: bool,
    pub(crate) hostname: String,
    /// The host as it is written, with port and brackets.
    pub(crate) host: String,
    /// The path as it is written, if escaping it anew would give something else; else empty.
    pub(crate) raw_path: String,
}

/// `url.Parse`.
///
/// # Errors
/// Go's text.
pub(crate) fn check(source: &str) -> Result<Checked, String> {
    let url = Url::parse(source)?;
    Ok(Checked {
        absolute: !url.scheme.is_empty(),
        hostname: url.hostname(),
        host: String::from_utf8_lossy(&url.host).into_owned(),
        raw_path: url.raw_path.unwrap_or_default(),
    })
}

/// `base.ResolveReference(reference)`; a base without slashes (`urn:`) keeps its opaque part.
///
/// # Errors
/// Go's text of what does not parse.
pub(crate) fn resolve(base: &str, reference: &str) -> Result<String, String> {
    let base = Url::parse(base)?;
    let mut url = Url::parse(reference)?;
    let relative = url.scheme.is_empty();
    let path = |u: &Url| u.raw_path.clone().unwrap_or_else(|| escape(&u.path, Part::Path));
    let set = |url: &mut Url, path: String| {
        url.path = unescape(&path, Part::Path).unwrap_or_else(|_| path.clone().into_bytes());
        url.raw_path = Some(path);
    };
    if !relative || !url.host.is_empty() || url.user.is_some() {
        if relative {
            url.scheme = base.scheme;
        }
        let own = path(&url);
        set(&mut url, resolve_path(&own, ""));
        return Ok(url.text());
    }
    url.scheme = base.scheme.clone();
    if url.path.is_empty() && !url.force_query && url.query.is_empty() {
        url.query = base.query.clone();
    }
    if base.opaque.is_empty() {
        let full = resolve_path(&path(&base), &path(&url));
        (url.host, url.user) = (base.host, base.user);
        set(&mut url, full);
    } else {
        url.opaque = base.opaque;
    }
    Ok(url.text())
}

/// A path against the path of its base, without `.` and `..`.
fn resolve_path(base: &str, reference: &str) -> String {
    let full = match reference.as_bytes().first() {
        None => base.to_owned(),
        Some(b'/') => reference.to_owned(),
        Some(_) => format!("{}{reference}", &base[..base.rfind('/').map_or(0, |at| at + 1)]),
    };
    if full.is_empty() {
        return full;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for element in full.strip_prefix('/').unwrap_or(&full).split('/') {
        last = element;
        match element {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(element),
        }
    }
    let slash = if matches!(last, "." | "..") && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_in_go() {
        let base = "file:///a/values.schema.json";
        for (reference, whole) in [
            ("", base),
            ("b.json", "file:///a/b.json"),
            ("../c", "file:///c"),
            ("/d?q", "file:///d?q"),
            ("https://h/x/./y/..", "https://h/x/"),
            ("urn:x:y", "urn:x:y"),
        ] {
            assert_eq!(resolve(base, reference).unwrap(), whole);
        }
        assert_eq!(resolve("urn:a:b", "").unwrap(), "urn:a:b");
    }
}
