//! The user's repository: `retune.yaml`, apps, profiles, layering, the graph, one revision's render.
//!
//! Takes a [`FileTree`](crate::files::FileTree) and a profile, gives a [`RenderedCloud`]: every object of every app, normalised and with
//! its identity settled, or every error found. Pure: no I/O, no clock, no environment.
//!
//! | module | subject |
//! |---|---|
//! | [`spec`] | the kinds Cloud and App |
//! | [`object`], [`normal`], [`scope`] | one rendered object, its normal form, namespaced or not |
//! | [`mod@load`], [`schema`], [`graph`], [`layers`] | reading and checking the configuration, both repositories as one tree |
//! | [`mod@render`], [`rendered`], [`cache`] | one revision's render, what it gives, what is reused |
//! | [`secrets`] | Secrets that are generated |
//! | [`rules`] | the platform's own rules, as data |
//! | [`lock`], [`remote`] | `retune.lock`; charts that are not in the repository, and who gives them |
//! | [`app_pins`] | apps of other revisions in a revision |
//! | [`fieldpath`], [`expression`] | paths into objects, as policies name fields; conditions in CEL |
//! | [`inputs`], [`nodes`] | values taken from the running cluster; labels and annotations of nodes |
//! | [`problem`] | what is wrong, where, and what to do |

pub mod app_pins;
pub mod cache;
pub mod duration;
pub mod expression;
pub mod fieldpath;
pub mod graph;
pub mod inflation;
pub mod inputs;
pub mod layers;
pub mod load;
pub mod lock;
pub mod nodes;
pub mod normal;
pub mod object;
mod pinned;
pub mod problem;
pub mod remote;
pub mod render;
pub mod rendered;
pub mod rules;
pub mod schema;
pub mod scope;
pub mod secrets;
pub mod spec;

mod allyaml;
mod chart;
mod health;
mod manifests;
mod ownership;
mod record;
mod sources;
mod vendor;
mod volatile;
mod walk;

pub use cache::Cache;
pub use load::{Composed, Layers, Repository, load, upstream_of};
pub use lock::{ChartRef, Lock, Locked};
pub use normal::NormalError;
pub use object::{Digest, Interner, Object, ObjectId, Origin};
pub use ownership::check_reach;
pub use problem::{Problem, ProblemKind, RenderError, Severity};
pub use remote::{ChartError, ChartErrorKind, ChartRequest, Charts, FetchedChart};
pub use render::{Options, render, render_loaded};
pub use rendered::{AppState, Hook, HookDeletePolicy, HookEvent, Policy, RenderedApp, RenderedCloud};
pub use scope::{CrdScopes, Offline, Scopes};
pub use secrets::{GeneratedSecret, SecretAt};
