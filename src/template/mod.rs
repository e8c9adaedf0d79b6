//! Go's text/template, complete, with sprig's functions and Go's value model.
//!
//! Takes template texts, values and functions; gives text. Follows Go 1.26's [text/template] byte for byte, also in its
//! error messages. To read in this order: [`value`] and [`types`] (what templates compute with), `lexer`, `ast`, `parser`,
//! `eval` (with `call`, `builtins`); [`func`] is what functions look like, [`set`] holds named templates.
//!
//! [text/template]: https://pkg.go.dev/text/template@go1.26

pub mod ast;
pub mod builtins;
mod call;
mod compare;
mod entries;
pub mod error;
mod escape;
mod eval;
pub mod exec;
pub mod fmt;
pub mod func;
pub(crate) mod hash;
pub mod lexer;
pub mod list;
mod number;
mod parser;
mod plain;
mod relative;
pub mod semver;
pub mod set;
pub mod sprig;
pub(crate) mod stack;
pub mod strconv;
pub mod types;
pub mod value;
pub(crate) mod watch;
mod words;

pub use error::{ExecError, FuncError, ParseError};
pub use exec::{Exec, Limits};
pub use func::{Func, Registry, Signature};
pub use set::{MissingKey, Set, Template};
pub use types::{IntKind, Kind, Type, UintKind};
pub use value::{List, Map, Object, Value};
