//! Desired and live in, ordered actions out.
