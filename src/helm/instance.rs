//! A chart and its subcharts as one render sees them: dependencies selected, aliased, their values imported.
//!
//! The chart itself is not changed. Upstream: `pkg/chart/v2/util/dependencies.go`.

use std::cell::RefCell;
use std::rc::Rc;

use crate::template::semver::is_compatible;
use crate::template::{Map, Value};

use super::chart::Chart;
use super::coalesce::{self, Table, copy_table, new_table, table_at, value_at};
use super::metadata::{Dependency, Import};

/// A chart within a render.
pub(super) struct Instance<'c> {
    /// What was loaded.
    pub(super) chart: &'c Chart,
    /// Its name here: the alias if it has one.
    pub(super) name: String,
    /// Chart.yaml's dependencies as processing left them.
    pub(super) dependencies: Option<Vec<Dependency>>,
    /// The subcharts that take part.
    pub(super) children: Vec<Instance<'c>>,
    /// Default values that importing has changed.
    imported: Option<Table>,
    /// The chart's default values, as long as nobody else has this table.
    own: RefCell<Option<Table>>,
}

impl<'c> Instance<'c> {
    /// A chart with everything that is in `charts/`.
    fn new(chart: &'c Chart) -> Self {
        Self {
            chart,
            name: chart.metadata.name.clone(),
            dependencies: chart.metadata.dependencies.clone(),
            children: chart.dependencies.iter().map(Self::new).collect(),
            imported: None,
            own: RefCell::default(),
        }
    }

    /// A chart with the dependencies that the values enable.
    pub(super) fn process(
        chart: &'c Chart,
        values: &Table,
        warnings: &mut Vec<String>,
    ) -> Result<Self, String> {
        let mut root = Self::new(chart);
        root.enable(values, "", warnings)?;
        root.import(warnings)?;
        Ok(root)
    }

    /// A private copy of the chart's default values.
    pub(super) fn values(&self) -> Table {
        match &self.imported {
            Some(table) => copy_table(table),
            None => self.own.take().unwrap_or_else(|| self.chart.values.table()),
        }
    }

    /// Looks at the chart's default values.
    fn look<R>(&self, at: impl FnOnce(&Table) -> R) -> R {
        at(self.own.borrow_mut().get_or_insert_with(|| self.chart.values.table()))
    }

    fn enable(&mut self, values: &Table, path: &str, warnings: &mut Vec<String>) -> Result<(), String> {
        let Some(mut wanted) = self.dependencies.take() else { return Ok(()) };
        // What Chart.yaml does not name stays; what it names is taken once per entry.
        let mut selected: Vec<Self> = Vec::new();
        for chart in &self.chart.dependencies {
            let named =
                |d: &Dependency| d.name == chart.metadata.name && is_compatible(&d.version, chart.version());
            if !wanted.iter().any(named) {
                selected.push(Self::new(chart));
            }
        }
        for dependency in &mut wanted {
            let found = self.chart.dependencies.iter().find(|c| {
                c.metadata.name == dependency.name && is_compatible(&dependency.version, c.version())
            });
            if let Some(chart) = found {
                let mut child = Self::new(chart);
                if !dependency.alias.is_empty() {
                    child.name.clone_from(&dependency.alias);
                }
                selected.push(child);
            }
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
            dependency.enabled = true;
        }
        self.children = selected;
        if self.all_stay(&wanted, values) {
            self.children.iter_mut().for_each(|child| child.dependencies = None);
            self.dependencies = (!wanted.is_empty()).then_some(wanted);
            return Ok(());
        }
        let all = coalesce::coalesce_values(self, values, warnings)?;
        apply_tags(&mut wanted, &all, warnings);
        apply_conditions(&mut wanted, &all, path, warnings);
        self.children.retain(|c| !wanted.iter().any(|d| !d.enabled && d.name == c.name));
        wanted = {
            let off: Vec<String> = wanted.iter().filter(|d| !d.enabled).map(|d| d.name.clone()).collect();
            wanted.into_iter().filter(|d| !off.contains(&d.name)).collect()
        };
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.enable(&all, &path, warnings)?;
        }
        self.dependencies = (!wanted.is_empty()).then_some(wanted);
        Ok(())
    }

    /// Whether values have no say in which dependencies are taken, so that they need not be coalesced to know: no tags, no
    /// conditions, nothing below, and no subchart's values that would be refused.
    fn all_stay(&self, wanted: &[Dependency], values: &Table) -> bool {
        wanted.iter().all(|d| d.tags.is_empty() && d.condition.trim().is_empty())
            && self.children.iter().all(|child| {
                let own = self.look(|own| own.get(&child.name));
                child.chart.dependencies.is_empty()
                    && child.chart.metadata.dependencies.as_ref().is_none_or(Vec::is_empty)
                    && own.is_none_or(|v| v.as_map().is_some())
                    && values.get(&child.name).is_none_or(|v| v.as_map().is_some())
            })
    }

    /// Whether importing would leave nothing that coalescing does not bring anyway: no imports, and below it no values, no
    /// globals.
    fn imports_nothing(&self, dependencies: &[Dependency]) -> bool {
        let own = |name: &str| self.look(|own| own.contains(name));
        dependencies.iter().all(|d| d.import_values.is_empty())
            && !own("global")
            && self.children.iter().all(|child| {
                child.look(|own| own.is_empty())
                    && child.imported.is_none()
                    && child.children.is_empty()
                    && child.name != "global"
                    && !own(&child.name)
            })
    }

    fn import(&mut self, warnings: &mut Vec<String>) -> Result<(), String> {
        for child in &mut self.children {
            child.import(warnings)?;
        }
        let Some(dependencies) = &self.dependencies else { return Ok(()) };
        if self.imports_nothing(dependencies) {
            return Ok(());
        }
        // The same clashes are reported again when the values are coalesced for the templates.
        let mut again = Vec::new();
        let all = coalesce::merge_values(self, &new_table(), &mut again)?;
        let imports = new_table();
        for dependency in dependencies {
            for import in &dependency.import_values {
                let (child, parent) = match import {
                    Import::Export(name) => (format!("exports.{name}"), "."),
                    Import::Table { child, parent } => (child.clone(), &**parent),
                };
                match table_at(&all, &format!("{}.{child}", dependency.name)) {
                    Some(table) => coalesce::merge_tables(&imports, &nested(parent, table), &mut again),
                    None => warnings.push(format!(
                        "ImportValues missing table from chart {}: {child:?} is not a table",
                        dependency.name
                    )),
                }
            }
        }
        let all = copy_table(&all);
        coalesce::merge_tables(&all, &imports, &mut again);
        self.imported = Some(all);
        Ok(())
    }
}

/// The table under a dotted path of new tables; `.` is the table itself.
fn nested(path: &str, table: Table) -> Table {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, key| {
        let entries = std::iter::once((Rc::from(key), Value::Map(inner))).collect();
        Rc::new(Map::new(crate::template::Type::DICT, entries))
    })
}

fn apply_tags(dependencies: &mut [Dependency], values: &Table, warnings: &mut Vec<String>) {
    let Some(tags) = table_at(values, "tags") else { return };
    for dependency in dependencies {
        let (mut on, mut off) = (false, false);
        for tag in &dependency.tags {
            match tags.get(tag) {
                Some(Value::Bool(true)) => on = true,
                Some(Value::Bool(false)) => off = true,
                Some(_) => {
                    warnings.push(format!("returned non-bool value: tag {tag}, chart {}", dependency.name))
                }
                None => {}
            }
        }
        dependency.enabled = on || !off;
    }
}

fn apply_conditions(dependencies: &mut [Dependency], values: &Table, path: &str, warnings: &mut Vec<String>) {
    for dependency in dependencies {
        for condition in dependency.condition.trim().split(',').filter(|c| !c.is_empty()) {
            match value_at(values, &format!("{path}{condition}")) {
                Some(Value::Bool(enabled)) => {
                    dependency.enabled = enabled;
                    break;
                }
                Some(_) => warnings
                    .push(format!("returned non-bool value: path {condition}, chart {}", dependency.name)),
                None => {}
            }
        }
    }
}
