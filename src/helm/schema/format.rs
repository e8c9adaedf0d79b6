//! `format`: the formats Helm's validator knows, and what it says of a text that is none.

use core::net::Ipv6Addr;

use crate::goregex;
use crate::template::{sprig, strconv};

use super::{address, times};

type Check = fn(&str) -> Result<(), String>;

/// A known format.
#[derive(Clone, Copy)]
pub(super) struct Format(&'static (&'static str, Check));

const FORMATS: &[(&str, Check)] = &[
    ("regex", |s| goregex::shared(s).map(drop)),
    ("json-pointer", json_pointer),
    ("relative-json-pointer", relative_json_pointer),
    ("uuid", uuid),
    ("duration", times::duration),
    ("period", times::period),
    ("ipv4", ipv4),
    ("ipv6", ipv6),
    ("hostname", hostname),
    ("email", email),
    ("date", |s| sprig::date_fault(s).map_or(Ok(()), Err)),
    ("time", times::time),
    ("date-time", times::date_time),
    ("uri", uri),
    ("iri", uri),
    ("uri-reference", uri_reference),
    ("iri-reference", uri_reference),
    ("uri-template", uri_template),
    ("semver", semver),
];

impl Format {
    /// A format by its name; others hold for everything.
    pub(super) fn named(name: &str) -> Option<Self> {
        FORMATS.iter().find(|(known, _)| *known == name).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        self.0.0
    }

    /// # Errors
    /// What is wrong with the text.
    pub(super) fn check(self, text: &str) -> Result<(), String> {
        self.0.1(text)
    }
}

pub(super) fn fail<T>(why: impl Into<String>) -> Result<T, String> {
    Err(why.into())
}

pub(super) fn odd(c: char) -> String {
    strconv::quote_rune(u64::from(u32::from(c)), false)
}

/// Go's `strconv.Atoi`.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let why = if whole { "value out of range" } else { "invalid syntax" };
    let parsed = text.parse().ok().filter(|_| whole);
    parsed.ok_or_else(|| format!("strconv.Atoi: parsing {}: {why}", strconv::quote(text.as_bytes())))
}

pub(super) fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn json_pointer(s: &str) -> Result<(), String> {
    if s.is_empty() {
        return Ok(());
    }
    if !s.starts_with('/') {
        return fail("not starting with /");
    }
    for token in s.split('/').skip(1) {
        if token.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1'])) {
            return fail("~ must be followed by 0 or 1");
        }
    }
    Ok(())
}

fn relative_json_pointer(s: &str) -> Result<(), String> {
    let digits = leading_digits(s);
    if digits == 0 {
        return fail("must start with non-negative integer");
    }
    if digits > 1 && s.starts_with('0') {
        return fail("starts with zero");
    }
    if &s[digits..] == "#" { Ok(()) } else { json_pointer(&s[digits..]) }
}

fn uuid(s: &str) -> Result<(), String> {
    let lengths = [8, 4, 4, 4, 12];
    if s.split('-').count() != lengths.len() {
        return fail("must have 5 elements");
    }
    for (i, (group, length)) in s.split('-').zip(lengths).enumerate() {
        if group.len() != length {
            return fail(format!("element {} must be {length} characters long", i + 1));
        }
        if let Some(c) = group.chars().find(|c| !c.is_ascii_hexdigit()) {
            return fail(format!("non-hex character {}", odd(c)));
        }
    }
    Ok(())
}

fn ipv4(s: &str) -> Result<(), String> {
    if s.split('.').count() != 4 {
        return fail("expected four decimals");
    }
    for group in s.split('.') {
        if group.len() > 1 && group.starts_with('0') {
            return fail("leading zeros");
        }
        if !(0..=255).contains(&integer(group)?) {
            return fail("decimal must be between 0 and 255");
        }
    }
    Ok(())
}

fn ipv6(s: &str) -> Result<(), String> {
    if !s.contains(':') {
        return fail("missing colon");
    }
    if let Some((address, zone)) = s.split_once('%')
        && !zone.is_empty()
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return fail("zone id is not a part of ipv6 address");
    }
    match s.parse::<Ipv6Addr>() {
        Ok(_) => Ok(()),
        Err(_) => fail(format!("ParseAddr({}): unable to parse IP", strconv::quote(s.as_bytes()))),
    }
}

fn hostname(s: &str) -> Result<(), String> {
    let s = s.strip_suffix('.').unwrap_or(s);
    if s.len() > 253 {
        return fail("more than 253 characters long");
    }
    for label in s.split('.') {
        if label.is_empty() || label.len() > 63 {
            return fail("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return fail("label starts with hyphen");
        }
        if label.ends_with('-') {
            return fail("label ends with hyphen");
        }
        if let Some(c) = label.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-')) {
            return fail(format!("invalid character {}", odd(c)));
        }
    }
    Ok(())
}

fn email(s: &str) -> Result<(), String> {
    if s.len() > 254 {
        return fail("more than 255 characters long");
    }
    let Some((local, domain)) = s.rsplit_once('@') else { return fail("missing @") };
    if local.len() > 64 {
        return fail("local part more than 64 characters long");
    }
    if local.len() > 1 && local.starts_with('"') && local.ends_with('"') {
        if local[1..local.len() - 1].contains(['\\', '"']) {
            return fail("backslash and quote are not allowed within quoted local part");
        }
    } else {
        if local.starts_with('.') {
            return fail("starts with dot");
        }
        if local.ends_with('.') {
            return fail("ends with dot");
        }
        if local.contains("..") {
            return fail("consecutive dots");
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(*c);
        if let Some(c) = local.chars().find(|c| !allowed(c)) {
            return fail(format!("invalid character {}", odd(c)));
        }
    }
    match domain.strip_prefix('[').and_then(|d| d.strip_suffix(']')) {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => ipv6(address).map_err(|e| format!("invalid ipv6 address: {e}")),
            None => ipv4(address).map_err(|e| format!("invalid ipv4 address: {e}")),
        },
        None => hostname(domain).map_err(|e| format!("invalid domain: {e}")),
    }
}

fn url(s: &str) -> Result<sprig::CheckedUrl, String> {
    let url = sprig::check_url(s)?;
    if url.hostname.contains(':') {
        if !url.host.contains('[') || !url.host.contains(']') {
            return fail("ipv6 address not enclosed in brackets");
        }
        ipv6(&url.hostname).map_err(|e| format!("invalid ipv6 address: {e}"))?;
    }
    Ok(url)
}

fn uri(s: &str) -> Result<(), String> {
    if url(s)?.absolute { Ok(()) } else { fail("relative url") }
}

fn uri_reference(s: &str) -> Result<(), String> {
    if s.contains('\\') {
        return fail("contains \\");
    }
    url(s).map(drop)
}

fn uri_template(s: &str) -> Result<(), String> {
    for token in url(s)?.raw_path.split('/') {
        let token = address::decode(token).map_err(|e| format!("percent decode failed: {e}"))?;
        let mut open = false;
        for brace in token.chars().filter(|c| matches!(c, '{' | '}')) {
            if open == (brace == '{') {
                return fail("nested curly braces");
            }
            open = !open;
        }
        if open {
            return fail("no matching closing brace");
        }
    }
    Ok(())
}

fn semver(s: &str) -> Result<(), String> {
    let letter = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let (s, build) = s.split_once('+').map_or((s, None), |(s, build)| (s, Some(build)));
    if build == Some("") {
        return fail("build is empty");
    }
    for part in build.iter().flat_map(|build| build.split('.')) {
        if part.is_empty() {
            return fail("build identifier is empty");
        }
        if let Some(c) = part.chars().find(|c| !letter(c)) {
            return fail(format!("invalid character {} in build identifier", odd(c)));
        }
    }
    let (s, release) = s.split_once('-').map_or((s, None), |(s, release)| (s, Some(release)));
    for part in release.iter().flat_map(|release| release.split('.')) {
        if part.is_empty() {
            return fail("pre-release identifier is empty");
        }
        if let Some(c) = part.chars().find(|c| !letter(c)) {
            return fail(format!("invalid character {} in pre-release identifier", odd(c)));
        }
        if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
            return fail("pre-release numeric identifier starts with zero");
        }
    }
    if s.split('.').count() != 3 {
        return fail("versionCore must have 3 numbers separated by dot");
    }
    for (part, name) in s.split('.').zip(["major", "minor", "patch"]) {
        if part.is_empty() {
            return fail(format!("{name} is empty"));
        }
        if part.len() > 1 && part.starts_with('0') {
            return fail(format!("{name} starts with zero"));
        }
        if part.bytes().any(|b| !b.is_ascii_digit()) {
            return fail(format!("{name} contains non-digit"));
        }
    }
    Ok(())
}
