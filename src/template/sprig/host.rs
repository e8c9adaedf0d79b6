//! What functions may know besides their arguments, and the functions that draw random text.
//!
//! Stable mode: a draw is a ChaCha20 stream keyed by SHA-256 over the seed, the release, the chain of running templates,
//! the function, its arguments and how often exactly this call was made before. So an edit elsewhere rotates nothing.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use base64::Engine as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest as _, Sha256};

use super::args::{Entry, FuncResult, I, S, fixed, int, text};
use crate::template::error::FuncError;
use crate::template::exec::Exec;
use crate::template::value::Value;

/// Where random text comes from.
#[derive(Clone)]
pub enum Randomness {
    /// As the original: new at each render. The caller gives the entropy, because this room has none.
    Random {
        /// 32 bytes from the operating system.
        entropy: [u8; 32],
    },
    /// Derived from a secret seed and from where the call stands.
    Stable {
        /// The per-cloud key, or derived from it.
        seed: [u8; 32],
        /// What tells releases apart: cloud, namespace and release name.
        release: Rc<str>,
    },
}

/// The state that functions share during one render. Reach it with `exec.host::<Host>()`.
pub struct Host {
    now: (i64, u32),
    /// Whether anything has asked for the time.
    pub asked_time: Rc<Cell<bool>>,
    /// What the caller of the template room adds for its own functions (Helm: lookups, include counters).
    pub ext: Rc<dyn Any>,
    randomness: Randomness,
    stream: RefCell<ChaCha20Rng>,
    occurrences: RefCell<HashMap<[u8; 32], u64>>,
}

/// A stream of random bytes for one call.
pub struct Draw(ChaCha20Rng);

impl Host {
    /// A host for one render.
    #[must_use]
    pub fn new(randomness: Randomness, now: (i64, u32), ext: Rc<dyn Any>) -> Self {
        let entropy = match &randomness {
            Randomness::Random { entropy } => *entropy,
            Randomness::Stable { seed, .. } => *seed,
        };
        let stream = RefCell::new(ChaCha20Rng::from_seed(entropy));
        Self { now, asked_time: Rc::default(), ext, randomness, stream, occurrences: RefCell::default() }
    }

    /// Seconds and nanoseconds since the epoch that `now` gives (stable mode: the commit's time).
    pub fn time(&self) -> (i64, u32) {
        self.asked_time.set(true);
        self.now
    }

    /// Random bytes for a call of `function` with `args`, made by the templates of `chain` (outermost first).
    ///
    /// # Errors
    /// An argument cannot be printed.
    pub fn draw(&self, chain: &[Rc<str>], function: &str, args: &[Value]) -> Result<Draw, FuncError> {
        let Randomness::Stable { seed, release } = &self.randomness else {
            let mut key = [0; 32];
            self.stream.borrow_mut().fill_bytes(&mut key);
            return Ok(Draw(ChaCha20Rng::from_seed(key)));
        };
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(seed);
        part(release.as_bytes());
        part(&(chain.len() as u64).to_be_bytes());
        for name in chain {
            part(name.as_bytes());
        }
        part(function.as_bytes());
        for arg in args {
            part(arg.type_name().as_bytes());
            part(&super::args::display(arg)?);
        }
        let place: [u8; 32] = hash.finalize().into();
        let mut occurrences = self.occurrences.borrow_mut();
        let count = occurrences.entry(place).or_default();
        let key = Sha256::new().chain_update(place).chain_update(count.to_be_bytes()).finalize();
        *count += 1;
        Ok(Draw(ChaCha20Rng::from_seed(key.into())))
    }
}

impl Draw {
    /// Numbers that follow from 32 bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    /// Fills a buffer.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A number below `limit`, evenly distributed.
    pub fn below(&mut self, limit: u64) -> u64 {
        let zone = u64::MAX - u64::MAX % limit;
        loop {
            let n = self.0.next_u64();
            if n < zone {
                return n % limit;
            }
        }
    }

    /// The generator itself, for key generation.
    pub fn rng(&mut self) -> &mut ChaCha20Rng {
        &mut self.0
    }
}

/// A draw for the function that is being called.
///
/// # Errors
/// The render was started without a [`Host`].
pub(super) fn draw(exec: &Exec, function: &str, args: &[Value]) -> Result<Draw, FuncError> {
    let host = exec.host::<Host>().ok_or("this render has no source of random numbers")?;
    host.draw(exec.chain(), function, args)
}

/// The most characters a random function gives in one call.
const MOST: i64 = 1 << 20;

fn random_text(exec: &Exec, name: &str, args: &[Value], alphabet: impl Iterator<Item = char>) -> FuncResult {
    let count = int(&args[0]);
    if count <= 0 {
        // A negative count is an error in goutils, which sprig swallows.
        return Ok("".into());
    }
    if count > MOST {
        return Err(format!("{count} random characters are more than the limit of {MOST}").into());
    }
    let alphabet: Vec<char> = alphabet.collect();
    let mut draw = draw(exec, name, args)?;
    let text: String = (0..count).map(|_| alphabet[draw.below(alphabet.len() as u64) as usize]).collect();
    Ok(text.into())
}

fn rand_int(exec: &mut Exec, args: &[Value]) -> FuncResult {
    let (min, max) = (int(&args[0]), int(&args[1]));
    let span = max.checked_sub(min).filter(|s| *s > 0).ok_or("invalid argument to Intn")?;
    let n = draw(exec, "randInt", args)?.below(span.unsigned_abs());
    Ok(Value::int(min + i64::try_from(n).expect("below an i64")))
}

fn rand_bytes(exec: &mut Exec, args: &[Value]) -> FuncResult {
    let count = int(&args[0]);
    if !(0..=MOST).contains(&count) {
        return Err("runtime error: makeslice: len out of range".into());
    }
    let mut bytes = vec![0; usize::try_from(count).expect("checked")];
    draw(exec, "randBytes", args)?.fill(&mut bytes);
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes).into())
}

fn uuidv4(exec: &mut Exec, args: &[Value]) -> FuncResult {
    Ok(uuid_v4(&mut draw(exec, "uuidv4", args)?).into())
}

/// A random UUID, version 4.
pub fn uuid_v4(draw: &mut Draw) -> String {
    let mut b = [0; 16];
    draw.fill(&mut b);
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn shuffle(exec: &mut Exec, args: &[Value]) -> FuncResult {
    let mut chars: Vec<char> = text(&args[0]).chars().collect();
    let mut draw = draw(exec, "shuffle", args)?;
    for i in (1..chars.len()).rev() {
        chars.swap(i, draw.below(i as u64 + 1) as usize);
    }
    Ok(chars.into_iter().collect::<String>().into())
}

/// The random functions; keys and certificates are in `crypto`.
pub(super) const TABLE: &[Entry] = &[
    ("randAlphaNum", fixed(&[I], S), |x, a| {
        random_text(x, "randAlphaNum", a, ('0'..='9').chain('A'..='Z').chain('a'..='z'))
    }),
    ("randAlpha", fixed(&[I], S), |x, a| random_text(x, "randAlpha", a, ('A'..='Z').chain('a'..='z'))),
    ("randNumeric", fixed(&[I], S), |x, a| random_text(x, "randNumeric", a, '0'..='9')),
    ("randAscii", fixed(&[I], S), |x, a| random_text(x, "randAscii", a, ' '..='~')),
    ("randInt", fixed(&[I, I], I), rand_int),
    ("randBytes", fixed(&[I], S), rand_bytes),
    ("uuidv4", fixed(&[], S), uuidv4),
    ("shuffle", fixed(&[S], S), shuffle),
];
