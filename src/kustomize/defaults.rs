//! The default transformer configuration: which fields names, namespaces, labels, annotations, variables, images and
//! replicas are written to, and which fields refer to other objects by name.
//!
//! The rows come from the original through `tests/tools/openapi`.

use super::gvk::Gvk;
use super::tables::{DefaultReference, DefaultSpec, config};
use super::types::{FieldSpec, FsSlice};

fn spec(row: &DefaultSpec) -> FieldSpec {
    FieldSpec {
        gvk: Gvk::new(row.group, row.version, row.kind),
        path: row.path.to_owned(),
        create: row.create,
    }
}

fn specs(rows: &[DefaultSpec]) -> FsSlice {
    rows.iter().map(spec).collect()
}

/// Fields that `namePrefix` changes.
#[must_use]
pub fn name_prefix() -> FsSlice {
    specs(config::NAME_PREFIX)
}

/// Fields that `nameSuffix` changes.
#[must_use]
pub fn name_suffix() -> FsSlice {
    specs(config::NAME_SUFFIX)
}

/// Fields that `namespace` changes.
#[must_use]
pub fn namespace() -> FsSlice {
    specs(config::NAMESPACE)
}

/// Fields that `commonLabels` and `labels` with `includeSelectors` change.
#[must_use]
pub fn common_labels() -> FsSlice {
    specs(config::COMMON_LABELS)
}

/// Fields that `labels` changes without further options.
#[must_use]
pub fn labels() -> FsSlice {
    specs(config::LABELS)
}

/// Fields that `labels` with `includeTemplates` changes besides.
#[must_use]
pub fn template_labels() -> FsSlice {
    specs(config::TEMPLATE_LABELS)
}

/// Fields that `commonAnnotations` changes.
#[must_use]
pub fn common_annotations() -> FsSlice {
    specs(config::COMMON_ANNOTATIONS)
}

/// Fields in which variables are replaced.
#[must_use]
pub fn var_reference() -> FsSlice {
    specs(config::VAR_REFERENCE)
}

/// Fields that `images` changes.
#[must_use]
pub fn images() -> FsSlice {
    specs(config::IMAGES)
}

/// Fields that `replicas` changes.
#[must_use]
pub fn replicas() -> FsSlice {
    specs(config::REPLICAS)
}

/// Kinds that are referred to by name, each with the fields that refer to it.
#[must_use]
pub fn name_reference() -> Vec<(Gvk, FsSlice)> {
    let row = |r: &DefaultReference| (Gvk::new(r.group, r.version, r.kind), specs(r.referrers));
    config::NAME_REFERENCE.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_hold_what_the_original_embeds() {
        assert_eq!(name_reference().iter().map(|(_, f)| f.len()).sum::<usize>(), 167);
        assert!(common_labels().iter().any(|f| f.path == "spec/selector/matchLabels" && f.create));
        assert!(template_labels().iter().any(|f| f.gvk.kind == "Deployment"));
    }
}
