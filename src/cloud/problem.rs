//! What is wrong with a repository: where, what, and what to do. The loader and the renderer give several at once.

use std::fmt;

use serde::Serialize;

/// What sort of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// A file or folder that is needed is missing, unreadable or refused.
    File,
    /// Text that is not YAML.
    Syntax,
    /// A field that the kind does not have.
    UnknownField,
    /// A field that the kind needs and the file lacks.
    MissingField,
    /// A value of the wrong type.
    WrongType,
    /// A value outside of what is allowed.
    BadValue,
    /// The same key, name or object twice.
    Duplicate,
    /// `dependsOn` names nothing, or goes in a circle.
    Graph,
    /// The kustomization does not build.
    Kustomize,
    /// The chart does not render.
    Chart,
    /// A chart is not in `retune.lock`, or its bytes are others than the locked ones.
    Lock,
    /// A chart's repository does not answer now; trying again may help.
    Unreachable,
    /// A rendered document is not a Kubernetes object.
    Object,
    /// An object breaks a rule of `rules/`.
    Rule,
    /// A feature that retune does not offer.
    Unsupported,
    /// More, larger or deeper than retune accepts.
    Limit,
}

/// Whether a revision can be used in spite of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can; `retune check` reports it.
    Warning,
}

/// One thing that is wrong with a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The file, as a path in the repository.
    pub file: String,
    /// The line, from 1; 0 if the whole file is meant.
    pub line: u32,
    /// The column, from 1; 0 if the whole line is meant.
    pub column: u32,
    /// Whether the revision can be used in spite of it.
    pub severity: Severity,
    /// What sort of trouble it is.
    pub kind: ProblemKind,
    /// The app, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A revision that cannot be rendered has one or more of these.
pub type RenderError = Problem;

impl Problem {
    /// An error about a whole file.
    #[must_use]
    pub fn new(kind: ProblemKind, file: &str, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: 0,
            column: 0,
            severity: Severity::Error,
            kind,
            app: None,
            message: message.into(),
            hint: None,
        }
    }

    /// Names the place in the file.
    #[must_use]
    pub fn at(mut self, pos: crate::yaml::Pos) -> Self {
        (self.line, self.column) = (pos.line, pos.column);
        self
    }

    /// Names the line.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.line = line;
        self
    }

    /// Names the app.
    #[must_use]
    pub fn of_app(mut self, app: &str) -> Self {
        self.app = Some(app.to_owned());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes a warning of it.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// `file:line:column`, as far as known.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.line, self.column) {
            (0, _) => self.file.clone(),
            (line, 0) => format!("{}:{line}", self.file),
            (line, column) => format!("{}:{line}:{column}", self.file),
        }
    }
}

/// `apps/keystone.yaml:7:3: app keystone: unknown field "dependOn"; did you mean "dependsOn"?`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place())?;
        if let Some(app) = &self.app {
            write!(f, "app {app}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

/// The known word nearest to what was written, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= (word.len().max(written.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// Levenshtein's distance with swapped neighbours counted once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let known = ["dependsOn", "namespace", "profiles"];
        assert_eq!(nearest("dependOn", known), Some("dependsOn"));
        assert_eq!(nearest("depends_on", known), Some("dependsOn"));
        assert_eq!(nearest("namepsace", known), Some("namespace"));
        assert_eq!(nearest("replicas", known), None);
    }

    #[test]
    fn a_problem_reads_place_app_message_hint() {
        let problem = Problem::new(ProblemKind::UnknownField, "apps/a.yaml", "unknown field \"x\"")
            .at(crate::yaml::Pos { line: 7, column: 3 })
            .of_app("a")
            .hint("remove it");
        assert_eq!(problem.to_string(), "apps/a.yaml:7:3: app a: unknown field \"x\"; remove it");
    }
}
