//! Which charts may ask for the time or for random text, found by looking for the functions' names inside of template actions.
//!
//! It may say yes for nothing (the action may never run), never no for something that matters: then an app is rendered once more
//! than necessary, or refused where the cloud's key is not known, but never rendered from the wrong inputs.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use regex::bytes::Regex;

use super::inflation::NativeHelm;
use crate::helm::{Chart, Randomness};
use crate::kustomize::error::Error;
use crate::kustomize::helm::{Helm, Request};

/// What is said where random text would be guessable.
pub(super) const NO_KEY: &str = "the chart draws random text (randAlphaNum, genCA, uuidv4, ...), which needs the cloud's key; this version of retune has none";

/// What a chart may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asks {
    /// `now` and what is based on it.
    pub(super) time: bool,
    /// Random text, keys, certificates.
    pub(super) random: bool,
}

/// What the templates of a chart (or texts that they may evaluate with `tpl`) may ask for.
pub(super) fn asks(chart: &Chart, texts: &[&[u8]]) -> Asks {
    static TIME: OnceLock<Option<Regex>> = OnceLock::new();
    static RANDOM: OnceLock<Option<Regex>> = OnceLock::new();
    let find = |cell: &'static OnceLock<Option<Regex>>, words: &str| {
        let regex = cell.get_or_init(|| Regex::new(&format!(r"(?s)\{{\{{[^}}]*\b(?:{words})\b")).ok());
        let hit = |bytes: &[u8]| regex.as_ref().is_none_or(|r| r.is_match(bytes));
        texts.iter().any(|t| hit(t)) || anywhere(chart, &hit)
    };
    Asks {
        time: find(
            &TIME,
            "now|ago|date|dateInZone|date_in_zone|htmlDate|htmlDateInZone|genCA\\w*|genS\\w+Cert\\w*",
        ),
        random: find(
            &RANDOM,
            "rand[A-Z]\\w*|uuidv4|shuffle|genCA\\w*|genS\\w+Cert\\w*|genPrivateKey|bcrypt|htpasswd|encryptAES",
        ),
    }
}

fn anywhere(chart: &Chart, hit: &dyn Fn(&[u8]) -> bool) -> bool {
    chart.templates.iter().chain(&chart.files).any(|f| hit(&f.data))
        || serde_json::to_vec(chart.values.json()).is_ok_and(|v| hit(&v))
        || chart.dependencies.iter().any(|d| anywhere(d, hit))
}

/// The engine behind `helmCharts`, which remembers whether the time was asked for.
pub(super) struct Inflate {
    native: NativeHelm,
    has_key: bool,
    asked_time: AtomicBool,
}

impl Inflate {
    pub(super) fn new(seed: Option<[u8; 32]>, cloud: &str, time: i64) -> Self {
        let randomness = Randomness::Stable { seed: seed.unwrap_or_default(), scope: cloud.to_owned() };
        let native = NativeHelm { randomness, now: (time, 0) };
        Self { native, has_key: seed.is_some(), asked_time: AtomicBool::new(false) }
    }

    pub(super) fn asked_time(&self) -> bool {
        self.asked_time.load(Ordering::Relaxed)
    }
}

impl Helm for Inflate {
    fn template(&self, request: &Request<'_>) -> Result<String, Error> {
        let entry = request.chart;
        let mut asked = Asks { time: entry.release_name.is_empty(), random: false };
        if let Some(chart) = request.chart_path.and_then(|path| Chart::load(request.tree, path).ok()) {
            let texts: Vec<&[u8]> = request.values.iter().map(String::as_bytes).collect();
            let found = asks(&chart, &texts);
            asked = Asks { time: asked.time || found.time, random: found.random };
        }
        if asked.random && !self.has_key {
            return Err(Error::unsupported(NO_KEY).at_line(entry.line));
        }
        self.asked_time.fetch_or(asked.time, Ordering::Relaxed);
        self.native.template(request)
    }
}
