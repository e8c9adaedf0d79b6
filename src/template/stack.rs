//! Recursion without a stack overflow: deep templates and values get more stack when the thread's runs out.

/// Runs `f` with at least a quarter of a megabyte of stack left.
#[inline]
pub(crate) fn roomy<R>(f: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(256 << 10, 4 << 20, f)
}
