//! `retune helm template`: the drop-in for Helm's command of that name, without child processes and without a cluster.
//!
//! Charts are read from disk as Helm reads them: symbolic links are followed wherever they lead. `--repo`, `oci://` references and URLs of
//! packages are fetched as Helm fetches them; names of `helm repo add` (`repo/chart`) are not known here.

use std::fs;
use std::io::{IoSlice, Read as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Subcommand;

use crate::helm::{self, Chart, KubeVersion, OutputOptions, Randomness, ReleaseOptions, ValueFlags};
use crate::source::whole;

use super::helm_folder::Folder;
use super::{CommandError, Exit, Ui, helm_files};

/// Arguments of `retune helm`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Render a chart's templates and print them, as `helm template` does.
    Template(Box<Template>),
}

#[derive(Debug, clap::Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  retune helm template keystone ./charts/keystone -n openstack -f values.yaml
  retune helm template keystone keystone --repo https://charts.example.org --version 2026.1.8
  retune helm template keystone oci://registry.example.org/charts/keystone --version ^2026.1"
)]
struct Template {
    /// The release's name and the chart, or the chart alone: a folder, a packaged chart (.tgz), with --repo a name, an oci:// reference or a
    /// package's URL.
    #[arg(required = true, num_args = 1..=2, value_names = ["NAME", "CHART"])]
    name_and_chart: Vec<String>,
    /// The release's namespace.
    #[arg(short, long, default_value = "default", env = "HELM_NAMESPACE")]
    namespace: String,
    /// Values in a YAML file; - is stdin.
    #[arg(short = 'f', long = "values", value_name = "FILE", value_delimiter = ',')]
    values: Vec<String>,
    /// Values on the command line: key1=val1,key2=val2.
    #[arg(long, value_name = "VALUES", allow_hyphen_values = true)]
    set: Vec<String>,
    /// The same, always as text.
    #[arg(long, value_name = "VALUES", allow_hyphen_values = true)]
    set_string: Vec<String>,
    /// The same, the values being paths of files with the text.
    #[arg(long, value_name = "VALUES")]
    set_file: Vec<String>,
    /// The same, the values being JSON.
    #[arg(long, value_name = "VALUES")]
    set_json: Vec<String>,
    /// One key and its text, taken as it is.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    set_literal: Vec<String>,
    /// Print only what these templates gave (paths without the chart's name; * and ? allowed).
    #[arg(short, long, value_name = "TEMPLATE")]
    show_only: Vec<String>,
    /// Write each template's documents to a file in this folder instead of printing them.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<String>,
    /// Put the files into a folder with the release's name in --output-dir.
    #[arg(long)]
    release_name: bool,
    /// Print the files of crds/ too.
    #[arg(long)]
    include_crds: bool,
    /// Leave out test hooks.
    #[arg(long)]
    skip_tests: bool,
    /// Leave out all hooks.
    #[arg(long)]
    no_hooks: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall.
    #[arg(long)]
    is_upgrade: bool,
    /// The Kubernetes version in .Capabilities.
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// More API versions in .Capabilities.
    #[arg(short, long, value_name = "VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// A template of the release's name.
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Accepted as in Helm; without a name the release is called release-name.
    #[arg(short, long)]
    generate_name: bool,
    /// Do not check values.schema.json.
    #[arg(long)]
    skip_schema_validation: bool,
    /// Accepted as in Helm: template never installs CRDs.
    #[arg(long)]
    skip_crds: bool,
    #[cfg(feature = "syncer")]
    #[command(flatten)]
    remote: Remote,
}

/// Charts from elsewhere.
#[cfg(feature = "syncer")]
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Charts from repositories")]
struct Remote {
    /// The URL of the chart's repository.
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    /// The chart's version, or a range. If left out: the newest release.
    #[arg(long, default_value = "", value_name = "VERSION", hide_default_value = true)]
    version: String,
    /// The user's name.
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The password.
    #[arg(long, value_name = "WORD", requires = "username")]
    password: Option<String>,
    /// Send the credentials to other hosts that the repository's index names, too.
    #[arg(long)]
    pass_credentials: bool,
    /// Speak to an OCI registry without TLS.
    #[arg(long)]
    plain_http: bool,
    /// A PEM file of certificates to trust besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Helm's repositories.yaml, for credentials by URL.
    #[arg(long, value_name = "FILE", env = "HELM_REPOSITORY_CONFIG")]
    repository_config: Option<PathBuf>,
    /// Helm's registry/config.json.
    #[arg(long, value_name = "FILE", env = "HELM_REGISTRY_CONFIG")]
    registry_config: Option<PathBuf>,
}

#[cfg(feature = "syncer")]
impl Remote {
    /// The package, if the reference is not a local path.
    fn pull(&self, reference: &str) -> Result<Option<Vec<u8>>, CommandError> {
        use crate::source::charts::{Settings, Store};
        use crate::source::git::Credentials;
        let is_url = ["oci://", "https://", "http://"].iter().any(|s| reference.starts_with(s));
        if self.repo.is_none() && !is_url {
            return Ok(None);
        }
        let store = Store::new(Settings {
            cache_dir: super::charts::cache_dir(None)?,
            repository_config: self.repository_config.clone(),
            registry_config: self.registry_config.clone(),
            ca_file: self.ca_file.clone(),
            ..Settings::default()
        })
        .map_err(super::charts::failed)?;
        let password = self.password.as_deref().unwrap_or_default();
        let credentials = self.username.as_deref().map(|user| Credentials::basic(user, password));
        let package = store
            .pull(
                self.repo.as_deref(),
                reference,
                self.version.trim(),
                credentials,
                self.plain_http,
                self.pass_credentials,
            )
            .map_err(super::charts::failed)?;
        Ok(Some(package.bytes))
    }
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Command::Template(args) = args.command;
    template(*args, ui).map_err(|e| e.with_code(1))
}

fn template(args: Template, ui: &mut Ui) -> Result<Exit, CommandError> {
    let (randomness, now) = randomness_and_now()?;
    let (name, chart) = match args.name_and_chart.as_slice() {
        [name, chart] => {
            if args.generate_name {
                return Err(CommandError::cli("cannot set --generate-name and also specify a name"));
            }
            if args.name_template.is_some() {
                return Err(CommandError::cli("cannot set --name-template and also specify a name"));
            }
            (name.clone(), chart)
        }
        [chart, ..] => match &args.name_template {
            Some(text) => {
                (helm::name_from_template(text, &randomness, now).map_err(CommandError::user)?, chart)
            }
            None => ("release-name".to_owned(), chart),
        },
        [] => return Err(CommandError::cli("name a chart")),
    };
    let chart_path = chart.trim().to_owned();
    #[cfg(feature = "syncer")]
    let pulled = args.remote.pull(&chart_path)?;
    #[cfg(not(feature = "syncer"))]
    let pulled: Option<Vec<u8>> = None;
    if pulled.is_none() && !Path::new(&chart_path).exists() {
        return Err(remote(&chart_path));
    }
    let flags = ValueFlags {
        files: args.values.iter().map(|p| Ok((p.clone(), text(p)?))).collect::<Result<_, CommandError>>()?,
        json: args.set_json,
        set: args.set,
        set_string: args.set_string,
        set_file: args.set_file,
        set_literal: args.set_literal,
    };
    let read = |path: &str| text(path).map_err(|e| e.error.to_string());
    let values = flags.merge(&read).map_err(CommandError::user)?;
    let chart = match pulled {
        Some(bytes) => Chart::load_archive(&bytes)
            .map_err(|e| CommandError::user(format!("{chart_path}: the package: {e}")))?,
        None => load(&chart_path)?,
    };
    let kube_version = match &args.kube_version {
        Some(text) => KubeVersion::parse(text).map_err(CommandError::user)?,
        None => KubeVersion::default(),
    };
    let options = ReleaseOptions {
        is_upgrade: args.is_upgrade,
        kube_version,
        api_versions: args.api_versions,
        skip_schema_validation: args.skip_schema_validation,
        randomness,
        now,
        ..ReleaseOptions::new(name, args.namespace)
    };
    helm::end_of_process();
    let release = helm::render(&chart, &options, &values).map_err(CommandError::user)?;
    for warning in &release.warnings {
        ui.warn(warning)?;
    }
    let output = OutputOptions {
        include_crds: args.include_crds,
        skip_tests: args.skip_tests,
        no_hooks: args.no_hooks,
        show_only: args.show_only,
    };
    if let Some(dir) = args.output_dir.as_deref().filter(|dir| !dir.is_empty()) {
        helm_files::Target { dir, release_name: args.release_name }.write(&release, &output, ui)?;
        // Nothing is left that --show-only could find.
        return match output.show_only.first() {
            Some(pattern) => Err(CommandError::user(format!("could not find template {pattern} in chart"))),
            None => Ok(Exit::Success),
        };
    }
    if output.show_only.is_empty() {
        write_all(ui, &release.template_output(&output))?;
    } else {
        let printed = release.to_template_output(&output).map_err(CommandError::user)?;
        ui.out().write_all(printed.as_bytes())?;
    }
    // Taking everything apart would only cost time.
    std::mem::forget((chart, release, values));
    Ok(Exit::Success)
}

/// Writes pieces of text without putting them together first.
fn write_all(ui: &mut Ui, pieces: &[&str]) -> std::io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece.as_bytes())).collect();
    let mut left = &mut slices[..];
    while !left.is_empty() {
        match ui.out().write_vectored(left) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

fn load(path: &str) -> Result<Chart, CommandError> {
    let root = PathBuf::from(path);
    if root.is_dir() {
        let chart = Chart::load(&Folder { root }, "");
        whole::give_back();
        return chart.map_err(|e| CommandError::user(format!("chart {path:?}: {e}")));
    }
    let bytes = fs::read(&root).map_err(|e| CommandError::user(format!("{path}: {e}")))?;
    Chart::load_archive(&bytes).map_err(|e| CommandError::user(format!("{path}: {e}")))
}

fn remote(reference: &str) -> CommandError {
    let hint = "name a chart's folder or a .tgz file, give --repo URL, or write oci://...";
    if reference.contains("://") {
        return CommandError::user(format!("{reference}: charts are not fetched by this command")).hint(hint);
    }
    CommandError::user(format!("path {reference:?} not found")).hint(hint)
}

fn text(path: &str) -> Result<String, CommandError> {
    if path.contains("://") {
        return Err(CommandError::user(format!("{path}: values are read from local files only")));
    }
    let mut bytes = Vec::new();
    if path.trim() == "-" {
        std::io::stdin().read_to_end(&mut bytes)?;
    } else {
        bytes = fs::read(path).map_err(|e| CommandError::user(format!("{path}: {e}")))?;
    }
    String::from_utf8(bytes).map_err(|e| CommandError::user(format!("{path}: not UTF-8: {e}")))
}

/// New random numbers and the time, for templates that ask for them.
pub(super) fn randomness_and_now() -> Result<(Randomness, (i64, u32)), CommandError> {
    let mut entropy = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut entropy))
        .map_err(|e| CommandError::internal(format!("/dev/urandom: {e}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(CommandError::internal)?;
    let now = (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos());
    Ok((Randomness::Random { entropy }, now))
}
