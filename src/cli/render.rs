//! `retune render DIR`: what a repository means, as manifests.

use std::path::PathBuf;

use serde::Serialize;

use super::folder::{self, UpstreamArgs};
use super::ui::{Format, OutputArgs};
use super::{CommandError, Exit, Ui};
use crate::cloud::problem::nearest;
use crate::cloud::{AppState, Object, Offline, Options, RenderedApp, RenderedCloud, render};
use crate::files::FileTree;
use crate::yaml;

/// Arguments of `retune render`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints every object of the cloud as it would be applied, apps in the order of dependsOn, hooks last. Objects are in their normal \
form: nulls and empty labels left out, stringData folded into data, the namespace filled in. Nothing is masked: Secrets in the repository are printed as they are.
No cluster is asked: an app that takes live inputs (spec.inputs) is pending unless --input, --inputs or --placeholders gives them.

Examples:
  retune render --profile aio .
  retune render --app keystone . | kubectl diff -f -
  retune render --rev v1.2 -o json . | jq '.apps[].digest'")]
pub(super) struct Args {
    /// The folder that holds retune.yaml, or a Git repository together with --rev.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The profile.
    #[arg(short, long, default_value = "base")]
    profile: String,
    /// Only these apps; can be given more than once.
    #[arg(short, long, value_name = "APP")]
    app: Vec<String>,
    /// A branch, tag or commit of the local Git repository, instead of the files in the folder.
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    #[command(flatten)]
    upstream: UpstreamArgs,
    #[cfg(feature = "syncer")]
    #[command(flatten)]
    charts: super::charts::FolderChartArgs,
    #[command(flatten)]
    inputs: super::inputs::InputArgs,
    /// Put something that looks like a value in the place of live inputs that are not given.
    #[arg(long, help_heading = "Live inputs")]
    placeholders: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let tree: Box<dyn FileTree> = match &args.rev {
        None => Box::new(folder::open(&args.dir)?),
        Some(rev) => revision(&args.dir, rev)?,
    };
    let upstream = args.upstream.open()?;
    let remote = folder::remotes(args.upstream.offline);
    #[cfg(feature = "syncer")]
    let store = args.charts.store(args.upstream.offline)?;
    let inputs = args.inputs.open(args.placeholders)?;
    let options = Options {
        inputs: &inputs,
        #[cfg(feature = "syncer")]
        charts: Some(&store),
        remote: remote.as_ref().map(folder::as_remote),
        seed: Some(folder::PREVIEW_SEED),
        threads: folder::threads(),
        upstream: upstream.as_ref().map(|t| t as &dyn FileTree),
        ..Options::new(&Offline)
    };
    let cloud = match render(&*tree, &args.profile, &options) {
        Ok(cloud) => cloud,
        Err(problems) => return Err(folder::failed(&problems, &args.dir)),
    };
    let apps = choose(&cloud, &args.app)?;
    match args.output.output {
        Format::Json => ui.json(&describe(&cloud, &apps)?)?,
        Format::Text => {
            for app in &apps {
                if let AppState::Pending(missing) = &app.state {
                    for input in missing {
                        ui.line(&format!("# {}: pending: {input}", app.name))?;
                    }
                }
                for object in app.objects.iter().chain(app.hooks.iter().map(|h| &h.object)) {
                    let text = manifest(object)?;
                    ui.line(&format!("---\n# {}: {}\n{}", app.name, object.origin, text.trim_end()))?;
                }
            }
        }
    }
    Ok(Exit::Success)
}

#[cfg(not(feature = "syncer"))]
fn revision(_: &std::path::Path, _: &str) -> Result<Box<dyn FileTree>, CommandError> {
    Err(CommandError::cli("--rev: this retune was built without Git (feature `syncer`)"))
}

#[cfg(feature = "syncer")]
fn revision(dir: &std::path::Path, rev: &str) -> Result<Box<dyn FileTree>, CommandError> {
    use crate::source::git::{GitSource, Settings};
    let settings = Settings { location: dir.display().to_string(), ..Settings::default() };
    let source = GitSource::open(settings).map_err(CommandError::from)?;
    let revision = source.revision(rev)?;
    Ok(Box::new(source.tree(&revision.commit)?))
}

fn choose<'a>(cloud: &'a RenderedCloud, names: &[String]) -> Result<Vec<&'a RenderedApp>, CommandError> {
    if let Some(unknown) = names.iter().find(|n| cloud.app(n).is_none()) {
        let mut error = CommandError::user(format!("profile {} has no app {unknown:?}", cloud.profile));
        if let Some(near) = nearest(unknown, cloud.apps.iter().map(|a| &*a.name)) {
            error = error.hint(format!("did you mean {near:?}?"));
        }
        return Err(error);
    }
    let wanted = |app: &&RenderedApp| names.is_empty() || names.iter().any(|n| **n == *app.name);
    Ok(cloud.apps.iter().map(|a| &**a).filter(wanted).collect())
}

/// The object as `sigs.k8s.io/yaml` prints it.
fn manifest(object: &Object) -> Result<String, CommandError> {
    let node = yaml::json::from_json(&object.body).map_err(CommandError::internal)?;
    yaml::emit::to_yaml(&node).map_err(CommandError::internal)
}

/// What `-o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description<'a> {
    cloud: &'a str,
    profile: &'a str,
    digest: String,
    apps: Vec<AppDescription<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AppDescription<'a> {
    name: &'a str,
    depends_on: Vec<&'a str>,
    digest: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pending: &'a [String],
    objects: Vec<ObjectDescription<'a>>,
    hooks: Vec<ObjectDescription<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ObjectDescription<'a> {
    origin: String,
    digest: String,
    manifest: &'a serde_json::value::RawValue,
}

fn describe<'a>(cloud: &'a RenderedCloud, apps: &[&'a RenderedApp]) -> Result<Description<'a>, CommandError> {
    let object = |o: &'a Object| -> Result<ObjectDescription<'a>, CommandError> {
        let manifest = serde_json::from_str(&o.body).map_err(CommandError::internal)?;
        Ok(ObjectDescription { origin: o.origin.to_string(), digest: o.digest.to_string(), manifest })
    };
    let describe = |app: &&'a RenderedApp| -> Result<AppDescription<'a>, CommandError> {
        Ok(AppDescription {
            name: &app.name,
            depends_on: app.depends_on.iter().map(|n| &**n).collect(),
            digest: app.digest.to_string(),
            pending: match &app.state {
                AppState::Pending(missing) => missing,
                AppState::Ready => &[],
            },
            objects: app.objects.iter().map(object).collect::<Result<_, _>>()?,
            hooks: app.hooks.iter().map(|h| object(&h.object)).collect::<Result<_, _>>()?,
        })
    };
    Ok(Description {
        cloud: &cloud.name,
        profile: &cloud.profile,
        digest: cloud.digest.to_string(),
        apps: apps.iter().map(describe).collect::<Result<_, _>>()?,
    })
}
