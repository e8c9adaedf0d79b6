//! Globs of `.Files.Glob`, as the original's glob library reads them with `/` as the separator.
//!
//! `*` and `?` stop at `/`, `**` does not, `[abc]`, `[!abc]` and `[a-z]` are classes (which do match `/`), `{a,b}` are
//! alternatives, `\` escapes. Helm takes every file when the pattern does not compile; [`Glob::or_everything`] keeps that.

/// The most alternatives tried while one name is matched.
const MAX_STEPS: usize = 1_000_000;

#[derive(Debug, Clone)]
enum Node {
    Text(char),
    Single,
    Any,
    Super,
    List { chars: Vec<char>, negated: bool },
    Range { low: char, high: char, negated: bool },
    AnyOf(Vec<Vec<Node>>),
}

/// A compiled glob.
#[derive(Debug, Clone)]
pub(super) struct Glob(Vec<Node>);

impl Glob {
    /// Compiles a pattern; one that does not compile matches everything, as in Helm.
    #[must_use]
    pub(super) fn or_everything(pattern: &str) -> Self {
        Self::new(pattern).unwrap_or_else(|| Self(vec![Node::Super]))
    }

    /// Compiles a pattern; `None` if it is malformed.
    #[must_use]
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let chars: Vec<char> = pattern.chars().collect();
        // `open` holds, per unclosed `{`, the nodes before it and its finished alternatives.
        let mut open: Vec<(Vec<Node>, Vec<Vec<Node>>)> = Vec::new();
        let mut nodes = Vec::new();
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            at += 1;
            match c {
                '{' if open.len() < 64 => open.push((std::mem::take(&mut nodes), Vec::new())),
                '{' => return None,
                ',' if !open.is_empty() => {
                    let done = std::mem::take(&mut nodes);
                    open.last_mut()?.1.push(done);
                }
                '}' if !open.is_empty() => close(&mut open, &mut nodes)?,
                '[' => nodes.push(class(&chars, &mut at)?),
                '?' => nodes.push(Node::Single),
                '*' if chars.get(at) == Some(&'*') => {
                    at += 1;
                    nodes.push(Node::Super);
                }
                '*' => nodes.push(Node::Any),
                '\\' => {
                    if let Some(&c) = chars.get(at) {
                        at += 1;
                        nodes.push(Node::Text(c));
                    }
                }
                c => nodes.push(Node::Text(c)),
            }
        }
        while !open.is_empty() {
            close(&mut open, &mut nodes)?;
        }
        Some(Self(nodes))
    }

    /// Whether the glob matches the whole name.
    #[must_use]
    pub(super) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let nodes: Vec<&Node> = self.0.iter().collect();
        run(&nodes, &name, &mut 0)
    }
}

fn close(open: &mut Vec<(Vec<Node>, Vec<Vec<Node>>)>, nodes: &mut Vec<Node>) -> Option<()> {
    let (before, mut alternatives) = open.pop()?;
    alternatives.push(std::mem::replace(nodes, before));
    nodes.push(Node::AnyOf(alternatives));
    Some(())
}

/// After `[`: one list or one range, nothing combined.
fn class(chars: &[char], at: &mut usize) -> Option<Node> {
    let negated = chars.get(*at) == Some(&'!');
    *at += usize::from(negated);
    let low = *chars.get(*at)?;
    if chars.get(*at + 1) == Some(&'-') {
        let high = *chars.get(*at + 2)?;
        if chars.get(*at + 3) != Some(&']') || high < low {
            return None;
        }
        *at += 4;
        return Some(Node::Range { low, high, negated });
    }
    let mut list = Vec::new();
    loop {
        match *chars.get(*at)? {
            ']' => break,
            '\\' => {
                *at += 1;
                list.push(*chars.get(*at)?);
            }
            c => list.push(c),
        }
        *at += 1;
    }
    *at += 1;
    (!list.is_empty()).then_some(Node::List { chars: list, negated })
}

fn run(nodes: &[&Node], name: &[char], steps: &mut usize) -> bool {
    *steps += 1;
    if *steps > MAX_STEPS {
        return false;
    }
    let Some((first, rest)) = nodes.split_first() else { return name.is_empty() };
    let one = |ok: &dyn Fn(char) -> bool, steps: &mut usize| {
        name.split_first().is_some_and(|(c, tail)| ok(*c) && run(rest, tail, steps))
    };
    match first {
        Node::Text(t) => one(&|c| c == *t, steps),
        Node::Single => one(&|c| c != '/', steps),
        Node::List { chars, negated } => one(&|c| chars.contains(&c) != *negated, steps),
        Node::Range { low, high, negated } => one(&|c| (*low..=*high).contains(&c) != *negated, steps),
        Node::Any | Node::Super => {
            let stops = matches!(first, Node::Any);
            for taken in 0..=name.len() {
                if run(rest, &name[taken..], steps) {
                    return true;
                }
                if stops && name.get(taken) == Some(&'/') {
                    return false;
                }
            }
            false
        }
        Node::AnyOf(alternatives) => alternatives.iter().any(|alternative| {
            let whole: Vec<&Node> = alternative.iter().chain(rest.iter().copied()).collect();
            run(&whole, name, steps)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_names_with_slash_as_the_separator() {
        for (pattern, name, expected) in [
            ("conf/*", "conf/a.yaml", true),
            ("conf/*", "conf/x/a.yaml", false),
            ("conf/**", "conf/x/a.yaml", true),
            ("**.yaml", "conf/x/a.yaml", true),
            ("*.{yaml,yml}", "a.yml", true),
            ("{a,b/*}/c", "b/x/c", true),
            ("[ab].txt", "b.txt", true),
            ("[!ab].txt", "b.txt", false),
            ("[a-c].txt", "d.txt", false),
            ("a\\*b", "a*b", true),
            ("a?c", "a/c", false),
            ("a[!b]c", "a/c", true),
            ("", "", true),
        ] {
            assert_eq!(Glob::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_malformed_glob_takes_every_file() {
        assert!(Glob::new("[a-zA-Z]").is_none());
        assert!(Glob::new("[").is_none());
        assert!(Glob::or_everything("[a-zA-Z]").matches("any/thing"));
    }
}
