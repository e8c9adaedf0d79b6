//! All of a release: values, schema, templates, manifests and hooks; and the text that `helm template` prints.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use crate::template::semver::is_compatible;
use crate::template::{Exec, Limits, Registry, Set, Value, sprig};

use super::capabilities::{self, KubeVersion};
use super::chart::{Chart, is_crd_file};
use super::coalesce::{self, table_from_json};
use super::engine::{self, Shared};
use super::error::Error;
use super::funcs;
use super::instance::Instance;
use super::manifest::{self, Hook, HookEvent, Manifest};
use super::pathmatch::Pattern;
use super::schema;

/// Where random text and the time come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Randomness {
    /// As Helm: new at each render.
    Random {
        /// 32 bytes from the operating system.
        entropy: [u8; 32],
    },
    /// Derived from a secret and from where each call stands: the same inputs give the same bytes.
    Stable {
        /// The secret.
        seed: [u8; 32],
        /// What tells clouds with one secret apart; the release's namespace and name are added to it.
        scope: String,
    },
}

/// What a render needs to know besides chart and values.
#[derive(Debug, Clone)]
pub struct ReleaseOptions {
    /// `.Release.Name`
    pub name: String,
    /// `.Release.Namespace`; not written into manifests.
    pub namespace: String,
    /// `.Release.Revision`
    pub revision: i64,
    /// `.Release.IsUpgrade`; `.Release.IsInstall` is the opposite.
    pub is_upgrade: bool,
    /// `.Capabilities.KubeVersion`
    pub kube_version: KubeVersion,
    /// API versions on top of Helm's own list.
    pub api_versions: Vec<String>,
    /// Leaves values.schema.json alone.
    pub skip_schema_validation: bool,
    /// Whether the notes of subcharts are added to the chart's.
    pub subchart_notes: bool,
    /// Random functions.
    pub randomness: Randomness,
    /// What `now` gives: seconds and nanoseconds since 1970.
    pub now: (i64, u32),
    /// When templates are stopped.
    pub limits: Limits,
}

impl ReleaseOptions {
    /// An installation with Helm's defaults, random text derived from nothing but the names: for tests and previews.
    #[must_use]
    pub fn new(name: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            namespace: namespace.into(),
            revision: 1,
            is_upgrade: false,
            kube_version: KubeVersion::default(),
            api_versions: Vec::new(),
            skip_schema_validation: false,
            subchart_notes: false,
            randomness: Randomness::Stable { seed: [0; 32], scope: String::new() },
            now: (0, 0),
            limits: Limits::default(),
        }
    }
}

/// A file of a chart's `crds/`, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// `chart/crds/foo.yaml`
    pub source: String,
    /// The file's text; it may hold several documents.
    pub text: String,
}

/// A rendered chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// What is applied, in install order.
    pub manifests: Vec<Manifest>,
    /// What runs at points of the release's life, in kind order.
    pub hooks: Vec<Hook>,
    /// The files of `crds/` of the chart and its subcharts.
    pub crds: Vec<Crd>,
    /// NOTES.txt, rendered.
    pub notes: String,
    /// What Helm would have logged.
    pub warnings: Vec<String>,
    /// Whether a template asked for the time: then another time may give another render.
    pub asked_time: bool,
}

/// What of a release `helm template` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// `--include-crds`
    pub include_crds: bool,
    /// `--skip-tests`
    pub skip_tests: bool,
    /// `--no-hooks`
    pub no_hooks: bool,
    /// `--show-only`: patterns of template paths without the chart's name.
    pub show_only: Vec<String>,
}

/// Renders a chart.
///
/// # Errors
/// Everything that makes `helm template` fail, from a missing dependency to a manifest that is no YAML.
pub fn render(chart: &Chart, options: &ReleaseOptions, values: &Map<String, Json>) -> Result<Release, Error> {
    if chart.metadata.is_library() {
        return Err(Error::Chart(format!("{} charts are not installable", chart.metadata.kind)));
    }
    let missing = chart.missing_dependencies();
    if !missing.is_empty() {
        return Err(Error::MissingDependencies(missing));
    }
    if !is_release_name(&options.name) {
        return Err(Error::ReleaseName(options.name.clone()));
    }
    let mut warnings = chart.all_warnings();
    if chart.metadata.deprecated {
        warnings.push("this chart is deprecated".to_owned());
    }
    let user = table_from_json(values);
    let root = Instance::process(chart, &user, &mut Vec::new()).map_err(Error::Dependencies)?;
    let all = coalesce::coalesce_values(&root, &user, &mut warnings).map_err(Error::Values)?;
    if !options.skip_schema_validation {
        schema::validate(&root, &all)?;
    }
    let wanted = &chart.metadata.kube_version;
    if !wanted.is_empty() && !is_compatible(wanted, &options.kube_version.normalized) {
        return Err(Error::KubeVersion {
            constraint: wanted.clone(),
            version: options.kube_version.version.clone(),
        });
    }
    let shared = Shared {
        release: Value::dict([
            ("Name", Value::str(&*options.name)),
            ("Namespace", Value::str(&*options.namespace)),
            ("IsUpgrade", Value::Bool(options.is_upgrade)),
            ("IsInstall", Value::Bool(!options.is_upgrade)),
            ("Revision", Value::int(options.revision)),
            ("Service", Value::str("Helm")),
        ]),
        capabilities: capabilities::value(&options.kube_version, &options.api_versions),
    };
    let release = format!("{}/{}", options.namespace, options.name);
    let host = host(&options.randomness, options.now, &release);
    let asked_time = Rc::clone(&host.asked_time);
    let mut files = engine::run(&root, &all, &shared, host, options.limits)?;
    let notes = take_notes(&mut files, &root.name, options.subchart_notes);
    let (manifests, hooks) = manifest::sort(files, &mut warnings)?;
    let mut crds = Vec::new();
    collect_crds(&root, &root.name, &mut crds);
    funcs::leave_at_end((root, user, all, shared));
    Ok(Release {
        name: options.name.clone(),
        namespace: options.namespace.clone(),
        manifests,
        hooks,
        crds,
        notes,
        warnings,
        asked_time: asked_time.get(),
    })
}

fn host(randomness: &Randomness, now: (i64, u32), release: &str) -> sprig::Host {
    let randomness = match randomness {
        Randomness::Random { entropy } => sprig::Randomness::Random { entropy: *entropy },
        Randomness::Stable { seed, scope } => {
            sprig::Randomness::Stable { seed: *seed, release: Rc::from(format!("{scope}/{release}")) }
        }
    };
    sprig::Host::new(randomness, now, Rc::new(funcs::State::default()))
}

/// A release's name from `--name-template`.
///
/// # Errors
/// The text is not a template, or it fails.
pub fn name_from_template(text: &str, randomness: &Randomness, now: (i64, u32)) -> Result<String, Error> {
    const NAME: &str = "name-template";
    let mut registry = Registry::new();
    sprig::register(&mut registry);
    let mut set = Set::new(Rc::new(registry));
    set.parse(NAME, text).map_err(|e| Error::Template(e.to_string()))?;
    let host = Rc::new(host(randomness, now, NAME));
    let mut out = Vec::new();
    Exec::new(set, Limits::default(), host)
        .run(NAME, Value::Nil, &mut out)
        .map_err(|e| Error::Template(e.to_string()))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A DNS subdomain of at most 53 characters.
fn is_release_name(name: &str) -> bool {
    let label = |l: &str| {
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(l.bytes().next())
            && edge(l.bytes().last())
            && l.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    name.len() <= 53 && name.split('.').all(label)
}

fn take_notes(files: &mut BTreeMap<String, String>, chart: &str, subcharts: bool) -> String {
    let own = format!("{chart}/templates/NOTES.txt");
    let mut notes = String::new();
    files.retain(|path, text| {
        let is_notes = path.ends_with("NOTES.txt");
        if is_notes && (subcharts || *path == own) {
            if !notes.is_empty() {
                notes.push('\n');
            }
            notes.push_str(text);
        }
        !is_notes
    });
    notes
}

fn collect_crds(chart: &Instance<'_>, path: &str, out: &mut Vec<Crd>) {
    for file in chart.chart.files.iter().filter(|f| is_crd_file(&f.name)) {
        let text = String::from_utf8_lossy(&file.data).into_owned();
        out.push(Crd { source: format!("{path}/{}", file.name), text });
    }
    for child in &chart.children {
        collect_crds(child, &format!("{path}/charts/{}", child.name), out);
    }
}

impl Release {
    /// The manifests as Helm keeps them for a release, without hooks and CRDs: what the file `all.yaml` of a kustomization is.
    #[must_use]
    pub fn manifest_without_hooks(&self) -> String {
        let mut out = String::new();
        for m in &self.manifests {
            document(&mut out, &m.source, &m.text);
        }
        out
    }

    /// The pieces of what `helm template` prints, `show_only` left aside.
    #[must_use]
    pub fn template_output(&self, options: &OutputOptions) -> Vec<&str> {
        let mut out =
            Vec::with_capacity(PIECES * (self.crds.len() + self.manifests.len() + self.hooks.len()) + 1);
        if options.include_crds {
            self.crds.iter().for_each(|crd| document(&mut out, &crd.source, &crd.text));
        }
        self.manifests.iter().for_each(|m| document(&mut out, &m.source, &m.text));
        // No white space at the end; at the beginning there is none.
        while let Some(last) = out.pop() {
            let last = last.trim_end();
            if !last.is_empty() {
                out.push(last);
                break;
            }
        }
        out.push("\n");
        if !options.no_hooks {
            for hook in &self.hooks {
                if !(options.skip_tests && hook.events.contains(&HookEvent::Test)) {
                    document(&mut out, &hook.source, &hook.text);
                }
            }
        }
        out
    }

    /// What `helm template` prints.
    ///
    /// # Errors
    /// `show_only` names a template that gave nothing.
    pub fn to_template_output(&self, options: &OutputOptions) -> Result<String, Error> {
        let out = self.template_output(options).concat();
        if options.show_only.is_empty() { Ok(out) } else { show_only(&out, &options.show_only) }
    }
}

/// The pieces of a document.
const PIECES: usize = 5;

fn document<'r>(out: &mut impl Extend<&'r str>, source: &'r str, text: &'r str) {
    out.extend(["---\n# Source: ", source, "\n", text, "\n"]);
}

/// The documents whose `# Source:` matches, in the order of the patterns.
fn show_only(text: &str, patterns: &[String]) -> Result<String, Error> {
    let documents: Vec<(&str, &str)> =
        manifest::split(text).into_iter().filter_map(|doc| Some((source_of(doc)?, doc))).collect();
    let mut out = String::new();
    for pattern in patterns {
        let compiled = Pattern::new(pattern).map_err(|_| Error::ShowOnly(pattern.clone()))?;
        let mut missing = true;
        for (_, doc) in documents.iter().filter(|(source, _)| compiled.matches(source)) {
            let _ = writeln!(out, "---\n{doc}");
            missing = false;
        }
        if missing {
            return Err(Error::ShowOnly(pattern.clone()));
        }
    }
    Ok(out)
}

/// The path after the chart's name in the first `# Source: CHART/PATH`.
fn source_of(doc: &str) -> Option<&str> {
    const MARK: &str = "# Source: ";
    let mut rest = doc;
    loop {
        rest = &rest[rest.find(MARK)? + MARK.len()..];
        let end = rest.find('\n').unwrap_or(rest.len());
        if let Some((chart, path)) = rest[..end].split_once('/')
            && !chart.is_empty()
            && !path.is_empty()
        {
            return Some(path);
        }
    }
}
