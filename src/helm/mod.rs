//! Helm v4.3: charts and values in, manifests and hooks out.
//!
//! To read in this order: [`chart`] and `load` (a chart from a folder or archive), [`values`] and [`strvals`] (what
//! users set), `instance` and `coalesce` (what each chart's templates see), `engine` (running the templates),
//! [`manifest`] (documents, hooks, order), [`render()`] (all of it); beside them [`repository`] (indexes and tags of chart repositories). Follows Helm v4.3.1 byte for byte:
//! <https://github.com/helm/helm/tree/v4.3.1>. `docs/helm.md` lists every feature and deviation.

mod archive;
pub mod capabilities;
pub mod chart;
mod coalesce;
mod decode;
mod engine;
pub mod error;
mod funcs;
mod glob;
mod head;
mod ignore;
mod instance;
mod load;
pub mod manifest;
mod memo;
pub mod metadata;
mod objects;
mod pathmatch;
mod render;
pub mod repository;
mod schema;
pub mod strvals;
pub mod values;

pub use capabilities::KubeVersion;
pub use chart::Chart;
pub use error::Error;
pub use funcs::end_of_process;
pub use manifest::{Hook, HookEvent, Manifest};
pub use render::{Crd, OutputOptions, Randomness, Release, ReleaseOptions, name_from_template, render};
pub use values::ValueFlags;
