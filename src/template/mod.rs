//! Go's text/template, complete, with sprig's functions and Go's value model.
//!
//! Takes template texts, values and functions; gives text. Follows Go 1.26's [text/template] byte for byte, also in its
//! error messages. To read in this order: [`value`] and [`types`] (what templates compute with), `lexer`, `ast`, `parser`,
//! `exec`; [`func`] is what functions look like, [`set`] holds named templates.
//!
//! [text/template]: https://pkg.go.dev/text/template@go1.26

pub mod error;
pub mod exec;
pub mod func;
pub mod semver;
pub mod set;
pub mod sprig;
pub mod strconv;
pub mod types;
pub mod value;

pub use error::{ExecError, FuncError, ParseError};
pub use exec::{Exec, Limits};
pub use func::{Func, Registry, Signature};
pub use set::Set;
pub use types::{IntKind, Kind, Type, UintKind};
pub use value::{List, Map, Object, Value};
