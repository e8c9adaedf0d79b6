//! `helm template --output-dir`: one file for each template, as Helm 4 writes and reports them.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Component, Path};

use crate::helm::{HookEvent, OutputOptions, Release};

use super::{CommandError, Ui};

/// Where files go.
pub(super) struct Target<'a> {
    /// `--output-dir`.
    pub(super) dir: &'a str,
    /// `--release-name`: the release's name is a folder of it.
    pub(super) release_name: bool,
}

impl Target<'_> {
    /// Writes what `options` asks for. Documents of one template share a file; that of a hook is added to a file that is there
    /// already, even from an earlier run, as Helm does.
    pub(super) fn write(
        &self,
        release: &Release,
        options: &OutputOptions,
        ui: &mut Ui,
    ) -> Result<(), CommandError> {
        let named = match self.release_name {
            true => Path::new(self.dir).join(&release.name).display().to_string(),
            false => self.dir.to_owned(),
        };
        let mut written = HashSet::new();
        for crd in release.crds.iter().filter(|_| options.include_crds) {
            self.document(self.dir, &crd.source, &crd.text, written.contains(crd.source.as_str()), ui)?;
            written.insert(crd.source.as_str());
        }
        for m in &release.manifests {
            self.document(&named, &m.source, &m.text, written.contains(m.source.as_str()), ui)?;
            written.insert(m.source.as_str());
        }
        let shown = |events: &[HookEvent]| !(options.skip_tests && events.contains(&HookEvent::Test));
        for hook in release.hooks.iter().filter(|h| !options.no_hooks && shown(&h.events)) {
            let is_there = Path::new(&named).join(&hook.source).exists();
            self.document(&named, &hook.source, &hook.text, is_there, ui)?;
        }
        ui.line("")
    }

    fn document(
        &self,
        dir: &str,
        source: &str,
        text: &str,
        append: bool,
        ui: &mut Ui,
    ) -> Result<(), CommandError> {
        let path = format!("{dir}/{source}");
        let failed = |e: std::io::Error| CommandError::user(format!("{path}: {e}"));
        if Path::new(source).components().any(|c| !matches!(c, Component::Normal(_))) {
            return Err(CommandError::user(format!("{source}: a template's path leaves {}", self.dir)));
        }
        if let Some(folder) = Path::new(&path).parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append)
            .open(&path)
            .map_err(failed)?;
        writeln!(file, "---\n# Source: {source}\n{text}").map_err(failed)?;
        ui.line(&format!("wrote {path}"))
    }
}
