//! `retune kustomize build [DIR]`: prints what `kustomize build` of v5.8.1 prints, with its flags.
//!
//! Flags that only concern external programs and containers are accepted and said to be without effect, because scripts
//! pass them; a kustomization that would run one is an error of the build.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{CommandError, ErrorKind, Exit, Ui};
use crate::cloud::inflation::NativeHelm;
use crate::helm::Randomness;
use crate::kustomize::{self, HelmOptions, Options, output};
use crate::source::disk::DiskTree;

use super::folder;

/// Arguments of `retune kustomize`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Debug, clap::Subcommand)]
enum Sub {
    /// Build a kustomization: the bytes that `kustomize build` prints.
    Build(Box<BuildArgs>),
}

/// Which files may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Restriction {
    /// Only files in or below the kustomization's folder.
    #[value(name = "LoadRestrictionsRootOnly")]
    RootOnly,
    /// Any file.
    #[value(name = "LoadRestrictionsNone")]
    None,
}

/// The deprecated order flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Reorder {
    /// By kind.
    Legacy,
    /// As accumulated.
    None,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: retune kustomize build overlays/production -o out.yaml")]
#[allow(clippy::struct_excessive_bools, reason = "they are kustomize's flags")]
struct BuildArgs {
    /// Folder with the kustomization.
    #[arg(default_value = ".")]
    dir: String,
    /// Write to this file, or one file for each resource into this folder.
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// Which files kustomizations may read.
    #[arg(long, value_enum, default_value = "LoadRestrictionsRootOnly", value_name = "WHICH")]
    load_restrictor: Restriction,
    /// Order of the output if the kustomization does not say (deprecated: use sortOptions).
    #[arg(long, value_enum)]
    reorder: Option<Reorder>,
    /// Allow helmCharts.
    #[arg(long)]
    enable_helm: bool,
    /// Not used: charts are rendered natively.
    #[arg(long, value_name = "PATH")]
    helm_command: Option<String>,
    /// Kubernetes API versions for charts.
    #[arg(long, value_name = "VERSION")]
    helm_api_versions: Vec<String>,
    /// Kubernetes version for charts.
    #[arg(long, value_name = "VERSION", default_value = "", hide_default_value = true)]
    helm_kube_version: String,
    /// Debug output of charts.
    #[arg(long)]
    helm_debug: bool,
    /// Allow plugins. External ones are not supported and remain an error.
    #[arg(long)]
    enable_alpha_plugins: bool,
    /// Add the label app.kubernetes.io/managed-by (deprecated: use buildMetadata).
    #[arg(long)]
    enable_managedby_label: bool,
    /// Refuse remote bases instead of fetching them.
    #[arg(long)]
    offline: bool,
    /// Without effect: environment of functions.
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Without effect: user of functions.
    #[arg(long)]
    as_current_user: bool,
    /// Without effect: network access of functions.
    #[arg(long)]
    network: bool,
    /// Without effect: network of functions.
    #[arg(long, value_name = "NAME")]
    network_name: Option<String>,
    /// Without effect: executables as functions.
    #[arg(long)]
    enable_exec: bool,
    /// Accepted as in kustomize: errors name their places without it.
    #[arg(long)]
    stack_trace: bool,
    /// Without effect: mounts of functions.
    #[arg(long, value_name = "MOUNT")]
    mount: Vec<String>,
}

impl BuildArgs {
    fn without_effect(&self) -> Vec<&'static str> {
        let given = [
            ("--env", !self.env.is_empty()),
            ("--as-current-user", self.as_current_user),
            ("--network", self.network),
            ("--network-name", self.network_name.is_some()),
            ("--mount", !self.mount.is_empty()),
            ("--helm-command", self.helm_command.is_some()),
            ("--enable-exec", self.enable_exec),
        ];
        given.into_iter().filter_map(|(flag, given)| given.then_some(flag)).collect()
    }
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let Sub::Build(args) = args.command;
    build(&args, ui).map_err(|e| if e.kind == ErrorKind::BrokenPipe { e } else { e.with_code(1) })
}

fn build(args: &BuildArgs, ui: &mut Ui) -> Result<Exit, CommandError> {
    // pflag's words.
    let deprecated = [
        ("reorder", args.reorder.is_some(), "use the new 'sortOptions' field in kustomization.yaml instead."),
        (
            "enable-managedby-label",
            args.enable_managedby_label,
            "The flag `enable-managedby-label` has been deprecated. Use the `managedByLabel` option in the \
             `buildMetadata` field instead.",
        ),
    ];
    for (flag, _, instead) in deprecated.iter().filter(|(_, given, _)| *given) {
        ui.note(&format!("Flag --{flag} has been deprecated, {instead}"))?;
    }
    for flag in args.without_effect() {
        ui.warn(&format!("{flag} is not supported: retune runs no programs or containers"))?;
    }
    let tree = DiskTree::open("/")?;
    let engine = if args.enable_helm || args.enable_alpha_plugins { Some(native_helm()?) } else { None };
    let remote = folder::remotes(args.offline);
    let options = Options {
        restricted: args.load_restrictor == Restriction::RootOnly,
        alpha_plugins: args.enable_alpha_plugins,
        managed_by_label: args.enable_managedby_label || managed_by_env(),
        helm: HelmOptions {
            enabled: args.enable_helm || args.enable_alpha_plugins,
            engine: engine.as_ref().map(|e| e as &dyn kustomize::Helm),
            kube_version: &args.helm_kube_version,
            api_versions: &args.helm_api_versions,
            debug: args.helm_debug,
        },
        remote: remote.as_ref().map(folder::as_remote),
        shown_root: "/",
        fifo: args.reorder == Some(Reorder::None),
    };
    let path = tree_path(&args.dir)?;
    let mut warnings = Vec::new();
    let built = kustomize::build_noting(&tree, &path, &options, &mut warnings);
    for warning in &warnings {
        ui.note(warning)?;
    }
    let built = built.map_err(command_error)?;
    match &args.output {
        Some(folder) if folder.is_dir() => {
            for (name, text) in output::files(&built).map_err(command_error)? {
                write(&folder.join(name), &text)?;
            }
        }
        Some(file) => write(file, &output::stream(&built).map_err(command_error)?)?,
        None => ui.out().write_all(output::stream(&built).map_err(command_error)?.as_bytes())?,
    }
    Ok(Exit::Success)
}

/// The engine for charts, with the process's clock and randomness, as the original's `helm` has them.
fn native_helm() -> Result<NativeHelm, CommandError> {
    let mut entropy = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut entropy))
        .map_err(|e| CommandError::internal(format!("/dev/urandom: {e}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(CommandError::internal)?;
    let now = (i64::try_from(now.as_secs()).unwrap_or(i64::MAX), now.subsec_nanos());
    Ok(NativeHelm { randomness: Randomness::Random { entropy }, now })
}

/// The environment variable that the original reads for the managed-by label.
fn managed_by_env() -> bool {
    std::env::var_os("KUSTOMIZE_ENABLE_MANAGEDBY_LABEL").is_some_and(|v| v == "on")
}

/// The folder as a path from the file system's root; URLs stay as they are.
fn tree_path(dir: &str) -> Result<String, CommandError> {
    if !Path::new(dir).exists() && kustomize::repospec::RepoSpec::parse(dir).is_ok() {
        return Ok(dir.to_owned());
    }
    let absolute = std::path::absolute(dir)?;
    Ok(absolute.to_string_lossy().trim_start_matches('/').to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    std::fs::write(path, text).map_err(|e| CommandError::user(format!("{}: {e}", path.display())))
}

fn command_error(e: kustomize::Error) -> CommandError {
    let hint = e.hint_text().map(str::to_owned);
    let error = CommandError::user(e);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
