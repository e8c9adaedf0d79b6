//! Recursion without a stack overflow: deep templates and values get more stack when the thread's runs out.

use std::cell::Cell;

/// How deep calls may be nested before the stack is looked at: to find its end costs more than a small chart's values.
const SHALLOW: u32 = 16;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// One call, until it is over, however it ends.
struct Nested;

impl Drop for Nested {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Runs `f`; where it is nested deeply, with at least a quarter of a megabyte of stack left.
#[inline]
pub(crate) fn roomy<R>(f: impl FnOnce() -> R) -> R {
    let depth = DEPTH.replace(DEPTH.get() + 1);
    let _nested = Nested;
    if depth < SHALLOW { f() } else { stacker::maybe_grow(256 << 10, 4 << 20, f) }
}
