//! `.helmignore`: which files of a chart's folder are not part of the chart.
//!
//! Not the rules of `.gitignore`: there is no `**`, the first match decides, and a `!` rule ignores everything that it
//! does **not** match. Upstream: `pkg/ignore` of Helm.

use crate::files::base_name;

use super::pathmatch::Pattern;

/// The file's name.
pub(super) const HELM_IGNORE: &str = ".helmignore";

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    negated: bool,
    dirs_only: bool,
    /// The pattern has a `/`: it is compared with the whole path, otherwise with the base name.
    whole: bool,
}

/// The rules of one chart.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    /// Reads a `.helmignore` file and adds the rule that every chart has: no dot files in `templates/`.
    ///
    /// # Errors
    /// The line's number and what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self::default();
        for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            rules.add(line).map_err(|e| format!("line {}: {line:?}: {e}", n + 1))?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let rule = line.trim();
        if rule.is_empty() || rule.starts_with('#') {
            return Ok(());
        }
        if rule.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        Pattern::new(rule).map_err(|e| e.to_string())?;
        let (negated, rule) = rule.strip_prefix('!').map_or((false, rule), |r| (true, r));
        let (dirs_only, rule) = rule.strip_suffix('/').map_or((false, rule), |r| (true, r));
        let whole = rule.contains('/');
        let pattern = Pattern::new(rule.strip_prefix('/').unwrap_or(rule)).map_err(|e| e.to_string())?;
        self.0.push(Rule { pattern, negated, dirs_only, whole });
        Ok(())
    }

    /// Whether the file or folder at that path (from the chart's folder) is left out.
    #[must_use]
    pub(super) fn ignores(&self, path: &str, is_dir: bool) -> bool {
        let base = base_name(path);
        for rule in &self.0 {
            let hit = || rule.pattern.matches(if rule.whole { path } else { base });
            if rule.negated {
                if rule.dirs_only && !is_dir || !hit() {
                    return true;
                }
            } else if (is_dir || !rule.dirs_only) && hit() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_match_base_names_or_whole_paths() {
        let rules = Rules::parse("# note\n*.swp\n/top.txt\ndocs/\na/*.md\n").unwrap();
        for (path, dir, expected) in [
            ("x/y.swp", false, true),
            ("top.txt", false, true),
            ("sub/top.txt", false, false),
            ("docs", true, true),
            ("docs", false, false),
            ("sub/docs", true, true),
            ("a/b.md", false, true),
            ("a/b/c.md", false, false),
            ("templates/.hidden", false, true),
            ("templates/x.yaml", false, false),
        ] {
            assert_eq!(rules.ignores(path, dir), expected, "{path}");
        }
    }

    #[test]
    fn a_negated_rule_leaves_out_what_it_does_not_match() {
        let rules = Rules::parse("!*.yaml\n").unwrap();
        assert!(rules.ignores("README.md", false));
        assert!(!rules.ignores("values.yaml", false));
    }

    #[test]
    fn a_double_star_is_refused_with_its_line() {
        assert_eq!(
            Rules::parse("a\n**/b\n").unwrap_err(),
            "line 2: \"**/b\": double-star (**) syntax is not supported"
        );
    }
}
