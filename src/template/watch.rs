//! What the functions of a render need to know to reuse a result: whether anything that it depended on has changed.
//!
//! Values are immutable but for maps. Every map knows when it was made; every write that changes one is noted with its time
//! and key, and while a result is computed the keys that it looks up and the maps that it walks are noted, as sets that
//! may say yes too often and never no. So is the reading of what changes from file to file (a chart's `.Template`), and
//! the use of the render's host (random numbers, the time). A result in whose course no map older than itself was changed
//! stays what it is until such a map is changed under a key that it looked up, or one that it walked. Per thread, as
//! renders are.

use std::cell::{Cell, RefCell};
use std::hash::Hasher as _;

use super::hash::Quick;

/// A point in the order of things that a thread does.
pub(crate) type Time = u64;

/// Bits of a set.
const BITS: u64 = 4096;

/// A set of hashes that may hold more than was put in, not less.
#[derive(Clone)]
struct Hashes(Box<[u64; (BITS / 64) as usize]>);

impl Default for Hashes {
    fn default() -> Self {
        Self(Box::new([0; (BITS / 64) as usize]))
    }
}

impl Hashes {
    fn place(hash: u64) -> (usize, u64) {
        let bit = hash % BITS;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    fn add(&mut self, hash: u64) {
        let (word, bit) = Self::place(hash);
        self.0[word] |= bit;
    }

    fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(word, more)| *word |= more);
    }

    fn has(&self, hash: u64) -> bool {
        let (word, bit) = Self::place(hash);
        self.0[word] & bit != 0
    }
}

/// What a computation read.
#[derive(Clone, Default)]
pub(crate) struct Reads {
    hashes: Hashes,
    /// Whether it read what changes from file to file.
    pub(crate) passing: bool,
    /// Whether it used the render's host.
    pub(crate) host: bool,
}

#[derive(Clone, Copy)]
struct Write {
    time: Time,
    /// When the map was made.
    made: Time,
    key: u64,
}

#[derive(Default)]
struct Watch {
    clock: Cell<Time>,
    writes: RefCell<Vec<Write>>,
    /// Writes before this time are no longer known.
    forgotten: Cell<Time>,
    reads: RefCell<Reads>,
}

/// How many writes are remembered.
const MOST_WRITES: usize = 1 << 16;

thread_local! {
    static WATCH: Watch = Watch::default();
}

fn hash(key: &str) -> u64 {
    let mut hasher = Quick::default();
    hasher.write(key.as_bytes());
    hasher.finish()
}

/// The hash that stands for all of a map.
fn whole(made: Time) -> u64 {
    let mut hasher = Quick::default();
    hasher.write_u64(made);
    hasher.finish()
}

/// A new point in time, later than all before it.
pub(crate) fn now() -> Time {
    WATCH.try_with(|w| w.clock.replace(w.clock.get() + 1)).unwrap_or(0)
}

/// Notes a change of a map that was made then; without a key, of all of it.
pub(super) fn written(made: Time, key: Option<&str>) {
    let time = now();
    let _ = WATCH.try_with(|w| {
        let mut writes = w.writes.borrow_mut();
        if writes.len() >= MOST_WRITES || key.is_none() {
            writes.clear();
            w.forgotten.set(time);
        }
        if let Some(key) = key {
            writes.push(Write { time, made, key: hash(key) });
        }
    });
}

/// Notes that a key was looked up.
pub(super) fn looked_up(key: &str) {
    let _ = WATCH.try_with(|w| w.reads.borrow_mut().hashes.add(hash(key)));
}

/// Notes that a map made then was walked.
pub(super) fn walked(made: Time) {
    let _ = WATCH.try_with(|w| w.reads.borrow_mut().hashes.add(whole(made)));
}

/// Notes a read of what changes from file to file.
pub(super) fn passing_read() {
    let _ = WATCH.try_with(|w| w.reads.borrow_mut().passing = true);
}

/// Notes a use of the render's host.
pub(super) fn host_used() {
    let _ = WATCH.try_with(|w| w.reads.borrow_mut().host = true);
}

/// Starts to note the reads of a computation; gives those of the one around it, to be given back to [`end`].
pub(crate) fn begin() -> Reads {
    WATCH.try_with(|w| w.reads.take()).unwrap_or_default()
}

/// Ends what [`begin`] began and gives its reads, which are also those of the computation around it.
pub(crate) fn end(mut around: Reads) -> Reads {
    WATCH
        .try_with(|w| {
            let reads = w.reads.take();
            around.add(&reads);
            w.reads.replace(around);
            reads
        })
        .unwrap_or_default()
}

/// Notes reads again, for a result that is used again.
pub(crate) fn again(reads: &Reads) {
    let _ = WATCH.try_with(|w| w.reads.borrow_mut().add(reads));
}

impl Reads {
    fn add(&mut self, other: &Self) {
        self.hashes.add_all(&other.hashes);
        self.passing |= other.passing;
        self.host |= other.host;
    }
}

/// Whether, since `from`, a map older than `start` was changed in what was read.
pub(crate) fn changed(start: Time, from: Time, reads: Option<&Reads>) -> bool {
    WATCH
        .try_with(|w| {
            let writes = w.writes.borrow();
            let first = writes.partition_point(|write| write.time < from);
            w.forgotten.get() >= from
                || writes[first..].iter().any(|write| {
                    write.made < start
                        && reads.is_none_or(|r| r.hashes.has(write.key) || r.hashes.has(whole(write.made)))
                })
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
    fn a_change_counts_for_those_who_came_after_the_map_and_read_it() {
        let old = Value::dict::<&str>([]);
        write(&old, "k", 1);
        let start = now();
        let around = begin();
        let new = Value::dict::<&str>([]);
        write(&new, "k", 1);
        let _ = old.as_map().expect("a map").get("k");
        let reads = end(around);
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
        let reads = end(around);
        write(&old, "third", 1);
        assert!(changed(start, start, Some(&reads)));
        assert!(!begin().host);
    }
}
