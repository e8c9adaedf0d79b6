//! Label selectors as `labelSelector` and `annotationSelector` hold them: `a=b,c!=d,e in (f,g),h,!i,j>1`.
//!
//! Follows apimachinery's grammar and its checks of keys and values.

use super::types::StringMap;

/// A parsed selector: all requirements must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Greater,
    Less,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Symbol(&'static str),
    Word(String),
    End,
    Bad(String),
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Symbol(s) => s,
            Self::Word(s) | Self::Bad(s) => s,
            Self::End => "",
        }
    }
}

const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", ">", "<", "(", ")", ","];

fn scan(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if rest.is_empty() {
            out.push(Token::End);
            return out;
        }
        if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            out.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
            continue;
        }
        let is_end = |c: char| "=!(),>< \t\r\n\0".contains(c);
        let end = rest.find(is_end).unwrap_or(rest.len());
        if end == 0 {
            out.push(Token::Bad(rest.to_owned()));
            out.push(Token::End);
            return out;
        }
        out.push(Token::Word(rest[..end].to_owned()));
        rest = &rest[end..];
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut out = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Symbol("!") => {
                    let requirement =
                        self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?;
                    out.push(requirement);
                    match self.next() {
                        Token::End => return Ok(out),
                        Token::Symbol(",") => match self.peek() {
                            Token::Word(_) | Token::Symbol("!") => {}
                            other => {
                                return Err(format!(
                                    "found '{}', expected: identifier after ','",
                                    other.text()
                                ));
                            }
                        },
                        other => {
                            return Err(format!(
                                "found '{}', expected: ',' or 'end of string'",
                                other.text()
                            ));
                        }
                    }
                }
                Token::End => return Ok(out),
                other => {
                    return Err(format!(
                        "found '{}', expected: !, identifier, or 'end of string'",
                        other.text()
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = matches!(self.peek(), Token::Symbol("!"));
        if negated {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        check_key(&key)?;
        if negated {
            return Ok(Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() });
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(Requirement { key, operator: Operator::Exists, values: Vec::new() });
        }
        let (operator, is_list) = match self.next() {
            Token::Symbol("=" | "==") => (Operator::In, false),
            Token::Symbol("!=") => (Operator::NotIn, false),
            Token::Symbol(">") => (Operator::Greater, false),
            Token::Symbol("<") => (Operator::Less, false),
            Token::Word(w) if w == "in" => (Operator::In, true),
            Token::Word(w) if w == "notin" => (Operator::NotIn, true),
            other => {
                return Err(format!("found '{}', expected: '=', '!=', '==', 'in', notin'", other.text()));
            }
        };
        let values = if is_list { self.list()? } else { vec![self.exact()?] };
        if matches!(operator, Operator::Greater | Operator::Less) && values[0].parse::<i64>().is_err() {
            return Err("for 'Gt', 'Lt' operators, the value must be an integer".to_owned());
        }
        for value in &values {
            check_value(&key, value)?;
        }
        Ok(Requirement { key, operator, values })
    }

    fn exact(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    /// `(a,b)`; empty places are empty values.
    fn list(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        let mut values = vec![];
        let mut is_value_due = true;
        loop {
            match self.next() {
                Token::Word(value) if is_value_due => {
                    values.push(value);
                    is_value_due = false;
                }
                Token::Symbol(",") => {
                    if is_value_due {
                        values.push(String::new());
                    }
                    is_value_due = true;
                }
                Token::Symbol(")") => {
                    if is_value_due {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                other => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
            }
        }
    }
}

fn is_name(text: &str, max: usize) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    text.len() <= max
        && edge(bytes.first().copied())
        && edge(bytes.last().copied())
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c))
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| {
            let edge = |c: Option<u8>| c.is_some_and(|c: u8| c.is_ascii_lowercase() || c.is_ascii_digit());
            let bytes = part.as_bytes();
            edge(bytes.first().copied())
                && edge(bytes.last().copied())
                && bytes.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == b'-')
        })
}

fn check_key(key: &str) -> Result<(), String> {
    let is_good = match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name, 63),
        None => is_name(key, 63),
    };
    if is_good { Ok(()) } else { Err(format!("invalid label key \"{key}\": must be a qualified name")) }
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    if value.is_empty() || is_name(value, 63) {
        Ok(())
    } else {
        Err(format!(
            "invalid label value: \"{value}\": at key: \"{key}\": at most 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
        ))
    }
}

impl LabelSelector {
    /// Parses; the empty text selects everything.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        Parser { tokens: scan(text), at: 0 }.requirements().map(Self)
    }

    /// Whether it selects everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels that it asks for.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|r| r.key.as_str())
    }

    /// Whether all requirements hold.
    #[must_use]
    pub fn matches(&self, labels: &StringMap) -> bool {
        self.0.iter().all(|r| {
            let own = labels.get(&r.key);
            let has = |value: &String| r.values.contains(value);
            let number = || Some((own?.parse::<i64>().ok()?, r.values.first()?.parse::<i64>().ok()?));
            match r.operator {
                Operator::In => own.is_some_and(has),
                Operator::NotIn => !own.is_some_and(has),
                Operator::Exists => own.is_some(),
                Operator::DoesNotExist => own.is_none(),
                Operator::Greater => number().is_some_and(|(own, bound)| own > bound),
                Operator::Less => number().is_some_and(|(own, bound)| own < bound),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_operator_selects_as_in_kubernetes() {
        let labels = [("app", "web"), ("n", "5")];
        for yes in [
            "",
            "app=web",
            "app==web",
            "app!=db",
            "app in (web,db)",
            "x notin (a)",
            "app",
            "!x",
            "n>4",
            "n<6,app",
            "x!=y",
        ] {
            assert!(selects(yes, &labels), "{yes}");
        }
        for no in ["app=db", "app!=web", "app notin (web)", "!app", "x", "n>5", "app=web,x", "app in ()"] {
            assert!(!selects(no, &labels), "{no}");
        }
    }

    #[test]
    fn malformed_selectors_are_refused() {
        for bad in ["a b", "=a", "a in b", "a,", "a>x", "-a", "a=b c", "A_/x", "a=-", "a in (b"] {
            assert!(LabelSelector::parse(bad).is_err(), "{bad}");
        }
    }
}
