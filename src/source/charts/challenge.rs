//! `WWW-Authenticate`: what a registry asks for (RFC 9110 §11.6.1, and the distribution project's token flow).

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password.
    Basic,
    /// A token of another service.
    Bearer {
        /// The service's URL.
        realm: String,
        /// What to name as service.
        service: Option<String>,
        /// What to name as scope.
        scope: Option<String>,
    },
}

/// The challenges of a header's value; schemes that are not known are left out.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut out = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',']).unwrap_or(rest.len());
        let scheme = &rest[..end];
        let (params, after) = params(rest[end..].trim_start());
        let param = |name: &str| {
            params.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
        };
        if scheme.eq_ignore_ascii_case("basic") {
            out.push(Challenge::Basic);
        } else if scheme.eq_ignore_ascii_case("bearer")
            && let Some(realm) = param("realm")
        {
            out.push(Challenge::Bearer { realm, service: param("service"), scope: param("scope") });
        }
        // What is no parameter is the next scheme; a text that makes no progress ends it.
        let next = after.trim_start_matches([' ', ',']);
        if next.len() >= rest.len() {
            break;
        }
        rest = next;
    }
    out
}

/// `a=b, c="d e"` up to the next scheme.
fn params(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut out = Vec::new();
    loop {
        let here = rest.trim_start_matches([' ', ',']);
        let name_end =
            here.find(|c: char| !(c.is_ascii_alphanumeric() || "-_".contains(c))).unwrap_or(here.len());
        let Some(value) = here[name_end..].strip_prefix('=').filter(|_| name_end > 0) else {
            return (out, rest);
        };
        let name = here[..name_end].to_owned();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let end = value.find([',', ' ']).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        out.push((name, value));
        rest = after;
    }
}

fn unquote(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (out, &text[at + 1..]),
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    (out, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn challenges_are_read_with_quotes_commas_and_several_in_one_header() {
        let cases = [
            (
                r#"Bearer realm="https://a/token",service="r",scope="repository:x:pull,push""#,
                vec![bearer("https://a/token", Some("r"), Some("repository:x:pull,push"))],
            ),
            (r#"basic realm="x""#, vec![Challenge::Basic]),
            (
                r#"Basic realm="x, y", Bearer realm=https://t , service=s"#,
                vec![Challenge::Basic, bearer("https://t", Some("s"), None)],
            ),
            (r#"Bearer realm="a\"b""#, vec![bearer("a\"b", None, None)]),
            ("Negotiate", vec![]),
            ("Bearer service=x", vec![]),
            ("", vec![]),
            ("=,= \"", vec![]),
        ];
        for (header, want) in cases {
            assert_eq!(parse(header), want, "{header}");
        }
    }
}
