//! `images`: new names, tags and digests for container images.
//!
//! Follows `ImageTagTransformer`: first every `image` in any list called `containers` or `initContainers`, wherever it
//! stands, then the fields of the configuration. The name of an entry is a pattern, as in the original.

use regex::Regex;

use super::error::{Context, Error};
use super::fieldspec::{self, Create};
use super::pattern;
use super::resmap::ResMap;
use super::resource::Resource;
use super::share::Shares;
use super::transform::{Ctx, Transformer};
use super::types::{FsSlice, Image};
use crate::goregex;
use crate::yaml::{Node, Value};

/// The transformer of one entry.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Which image, and what becomes of it.
    pub image: Image,
    /// Fields besides containers.
    pub field_specs: FsSlice,
}

impl Transformer for Images {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        Series(vec![self.clone()]).transform(m, ctx)
    }
}

/// Several entries in order, applied to one resource after the other: entries never look at other resources, so the
/// result is that of one transformer after the other.
#[derive(Debug, Clone, Default)]
pub struct Series(pub Vec<Images>);

impl Transformer for Series {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        let entries = self.0.iter().map(|entry| Ok((entry, Matcher::new(&entry.image.name)?)));
        let entries: Vec<(&Images, Matcher)> = entries.collect::<Result<_, Error>>()?;
        let specs: FsSlice = self.0.iter().flat_map(|entry| &entry.field_specs).cloned().collect();
        for at in 0..m.len() {
            if m.get(at).kind() == "CustomResourceDefinition" {
                continue;
            }
            m.edit_fields_at(at, &specs, |res| {
                for (entry, matcher) in &entries {
                    let met =
                        entry.apply(res, matcher).context(|| format!("images of {}", entry.image.name))?;
                    if !met {
                        // Where one entry meets no image, the others with the same fields meet none either.
                        break;
                    }
                }
                Ok::<(), Error>(())
            })?;
        }
        Ok(())
    }
}

/// Every `image` in lists called `containers` and `initContainers`.
fn walk(node: &mut Node, update: &mut dyn FnMut(&mut Node) -> Result<(), Error>) -> Result<(), Error> {
    match &mut node.value {
        Value::Scalar(_) => Ok(()),
        Value::Sequence(list) => list.iter_mut().try_for_each(|n| walk(n, update)),
        Value::Mapping(map) => {
            for e in &mut map.entries {
                walk(&mut e.value, update)?;
                if !matches!(e.key.text(), Some("containers" | "initContainers")) {
                    continue;
                }
                let Value::Sequence(list) = &mut e.value.value else { continue };
                for container in list.iter_mut().filter(|c| !c.is_null()) {
                    let Value::Mapping(map) = &mut container.value else {
                        return Err(fieldspec::wrong_kind("MappingNode", container));
                    };
                    if let Some(image) = map.get_mut("image") {
                        update(image)?;
                    }
                }
            }
            Ok(())
        }
    }
}

impl Images {
    /// Applies the entry to one resource; whether there was any image to look at.
    fn apply(&self, res: &mut Resource, matcher: &Matcher) -> Result<bool, Error> {
        let gvk = res.gvk().to_gvk();
        let mut shares = Shares::default();
        let mut met = false;
        let mut update = |node: &mut Node| {
            met = true;
            self.update(node, matcher, &mut shares)
        };
        let done = walk(&mut res.node, &mut update);
        done.and_then(|()| {
            self.field_specs.iter().try_for_each(|spec| {
                fieldspec::apply(&mut res.node, gvk.view(), spec, Create::Never, &mut update)
            })
        })
        .map_err(|e| e.at(&res.file, 0))?;
        shares.settle(&mut res.node);
        Ok(met)
    }

    fn update(&self, node: &mut Node, matcher: &Matcher, shares: &mut Shares) -> Result<(), Error> {
        let Some(text) = node.text() else { return Err(fieldspec::wrong_kind("ScalarNode", node)) };
        if !matcher.matches(text) {
            return Ok(());
        }
        let new = changed(text, &self.image);
        fieldspec::set_scalar_untyped(node, &new, shares)
    }
}

fn changed(text: &str, image: &Image) -> String {
    let (name, mut tag, mut digest) = split(text);
    let suffixed;
    let has = |text: &str| !text.is_empty();
    if has(&image.new_tag) {
        tag = &image.new_tag;
        digest = &image.digest;
    } else if has(&image.digest) {
        tag = "";
        digest = &image.digest;
    } else if has(&image.tag_suffix) {
        suffixed = format!("{tag}{}", image.tag_suffix);
        tag = &suffixed;
        digest = "";
    }
    let mut out = if has(&image.new_name) { image.new_name.clone() } else { name.to_owned() };
    for (mark, part) in [(':', tag), ('@', digest)] {
        if has(part) {
            out.push(mark);
            out.push_str(part);
        }
    }
    out
}

/// Name, tag and digest; a colon before the first slash belongs to the registry's port.
#[must_use]
pub fn split(image: &str) -> (&str, &str, &str) {
    let from = image.find('/').unwrap_or(0);
    let at = image[from..].find('@').map(|i| i + from);
    let colon = image[from..].find(':').map(|i| i + from);
    match (colon, at) {
        (None, None) => (image, "", ""),
        (Some(colon), None) => (&image[..colon], &image[colon + 1..], ""),
        (Some(colon), Some(at)) if colon < at => (&image[..colon], &image[colon + 1..at], &image[at + 1..]),
        (_, Some(at)) => (&image[..at], "", &image[at + 1..]),
    }
}

/// Whether an image is the one that an entry names.
enum Matcher {
    /// The name has no pattern character but `.`, which stands for any.
    Plain(String),
    Pattern(Box<Regex>),
}

impl Matcher {
    fn new(name: &str) -> Result<Self, Error> {
        if pattern::is_plain(&name.replace('.', "")) && name.is_ascii() {
            return Ok(Self::Plain(name.to_owned()));
        }
        let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
        goregex::compile(&pattern).map(|r| Self::Pattern(Box::new(r))).map_err(|e| {
            Error::new(e).hint("the name of an image is read as a pattern; escape its special characters")
        })
    }

    fn matches(&self, image: &str) -> bool {
        match self {
            Self::Pattern(regex) => regex.is_match(image),
            Self::Plain(name) => {
                let Some(head) = image.get(..name.len()) else { return false };
                let fits = |(own, there): (u8, u8)| own == there || (own == b'.' && there != b'\n');
                head.is_ascii() && name.bytes().zip(head.bytes()).all(fits) && is_tail(&image[name.len()..])
            }
        }
    }
}

/// `(:tag)?(@sha256:digest)?`
fn is_tail(tail: &str) -> bool {
    let is_word = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"_.{}-".contains(&c));
    let (tag, digest) = match tail.split_once("@sha256:") {
        Some((tag, digest)) => (tag, digest),
        None => (tail, ""),
    };
    is_word(digest) && (tag.is_empty() || tag.strip_prefix(':').is_some_and(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_split_at_tag_and_digest_but_not_at_ports() {
        assert_eq!(split("a:1"), ("a", "1", ""));
        assert_eq!(split("h:5000/a"), ("h:5000/a", "", ""));
        assert_eq!(split("h:5000/a:1@sha256:x"), ("h:5000/a", "1", "sha256:x"));
        assert_eq!(split("a@sha256:x"), ("a", "", "sha256:x"));
    }

    #[test]
    fn tag_and_digest_replace_each_other_unless_both_are_given() {
        let entry = |tag: &str, digest: &str, suffix: &str| Image {
            name: "a".into(),
            new_tag: tag.into(),
            digest: digest.into(),
            tag_suffix: suffix.into(),
            ..Image::default()
        };
        assert_eq!(changed("a:1@sha256:x", &entry("2", "", "")), "a:2");
        assert_eq!(changed("a:1", &entry("", "sha256:y", "")), "a@sha256:y");
        assert_eq!(changed("a:1", &entry("2", "sha256:y", "")), "a:2@sha256:y");
        assert_eq!(changed("a:1@sha256:x", &entry("", "", "-b")), "a:1-b");
    }

    #[test]
    fn a_plain_name_matches_as_the_pattern_would() {
        let fits = |name: &str, image: &str| {
            let plain = Matcher::new(name).unwrap();
            assert!(matches!(plain, Matcher::Plain(_)));
            let pattern = format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$");
            let regex = Matcher::Pattern(Box::new(goregex::compile(&pattern).unwrap()));
            assert_eq!(plain.matches(image), regex.matches(image), "{name} {image}");
            plain.matches(image)
        };
        assert!(fits("nginx", "nginx") && fits("nginx", "nginx:1.2@sha256:ab") && fits("nginx", "nginx:"));
        assert!(!fits("nginx", "nginx2") && !fits("nginx", "a/nginx") && !fits("nginx", "nginx@md5:x"));
        assert!(fits("g.io/a", "g.io/a:v1") && fits("g.io/a", "gxio/a") && !fits("a", "a:1:2"));
        assert!(Matcher::new("a+").unwrap().matches("aaa:1"));
    }
}
