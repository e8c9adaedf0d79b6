//! Patches: strategic merges and JSON patches, with and without a target.
//!
//! Follows `PatchTransformer`, `PatchStrategicMergeTransformer` and `PatchJson6902Transformer`. What is easily got wrong:
//! - without a target, a strategic merge finds its object by any identity that it ever had, and that object must be one;
//! - with a target, the patch's own labels and annotations become strings first, so `label: null` sets the text `null`;
//! - a JSON patch in `patches` finds `metadata.annotations` on every object, because the build has noted its former name
//!   there; in `patchesJson6902` only on objects that were noted before.

use super::error::{Context, Error, Kind};
use super::json6902::JsonPatch;
use super::merge;
use super::read;
use super::resmap::ResMap;
use super::resource::Resource;
use super::schema::Schema;
use super::select::select;
use super::transform::{Ctx, Transformer};
use super::types::{Patch, Selector};

/// `patchesStrategicMerge`.
#[derive(Debug, Clone, Default)]
pub struct StrategicMerges {
    /// Files, or patches written in place.
    pub paths: Vec<String>,
    /// More patches in place, as the plugin has them.
    pub patches: String,
}

/// `patches`.
#[derive(Debug, Clone, Default)]
pub struct Patches {
    /// Entries in order.
    pub patches: Vec<Patch>,
}

/// An entry of `patchesJson6902`.
#[derive(Debug, Clone, Default)]
pub struct Json6902 {
    /// Which objects.
    pub target: Option<Selector>,
    /// File with the patch.
    pub path: String,
    /// The patch itself.
    pub json_op: String,
    /// Line of the entry in its kustomization.
    pub line: u32,
}

/// How a patch names itself in messages.
struct Source {
    file: String,
    shown: String,
}

fn text_of(bytes: &[u8], file: &str) -> Result<String, Error> {
    let text = std::str::from_utf8(bytes);
    text.map(str::to_owned).map_err(|_| {
        Error::of(Kind::MalformedYaml, "not valid UTF-8").at(file, 0).hint("save the patch as UTF-8")
    })
}

/// Where the fault is: in the patch's file, or in the kustomization that has the patch in place.
fn place(e: Error, source: &Source) -> Error {
    if source.file.is_empty() { e } else { e.at(&source.file, 0) }
}

impl Transformer for StrategicMerges {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        if self.paths.is_empty() && self.patches.is_empty() {
            return Err(Error::new("empty file path and empty patch content"));
        }
        let mut patches = Vec::new();
        for path in &self.paths {
            // Each entry is tried as a patch written in place, then as a file.
            match read::resources(path.as_bytes(), "") {
                Ok(inline) if !inline.is_empty() => patches.extend(inline),
                _ => {
                    let (bytes, file) = ctx.files.load(path)?;
                    patches.extend(read::resources(&bytes, &file)?);
                }
            }
        }
        if !self.patches.is_empty() {
            patches.extend(read::resources(self.patches.as_bytes(), "")?);
        }
        if patches.is_empty() {
            return Err(Error::new(format!("patch appears to be empty; files={:?}", self.paths))
                .hint("remove the entry or write the patch"));
        }
        for patch in patches {
            let at = find(m, &patch)?;
            let patch = as_targeted(&patch, m.get(at));
            merge_at(m, at, &patch, ctx.schema)?;
            check_twins(m, at)?;
        }
        m.drop_empties();
        Ok(())
    }
}

impl Transformer for Patches {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        self.patches.iter().try_for_each(|patch| one(m, patch, ctx))
    }
}

fn one(m: &mut ResMap, patch: &Patch, ctx: &Ctx<'_>) -> Result<(), Error> {
    let inline = patch.patch.trim();
    let (text, source) = match (inline.is_empty(), patch.path.is_empty()) {
        (true, true) => {
            return Err(Error::new("must specify one of patch and path")
                .hint("an entry of 'patches' has either 'path' or 'patch'"));
        }
        (false, false) => return Err(Error::new("patch and path can't be set at the same time")),
        (false, true) => {
            let shown = format!("[patch: {inline:?}]");
            (inline.to_owned(), Source { file: String::new(), shown })
        }
        (true, false) => {
            let (bytes, file) = ctx
                .files
                .load(&patch.path)
                .context(|| format!("failed to get the patch file from path({})", patch.path))?;
            (text_of(&bytes, &file)?, Source { file, shown: format!("[path: {:?}]", patch.path) })
        }
    };
    match parse(&text, &source)? {
        Parsed::Nothing => Ok(()),
        Parsed::Merges(merges) => strategic(m, merges, patch, &source, ctx.schema),
        Parsed::Json(json) => {
            let target = patch.target.as_ref().ok_or_else(|| {
                Error::new(format!("must specify a target for JSON patch {}", source.shown))
                    .hint("add 'target: {kind: ..., name: ...}' to the entry")
            });
            for at in select(m, target.map_err(|e| place(e, &source))?)? {
                m.edit_at(at, |res| {
                    res.store_previous_id();
                    apply_json(res, &json)
                })
                .map_err(|e| place(e, &source))?;
            }
            Ok(())
        }
    }
}

enum Parsed {
    Nothing,
    Merges(Vec<Resource>),
    Json(JsonPatch),
}

/// Tries both kinds, as the original does; exactly one must fit.
fn parse(text: &str, source: &Source) -> Result<Parsed, Error> {
    let merges = read::resources(text.as_bytes(), &source.file);
    let json = JsonPatch::parse(text);
    match (merges, json) {
        (Ok(merges), Ok(json)) if !merges.is_empty() && !json.is_empty() => {
            let message = format!("illegally qualifies as both an SM and JSON patch: {}", source.shown);
            Err(place(Error::new(message), source))
        }
        (Ok(merges), _) if merges.is_empty() => Ok(Parsed::Nothing),
        (Ok(merges), _) => Ok(Parsed::Merges(merges)),
        (Err(_), Ok(json)) if json.is_empty() => Ok(Parsed::Nothing),
        (Err(_), Ok(json)) => Ok(Parsed::Json(json)),
        (Err(merge), Err(json)) => {
            // A list can only be a JSON patch, anything else only a strategic merge.
            let cause = if text.trim_start().starts_with(['-', '[']) { json } else { merge };
            let e = cause.context(format!("unable to parse SM or JSON patch from {}", source.shown));
            Err(place(e, source))
        }
    }
}

fn strategic(
    m: &mut ResMap,
    mut merges: Vec<Resource>,
    entry: &Patch,
    source: &Source,
    schema: &Schema,
) -> Result<(), Error> {
    for patch in &mut merges {
        patch.build.allow_name_change = entry.options.allow_name_change;
        patch.build.allow_kind_change = entry.options.allow_kind_change;
    }
    let Some(target) = &entry.target else {
        for patch in merges {
            let at = find(m, &patch)
                .context(|| format!("no resource matches strategic merge patch \"{}\"", patch.cur_id()))?;
            merge_at(m, at, &patch, schema)?;
        }
        m.drop_empties();
        return Ok(());
    };
    let [patch] = merges.as_slice() else {
        let message = format!(
            "Multiple Strategic-Merge Patches in one `patches` entry is not allowed to set `patches.target` field: {}",
            source.shown
        );
        return Err(place(Error::new(message).hint("make one entry for each of the documents"), source));
    };
    let chosen = select(m, target)?;
    for at in &chosen {
        let patch = as_targeted(patch, m.get(*at));
        merge_at(m, *at, &patch, schema)?;
    }
    for at in chosen {
        check_twins(m, at)?;
    }
    m.drop_empties();
    Ok(())
}

/// The one object that a patch names.
fn find(m: &mut ResMap, patch: &Resource) -> Result<usize, Error> {
    let id = patch.cur_id();
    match m.matching_any(&id).as_slice() {
        [at] => Ok(*at),
        found => {
            let what = if found.is_empty() { "no matches" } else { "multiple matches" };
            let nearest = m.iter().find(|r| r.name() == id.name).map(|r| r.cur_id().to_string());
            let mut e =
                Error::new(format!("{what} for Id {id}; failed to find unique target for patch {id}"));
            if let Some(nearest) = nearest.filter(|_| found.is_empty()) {
                e = e.hint(format!(
                    "there is {nearest}; the patch must agree in group, version, kind and namespace"
                ));
            }
            Err(e.at(&patch.file, patch.node.pos.line))
        }
    }
}

/// The patch as it is merged into a target chosen by selector: metadata as strings, group and version of the target.
fn as_targeted(patch: &Resource, target: &Resource) -> Resource {
    let mut copy = patch.clone();
    copy.copy_merge_metadata_from(patch);
    let kind = patch.kind().to_owned();
    copy.set_gvk(target.gvk());
    copy.set_kind(&kind);
    copy
}

/// Merges a patch into the resource at a position; name, kind and namespace stay, unless the patch may change them.
fn merge_at(m: &mut ResMap, at: usize, patch: &Resource, schema: &Schema) -> Result<(), Error> {
    m.edit_at(at, |res| {
        let (name, namespace, kind) =
            (res.name().to_owned(), res.namespace().to_owned(), res.kind().to_owned());
        let options = (patch.build.allow_name_change, patch.build.allow_kind_change);
        if options.0 || options.1 {
            res.store_previous_id();
        }
        let id = res.cur_id().to_string();
        let done = res.edit(|res| {
            let kept = merge::merge(&mut res.node, patch.node.clone(), schema)?;
            if !kept {
                res.node = crate::yaml::Node::null();
            }
            Ok(())
        });
        done.map_err(|e: Error| e.context(format!("patch for {id}")).at(&patch.file, patch.node.pos.line))?;
        if res.is_empty() {
            return Ok(());
        }
        if !options.1 {
            res.set_kind(&kind);
        }
        if !options.0 {
            res.set_name(&name);
        }
        res.set_namespace(&namespace);
        Ok(())
    })
}

/// A patch with a target may not make two objects the same.
fn check_twins(m: &mut ResMap, at: usize) -> Result<(), Error> {
    if m.get(at).is_empty() {
        return Ok(());
    }
    let id = m.get(at).cur_id().to_id();
    if m.matching_current(&id.view()).len() > 1 {
        return Err(Error::new(format!("may not add resource with an already registered id: {id}"))
            .hint("the patch gives two objects the same identity"));
    }
    Ok(())
}

/// Applies a JSON patch; what the build remembers survives it, annotations become strings.
fn apply_json(res: &mut Resource, patch: &JsonPatch) -> Result<(), Error> {
    let build = res.build.clone();
    let id = res.cur_id().to_string();
    res.edit(|res| patch.apply(&mut res.node)).map_err(|e| e.context(format!("JSON patch for {id}")))?;
    res.build = build;
    let annotations = res.annotations();
    res.set_annotations(&annotations);
    Ok(())
}

impl Transformer for Json6902 {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        let Some(target) = self.target.as_ref().filter(|t| !t.id.name.is_empty()) else {
            return Err(Error::new("must specify the target name")
                .hint("an entry of 'patchesJson6902' has 'target: {version: ..., kind: ..., name: ...}'"));
        };
        let (text, file) = match (self.path.is_empty(), self.json_op.is_empty()) {
            (true, true) => return Err(Error::new("empty file path and empty jsonOp")),
            (false, false) => return Err(Error::new("must specify a file path or jsonOp, not both")),
            (true, false) => (self.json_op.clone(), String::new()),
            (false, true) => {
                let (bytes, file) = ctx.files.load(&self.path)?;
                (text_of(&bytes, &file)?, file)
            }
        };
        let source = Source { file, shown: String::new() };
        if text.is_empty() {
            return Err(place(Error::new("patch file seems to be empty"), &source));
        }
        let patch = JsonPatch::parse(&text).map_err(|e| place(e, &source))?;
        if patch.is_empty() {
            return Err(place(Error::new("patch appears to be empty"), &source));
        }
        for at in select(m, target)? {
            m.edit_at(at, |res| apply_json(res, &patch)).map_err(|e| place(e, &source))?;
        }
        Ok(())
    }
}
