//! What the functions of a render need to know to reuse a result: whether anything that it may have depended on has changed.
//!
//! Values are immutable but for maps. Every map knows when it was made, every write to a map is noted with its time, and
//! so are the reads of what changes from file to file (a chart's `.Template`) and the uses of the render's host (random
//! numbers, the time). A result computed from time `start` on, in whose course nothing older than `start` was written,
//! stays what it is until a map older than `start` is written. Per thread, as renders are.

use std::cell::{Cell, RefCell};

/// A point in the order of things that a thread does.
pub(crate) type Time = u64;

/// How many writes are told apart.
const MOST_WRITES: usize = 1 << 16;

#[derive(Default)]
struct Watch {
    clock: Cell<Time>,
    /// Writes: when, and when the written map was made. Of two writes only the later counts if its map is as old or older,
    /// so the oldest map comes first, and the first entry not before a time is the oldest map written since.
    writes: RefCell<Vec<(Time, Time)>>,
    passing_reads: Cell<u64>,
    host_uses: Cell<u64>,
}

thread_local! {
    static WATCH: Watch = Watch::default();
}

/// A new point in time, later than all before it.
pub(crate) fn now() -> Time {
    WATCH.try_with(|w| w.clock.replace(w.clock.get() + 1)).unwrap_or(0)
}

/// Notes a write to a map that was made then.
pub(super) fn written(made: Time) {
    let time = now();
    let _ = WATCH.try_with(|w| {
        let mut writes = w.writes.borrow_mut();
        while writes.last().is_some_and(|(_, older)| *older >= made) {
            writes.pop();
        }
        if writes.len() >= MOST_WRITES {
            // As if everything had been written.
            writes.clear();
            writes.push((time, 0));
        }
        writes.push((time, made));
    });
}

/// Whether, since `start`, a map older than that was written.
pub(crate) fn old_map_written_since(start: Time) -> bool {
    WATCH
        .try_with(|w| {
            let writes = w.writes.borrow();
            let first = writes.partition_point(|(time, _)| *time < start);
            writes.get(first).is_some_and(|(_, made)| *made < start)
        })
        .unwrap_or(true)
}

/// Notes a read of what changes from file to file.
pub(crate) fn passing_read() {
    let _ = WATCH.try_with(|w| w.passing_reads.set(w.passing_reads.get() + 1));
}

/// How many of these reads there were.
pub(crate) fn passing_reads() -> u64 {
    WATCH.try_with(|w| w.passing_reads.get()).unwrap_or(0)
}

/// Notes a use of the render's host.
pub(super) fn host_used() {
    let _ = WATCH.try_with(|w| w.host_uses.set(w.host_uses.get() + 1));
}

/// How many of these uses there were.
pub(crate) fn host_uses() -> u64 {
    WATCH.try_with(|w| w.host_uses.get()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Value;

    fn write(map: &Value) {
        map.as_map().expect("a map").set("k", Value::Nil).expect("not nil");
    }

    #[test]
    fn a_write_counts_for_those_who_came_after_the_map_was_made() {
        let old = Value::dict::<&str>([]);
        let first = now();
        let new = Value::dict::<&str>([]);
        let second = now();
        assert!(!old_map_written_since(first));
        write(&new);
        assert!(!old_map_written_since(first) && old_map_written_since(second));
        let third = now();
        assert!(!old_map_written_since(third));
        write(&old);
        write(&new);
        assert!(
            old_map_written_since(first) && old_map_written_since(second) && old_map_written_since(third)
        );
        assert!(!old_map_written_since(now()));
    }
}
