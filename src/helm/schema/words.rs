//! What Helm's validator says of a violation, and how the tree of violations is laid out.

use std::fmt::Write as _;

use crate::template::strconv;

use super::json::Json;

/// One violation, or a keyword that failed because of others.
#[derive(Debug, Default)]
pub(super) struct Failure {
    /// JSON pointer into the values.
    pub(super) at: String,
    pub(super) kind: Kind,
    pub(super) causes: Vec<Failure>,
}

/// What was violated, kept as messages need it.
#[derive(Debug, Default)]
pub(super) enum Kind {
    #[default]
    Group,
    Schema(String),
    Reference,
    /// The schema that refers to itself, and the two ways that led to it.
    RefCycle(Box<(String, String, String)>),
    False,
    Type {
        got: &'static str,
        want: Vec<&'static str>,
    },
    Enum(Vec<Json>),
    Const(Json),
    Format {
        got: String,
        want: &'static str,
        why: String,
    },
    /// `minLength` and its like: what was counted, what was asked for.
    Count(&'static str, usize, usize),
    /// `minimum` and its like.
    Bound(&'static str, f64, f64),
    Required(Vec<String>),
    Dependent {
        property: String,
        missing: Vec<String>,
    },
    Additional(Vec<String>),
    AdditionalItems(usize),
    PropertyName(String),
    Unique(usize, usize),
    Contains,
    MinContains(Vec<usize>, usize),
    MaxContains(Vec<usize>, usize),
    Pattern {
        got: String,
        want: String,
    },
    Not,
    AllOf,
    AnyOf,
    OneOf(Option<(usize, usize)>),
}

/// A text in single quotes, its odd characters escaped as in Go.
pub(super) fn quote(text: &str) -> String {
    let quoted = strconv::quote(text.as_bytes()).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

fn quoted(texts: &[String]) -> String {
    texts.iter().map(|t| quote(t)).collect::<Vec<_>>().join(", ")
}

/// A value without parts, as `enum` and `const` show it.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "<nil>".to_owned(),
        Json::Bool(b) => b.to_string(),
        Json::Number(n) => n.text.clone(),
        Json::String(s) => quote(s),
        Json::Array(_) | Json::Object(_) => "value".to_owned(),
    }
}

fn is_simple(value: &Json) -> bool {
    !matches!(value, Json::Array(_) | Json::Object(_))
}

/// Digits in groups of three: messages are in English.
fn grouped(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn count(n: usize) -> String {
    grouped(&n.to_string())
}

/// A float64 in English: `70,000`, `0.25`, `1.5×10²¹`.
fn float(f: f64) -> String {
    if f == 0.0 {
        return "0".to_owned();
    }
    if !f.is_finite() {
        return if f > 0.0 { "∞" } else { "-∞" }.to_owned();
    }
    let scientific = format!("{:e}", f.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or(0);
    let mut out = String::from(if f < 0.0 { "-" } else { "" });
    if !(-4..6).contains(&power) {
        let _ = write!(out, "{mantissa}×10");
        out.push_str(if power < 0 { "⁻" } else { "" });
        let digits = format!("{:02}", power.abs());
        out.extend(digits.bytes().filter_map(|b| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(usize::from(b - b'0'))));
        return out;
    }
    let plain = format!("{}", f.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    out.push_str(&grouped(whole));
    if !fraction.is_empty() {
        let _ = write!(out, ".{fraction}");
    }
    out
}

fn listed(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

impl Kind {
    fn text(&self) -> String {
        match self {
            Self::Group | Self::Reference => "validation failed".to_owned(),
            Self::Schema(url) => format!("jsonschema validation failed with {}", quote(url)),
            Self::RefCycle(cycle) => {
                let (url, first, second) = &**cycle;
                let url = strconv::quote(url.as_bytes());
                format!("both {first} and {second} resolve to {url} causing reference cycle")
            }
            Self::False => "false schema".to_owned(),
            Self::Type { got, want } => format!("got {got}, want {}", want.join(" or ")),
            Self::Enum(want) if !want.iter().all(is_simple) => "'enum' failed".to_owned(),
            Self::Enum(want) => {
                let values = want.iter().map(shown).collect::<Vec<_>>().join(", ");
                format!("value must be {}{values}", if want.len() == 1 { "" } else { "one of " })
            }
            Self::Const(want) if !is_simple(want) => "'const' failed".to_owned(),
            Self::Const(want) => format!("value must be {}", shown(want)),
            Self::Format { got, want, why } => format!("{} is not valid {want}: {why}", quote(got)),
            Self::Count(keyword, got, want) => {
                format!("{keyword}: got {}, want {}", count(*got), count(*want))
            }
            Self::Bound(keyword, got, want) => {
                format!("{keyword}: got {}, want {}", float(*got), float(*want))
            }
            Self::Required(missing) if missing.len() == 1 => format!("missing property {}", quoted(missing)),
            Self::Required(missing) => format!("missing properties {}", quoted(missing)),
            Self::Dependent { property, missing } => {
                format!("properties {} required, if {} exists", quoted(missing), quote(property))
            }
            Self::Additional(names) => format!("additional properties {} not allowed", quoted(names)),
            Self::AdditionalItems(n) => format!("last {} additionalItem(s) not allowed", count(*n)),
            Self::PropertyName(name) => format!("invalid propertyName {}", quote(name)),
            Self::Unique(i, j) => format!("items at {} and {} are equal", count(*i), count(*j)),
            Self::Contains => "no items match contains schema".to_owned(),
            Self::MinContains(got, want) if got.is_empty() => {
                format!("min {} items required to match contains schema, but none matched", count(*want))
            }
            Self::MinContains(got, want) => Self::contained("min", got, *want),
            Self::MaxContains(got, want) => Self::contained("max", got, *want),
            Self::Pattern { got, want } => format!("{} does not match pattern {}", quote(got), quote(want)),
            Self::Not => "'not' failed".to_owned(),
            Self::AllOf => "'allOf' failed".to_owned(),
            Self::AnyOf => "'anyOf' failed".to_owned(),
            Self::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
            Self::OneOf(Some((i, j))) => {
                format!("'oneOf' failed, subschemas {}, {} matched", count(*i), count(*j))
            }
        }
    }

    fn contained(which: &str, got: &[usize], want: usize) -> String {
        format!(
            "{which} {} items required to match contains schema, but matched {} items at {}",
            count(want),
            count(got.len()),
            listed(got)
        )
    }
}

impl Failure {
    /// The whole tree: one line a failure, indented by two for each level below the second. A reference with one
    /// cause is not shown, only its cause.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let skipped = self.causes.len() == 1 && matches!(self.kind, Kind::Reference);
        if !skipped {
            if indent > 0 {
                out.push('\n');
                out.push_str(&"  ".repeat(indent - 1));
                out.push_str("- ");
            }
            if !matches!(self.kind, Kind::Schema(_)) {
                let _ = write!(out, "at {}: ", quote(&self.at));
            }
            out.push_str(&self.kind.text());
        }
        let indent = indent + usize::from(!skipped);
        for cause in &self.causes {
            crate::template::stack::roomy(|| cause.write(out, indent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_in_english() {
        for (f, shown) in [
            (0.1, "0.1"),
            (70_000.0, "70,000"),
            (999_999.0, "999,999"),
            (1e6, "1×10⁰⁶"),
            (1_234_567.0, "1.234567×10⁰⁶"),
            (-1234.5, "-1,234.5"),
            (0.0001, "0.0001"),
            (1e-5, "1×10⁻⁰⁵"),
            (1e300, "1×10³⁰⁰"),
        ] {
            assert_eq!(float(f), shown);
        }
    }

    #[test]
    fn quotes_are_single() {
        assert_eq!(quote("a\"b'c\n"), r#"'a"b\'c\n'"#);
    }
}
