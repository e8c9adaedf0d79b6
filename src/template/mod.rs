//! Go's text/template, complete, with sprig's functions and Go's value model.

pub mod semver;
