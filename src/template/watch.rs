//! What the functions of a render need to know to reuse a result: whether anything that it depended on has changed.
//!
//! Values are immutable but for maps. Every map knows when it was made; every write to one that a computation may have read is noted
//! with its time and key, and while a result is computed the keys that it looks up and the maps that it walks are noted, as sets that
//! may say yes too often and never no. So is the reading of what changes from file to file (a chart's `.Template`), and
//! the use of the render's host (random numbers, the time). A result in whose course no map older than itself was changed
//! stays what it is until such a map is changed under a key that it looked up, or one that it walked. Per thread, as
//! renders are.

use std::cell::{Cell, RefCell};
use std::hash::Hasher as _;

use super::hash::Quick;
use super::words;

/// A point in the order of things that a thread does.
pub(crate) type Time = u64;

/// Words of a set.
const WORDS: usize = 64;

/// A set of hashes that may hold more than was put in, not less.
struct Hashes {
    words: [u64; WORDS],
    /// Which words have bits.
    which: u64,
}

/// The places of the bits of a word.
fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        bits &= bits.wrapping_sub(1);
        (place < WORDS).then_some(place)
    })
}

impl Hashes {
    const NONE: Self = Self { words: [0; WORDS], which: 0 };

    /// The word and the bits in it that stand for a hash: three, so that a set of some hundred keys rarely says yes too
    /// often, of one word, so that a small set has few.
    fn place(hash: u64) -> (usize, u64) {
        let bit = |shift: u32| 1 << (hash >> shift & 63);
        ((hash & 63) as usize, bit(6) | bit(12) | bit(18))
    }

    fn add(&mut self, hash: u64) {
        let (word, bits) = Self::place(hash);
        self.words[word] |= bits;
        self.which |= 1 << word;
    }

    fn add_all(&mut self, other: &Self) {
        places(other.which).for_each(|place| self.words[place] |= other.words[place]);
        self.which |= other.which;
    }

    /// The words that have bits.
    fn packed(&self) -> Box<[u64]> {
        let mut words = Vec::with_capacity(self.which.count_ones() as usize);
        words.extend(places(self.which).map(|place| self.words[place]));
        words.into_boxed_slice()
    }
}

/// What a computation read, as it is kept with its result: most read little.
pub(crate) struct Kept {
    /// Which words of the set have bits.
    which: u64,
    /// These words.
    words: Box<[u64]>,
    /// See [`Reads`].
    pub(crate) passing: bool,
    /// See [`Reads`].
    pub(crate) folder: bool,
}

impl Kept {
    fn has(&self, hash: u64) -> bool {
        let (word, bits) = Hashes::place(hash);
        self.which >> word & 1 != 0 && {
            let before = self.which & ((1 << word) - 1);
            self.words[before.count_ones() as usize] & bits == bits
        }
    }
}

/// What a computation reads.
pub(crate) struct Reads {
    hashes: Hashes,
    /// Whether it read what changes from file to file.
    pub(crate) passing: bool,
    /// Whether it read what changes from folder to folder: all that [`by_folder`] lets a computation see of the former.
    pub(crate) folder: bool,
    /// Whether it used the render's host.
    pub(crate) host: bool,
}

#[derive(Clone, Copy)]
struct Write {
    time: Time,
    /// When the map was made.
    made: Time,
    /// The key's hash; `None` if it may be any of them.
    key: Option<u64>,
    /// Whether the map may have become empty.
    takes_out: bool,
}

#[derive(Default)]
struct Writes {
    all: Vec<Write>,
    /// Writes before this time are no longer known.
    forgotten: Time,
}

/// How many writes are remembered.
const MOST_WRITES: usize = 1 << 16;

thread_local! {
    static CLOCK: Cell<Time> = const { Cell::new(0) };
    static READS: RefCell<Reads> = const { RefCell::new(Reads::NONE) };
    static BY_FOLDER: Cell<bool> = const { Cell::new(false) };
    static WRITES: RefCell<Writes> = RefCell::default();
    /// When the last computation began.
    static LAST_BEGIN: Cell<Time> = const { Cell::new(0) };
    /// The time of the last write that was noted.
    static LAST_WRITE: Cell<Time> = const { Cell::new(0) };
}

/// A key of a map, as its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// The key of a word, by its [`words::hash`].
    pub(super) fn of_hash(hash: u64) -> Self {
        // The hash is good in its high bits; the sets take the low ones.
        Self(hash.rotate_left(26))
    }

    #[inline]
    pub(super) fn of(key: &str) -> Self {
        Self::of_hash(words::hash(key.as_bytes()))
    }
}

fn hash(key: &str) -> u64 {
    Key::of(key).0
}

/// The hash that stands for all of a map.
fn whole(made: Time) -> u64 {
    let mut hasher = Quick::default();
    hasher.write_u64(made);
    hasher.finish()
}

/// A new point in time, later than all before it.
pub(crate) fn now() -> Time {
    CLOCK.replace(CLOCK.get() + 1)
}

/// Notes that an entry of a map that was made then is added or replaced.
pub(super) fn written(made: Time, key: &str) {
    note(made, Some(key), false);
}

/// Notes that an entry is taken out of a map that was made then.
pub(super) fn taken_out(made: Time, key: &str) {
    note(made, Some(key), true);
}

/// Notes that all of a map may change.
pub(super) fn rewritten(made: Time) {
    note(made, None, true);
}

fn note(made: Time, key: Option<&str>, takes_out: bool) {
    // A map that is younger than every computation so far is none of their inputs, and the later ones come after the write.
    if made >= LAST_BEGIN.get() {
        return;
    }
    let time = now();
    LAST_WRITE.set(time);
    let _ = WRITES.try_with(|w| {
        let mut writes = w.borrow_mut();
        if writes.all.len() >= MOST_WRITES {
            writes.all.clear();
            writes.forgotten = time;
        }
        writes.all.push(Write { time, made, key: key.map(hash), takes_out });
    });
}

/// Notes that a key was looked up.
pub(super) fn looked_up(key: Key) {
    READS.with_borrow_mut(|r| r.hashes.add(key.0));
}

/// Notes that a map made then was walked.
pub(super) fn walked(made: Time) {
    READS.with_borrow_mut(|r| r.hashes.add(whole(made)));
}

/// Notes that a map made then was found not to be empty: so it stays until something is taken out of it.
pub(super) fn not_empty(made: Time) {
    READS.with_borrow_mut(|r| r.hashes.add(whole(!made)));
}

/// Notes a read of what changes from file to file.
pub(super) fn passing_read() {
    let folder = BY_FOLDER.get();
    READS.with_borrow_mut(|r| if folder { r.folder = true } else { r.passing = true });
}

/// Notes a use of the render's host.
pub(crate) fn host_used() {
    READS.with_borrow_mut(|r| r.host = true);
}

/// Runs what shows no more of what changes from file to file than the folder of the file.
pub(super) fn by_folder<R>(f: impl FnOnce() -> R) -> R {
    let outer = BY_FOLDER.replace(true);
    let done = f();
    BY_FOLDER.set(outer);
    done
}

/// Starts to note the reads of a computation; gives those of the one around it, to be given back to [`end`].
pub(crate) fn begin() -> Reads {
    LAST_BEGIN.set(now());
    READS.replace(Reads::NONE)
}

/// Ends what [`begin`] began and gives its reads, which are also those of the computation around it.
pub(crate) fn end(mut around: Reads) -> Reads {
    READS.with_borrow_mut(|reads| {
        around.add(reads);
        std::mem::replace(reads, around)
    })
}

/// Notes reads again, for a result that is used again.
pub(crate) fn again(reads: &Kept) {
    READS.with_borrow_mut(|r| {
        places(reads.which).zip(&reads.words).for_each(|(place, word)| r.hashes.words[place] |= word);
        r.hashes.which |= reads.which;
        r.passing |= reads.passing;
        r.folder |= reads.folder;
    });
}

impl Reads {
    const NONE: Self = Self { hashes: Hashes::NONE, passing: false, folder: false, host: false };

    /// As it is kept with a result; none is kept that used the host.
    pub(crate) fn kept(&self) -> Kept {
        let Self { hashes, passing, folder, .. } = self;
        Kept { which: hashes.which, words: hashes.packed(), passing: *passing, folder: *folder }
    }

    fn add(&mut self, other: &Self) {
        self.hashes.add_all(&other.hashes);
        self.passing |= other.passing;
        self.folder |= other.folder;
        self.host |= other.host;
    }
}

/// Whether, since `from`, a map older than `start` was changed in what was read.
pub(crate) fn changed(start: Time, from: Time, reads: Option<&Kept>) -> bool {
    if LAST_WRITE.get() < from {
        return false;
    }
    let seen = |write: &Write, r: &Kept| {
        write.key.is_none_or(|key| r.has(key))
            || r.has(whole(write.made))
            || write.takes_out && r.has(whole(!write.made))
    };
    WRITES
        .try_with(|w| {
            let writes = w.borrow();
            let first = writes.all.partition_point(|write| write.time < from);
            writes.forgotten >= from
                || writes.all[first..]
                    .iter()
                    .any(|write| write.made < start && reads.is_none_or(|r| seen(write, r)))
        })
        .unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Value;

    fn write(map: &Value, key: &str, n: i64) {
        map.as_map().expect("a map").set(key, Value::int(n)).expect("not nil");
    }

    #[test]
    fn what_is_kept_of_reads_is_all_that_was_read_and_not_much_more() {
        let key = |n: usize| format!("key{n}");
        for count in [0, 1, 7, 60, 300] {
            let around = begin();
            (0..count).for_each(|n| looked_up(Key::of(&key(n))));
            let kept = end(around).kept();
            assert!((0..count).all(|n| kept.has(hash(&key(n)))));
            let wrong = (count..count + 10_000).filter(|n| kept.has(hash(&key(*n)))).count();
            assert!(wrong <= 3 * count, "{wrong} of 10,000 for {count}");
            let around = begin();
            again(&kept);
            let same = end(around).kept();
            assert!(same.which == kept.which && same.words == kept.words);
        }
    }

    #[test]
    fn a_change_counts_for_those_who_came_after_the_map_and_read_it() {
        let old = Value::dict::<&str>([]);
        write(&old, "k", 1);
        let start = now();
        let around = begin();
        let new = Value::dict::<&str>([]);
        write(&new, "k", 1);
        let _ = old.as_map().expect("a map").get("k");
        let reads = end(around).kept();
        assert!(!changed(start, start, None));
        write(&new, "k", 2);
        write(&old, "k", 1);
        assert!(!changed(start, start, None), "a new map, and a value that was there before");
        write(&old, "other", 1);
        assert!(changed(start, start, None) && !changed(start, start, Some(&reads)));
        write(&old, "k", 2);
        assert!(changed(start, start, Some(&reads)) && !changed(start, now(), Some(&reads)));
        let (start, around) = (now(), begin());
        let _ = old.as_map().expect("a map").entries().len();
        let reads = end(around).kept();
        write(&old, "third", 1);
        assert!(changed(start, start, Some(&reads)));
        assert!(!begin().host);
    }

    #[test]
    fn writes_to_maps_that_nobody_can_have_read_are_not_noted() {
        let before = WRITES.with_borrow(|writes| writes.all.len());
        let noted = || WRITES.with_borrow(|writes| writes.all.len()) - before;
        let old = Value::dict::<&str>([]);
        write(&old, "k", 1);
        let around = begin();
        let new = Value::dict::<&str>([]);
        write(&new, "k", 1);
        assert_eq!(noted(), 0);
        write(&old, "k", 2);
        assert_eq!(noted(), 1, "it may have been read");
        let inner = begin();
        write(&new, "k", 2);
        assert_eq!(noted(), 2, "the inner one may read it");
        end(inner);
        end(around);
    }
}
