//! The `dependsOn` graph: unknown names, circles, and the order in which apps stand.

use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphError {
    /// `app` depends on a name that no app has.
    Unknown {
        /// Who depends.
        app: String,
        /// On what.
        name: String,
    },
    /// The apps of a circle in `dependsOn` order; the first is repeated at the end.
    Cycle(Vec<String>),
}

/// Orders apps so that each stands after everything it depends on, else by name.
///
/// # Errors
/// Every unknown name, and one circle per knot of apps.
pub fn order(apps: &BTreeMap<String, Vec<String>>) -> Result<Vec<String>, Vec<GraphError>> {
    let mut errors = Vec::new();
    for (app, needs) in apps {
        for name in needs.iter().filter(|n| !apps.contains_key(*n)) {
            errors.push(GraphError::Unknown { app: app.clone(), name: name.clone() });
        }
    }
    let mut waiting: BTreeMap<&str, BTreeSet<&str>> = apps
        .iter()
        .map(|(app, needs)| {
            let known = needs.iter().filter(|n| apps.contains_key(*n)).map(String::as_str).collect();
            (app.as_str(), known)
        })
        .collect();
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (app, needs) in &waiting {
        for need in needs {
            users.entry(need).or_default().push(app);
        }
    }
    let mut ready: BTreeSet<&str> = waiting.iter().filter(|(_, n)| n.is_empty()).map(|(a, _)| *a).collect();
    let mut out = Vec::with_capacity(apps.len());
    while let Some(app) = ready.pop_first() {
        waiting.remove(app);
        out.push(app.to_owned());
        for user in users.get(app).into_iter().flatten() {
            if let Some(needs) = waiting.get_mut(user) {
                needs.remove(app);
                if needs.is_empty() {
                    ready.insert(user);
                }
            }
        }
    }
    while let Some(cycle) = find_cycle(&waiting) {
        for app in &cycle {
            waiting.remove(app.as_str());
        }
        let left: BTreeSet<&str> = waiting.keys().copied().collect();
        waiting.values_mut().for_each(|needs| needs.retain(|n| left.contains(n)));
        errors.push(GraphError::Cycle(cycle));
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

/// Follows first dependencies until an app comes up again.
fn find_cycle(waiting: &BTreeMap<&str, BTreeSet<&str>>) -> Option<Vec<String>> {
    for start in waiting.keys() {
        let mut way: Vec<&str> = vec![start];
        while let Some(next) = way.last().and_then(|app| waiting.get(app)).and_then(|needs| needs.first()) {
            if let Some(at) = way.iter().position(|app| app == next) {
                let mut cycle: Vec<String> = way[at..].iter().map(|a| (*a).to_owned()).collect();
                cycle.push((*next).to_owned());
                return Some(cycle);
            }
            way.push(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        edges
            .iter()
            .map(|(app, needs)| ((*app).to_owned(), needs.iter().map(|n| (*n).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn apps_stand_after_what_they_need_and_else_by_name() {
        let apps = graph(&[("a", &["z"]), ("b", &[]), ("z", &["m"]), ("m", &[])]);
        assert_eq!(order(&apps).unwrap(), ["b", "m", "z", "a"]);
    }

    #[test]
    fn a_circle_is_told_with_its_whole_path() {
        let apps = graph(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &["d"])]);
        let cycle = |names: &[&str]| GraphError::Cycle(names.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(order(&apps).unwrap_err(), [cycle(&["b", "c", "b"]), cycle(&["d", "d"])]);
    }

    #[test]
    fn unknown_names_are_all_told() {
        let apps = graph(&[("a", &["x", "y"])]);
        assert_eq!(order(&apps).unwrap_err().len(), 2);
    }
}
