//! sprig 3.3's functions and the encoders Helm adds, one file a family.
//!
//! [`register`] puts them all into a [`Registry`]; `include`, `tpl`, `required`, `lookup` belong to the helm room.
//! What is not a function of its arguments (random text, the time) comes from the [`Host`] that a render is given:
//! either as the original (drawn anew each time) or stable (derived from a secret seed and from where the call stands),
//! so that the same commit renders the same bytes. `env` and `expandenv` do not exist, as in Helm; `getHostByName`
//! gives "" as Helm's does without DNS. The local time zone is UTC.
//!
//! Upstream: <https://masterminds.github.io/sprig/> and helm's `pkg/engine/funcs.go`.

mod args;
mod cast;
mod certs;
mod crypto;
mod dates;
mod decimal;
mod defaults;
mod der;
mod dicts;
mod dsa;
mod duration;
mod encoding;
mod gotime;
mod host;
mod json;
mod keys;
mod layout;
mod lists;
mod math;
mod merge;
mod paths;
mod pem;
pub(crate) mod pki;
mod reflection;
mod regexes;
mod simple_pattern;
mod strings;
mod toml;
mod urls;
mod versions;
mod words;

pub(crate) use encoding::read_plain;
pub use encoding::{from_node, to_yaml};
pub use host::{Draw, Host, Randomness, uuid_v4};

use super::func::Registry;

/// What Go's `encoding/json` says is wrong with a document, if anything is.
pub(crate) fn json_fault(source: &str) -> Option<String> {
    json::from_json_with_fault(source).err()
}

/// The text of a JSON string with its quotes and escapes.
pub(crate) fn json_text(quoted: &str) -> Option<String> {
    json::from_json(quoted).ok()?.text().map(std::borrow::Cow::into_owned)
}

/// What Go's `time.Parse` says is wrong with a date.
pub(crate) fn date_fault(text: &str) -> Option<String> {
    layout::parse("2006-01-02", text).err()
}

pub(crate) use urls::{Checked as CheckedUrl, check as check_url, resolve as resolve_url};

/// Adds every function of this room to a registry.
pub fn register(registry: &mut Registry) {
    for table in [
        strings::TABLE,
        words::TABLE,
        lists::TABLE,
        dicts::TABLE,
        defaults::TABLE,
        math::TABLE,
        encoding::TABLE,
        regexes::TABLE,
        reflection::TABLE,
        paths::TABLE,
        urls::TABLE,
        versions::TABLE,
        certs::TABLE,
        crypto::TABLE,
        dates::TABLE,
        duration::TABLE,
        host::TABLE,
    ] {
        registry.add_all(table);
    }
}
