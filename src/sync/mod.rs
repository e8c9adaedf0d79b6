//! The loop: source, render, plan, apply, watch, correct.
