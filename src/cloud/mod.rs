//! The user's repository: `retune.yaml`, apps, profiles, layering, the graph, one revision's render.
//!
//! Takes a [`FileTree`](crate::files::FileTree) and a profile, gives a [`RenderedCloud`]: every object of every app, normalised and with
//! its identity settled, or every error found. Pure: no I/O, no clock, no environment.
//!
//! | module | subject |
//! |---|---|
//! | [`spec`] | the kinds Cloud and App |
//! | [`object`], [`normal`], [`scope`] | one rendered object, its normal form, namespaced or not |
//! | [`rendered`] | what a render gives |

pub mod duration;
pub mod graph;
pub mod layers;
pub mod normal;
pub mod object;
pub mod problem;
pub mod rendered;
pub mod scope;
pub mod spec;

mod walk;

pub use normal::NormalError;
pub use object::{Digest, Interner, Object, ObjectId, Origin};
pub use problem::{Problem, ProblemKind, RenderError, Severity};
pub use rendered::{AppState, Hook, HookDeletePolicy, HookEvent, Policy, RenderedApp, RenderedCloud};
pub use scope::{CrdScopes, Offline, Scopes};
