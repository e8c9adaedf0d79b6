//! The running of templates: what a function body may ask of it.

use std::any::Any;
use std::rc::Rc;

use super::error::{ExecError, FuncError};
use super::set::Set;
use super::value::Value;

/// What a render may use up before it is stopped with an error.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How deep templates may call templates (`template`, `include`, `tpl`). Go allows 100,000.
    pub depth: usize,
    /// How many steps (nodes walked, functions called, eight bytes of text made) may be taken.
    pub steps: u64,
    /// How many bytes a single text or the output may have.
    pub text: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 100_000, steps: 200_000_000, text: 64 << 20 }
    }
}

/// A running render: which templates it sees, what it has used up, and what its functions share.
pub struct Exec {
    set: Set,
    limits: Limits,
    steps: u64,
    host: Rc<dyn Any>,
}

impl Exec {
    /// A render over a set of templates. `host` is what Helm's and sprig's functions share (clock, seed, lookups).
    #[must_use]
    pub fn new(set: Set, limits: Limits, host: Rc<dyn Any>) -> Self {
        Self { set, limits, steps: 0, host }
    }

    /// The shared state of the functions, if it is of that type.
    #[must_use]
    pub fn host<T: 'static>(&self) -> Option<&T> {
        self.host.downcast_ref()
    }

    /// The templates that the running template sees.
    #[must_use]
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// The names of the templates that are running, outermost first.
    #[must_use]
    pub fn chain(&self) -> &[Rc<str>] {
        &[]
    }

    /// Executes a template of the current set, appending to `out`.
    ///
    /// # Errors
    /// The template is not there, fails, or a limit is reached.
    pub fn run(&mut self, name: &str, dot: Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        let _ = (name, dot, out);
        Ok(())
    }

    /// The same within another set (what `tpl` does: a clone of the current one plus its text).
    ///
    /// # Errors
    /// As [`Exec::run`].
    pub fn run_in(&mut self, set: Set, name: &str, dot: Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        let outer = std::mem::replace(&mut self.set, set);
        let done = self.run(name, dot, out);
        self.set = outer;
        done
    }

    /// Counts work that a function does beyond being called, such as elements or bytes made.
    ///
    /// # Errors
    /// The step limit is reached.
    pub fn charge(&mut self, steps: u64) -> Result<(), FuncError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(FuncError::Message(format!(
                "stopped after {} steps: the template does not seem to end",
                self.limits.steps
            )));
        }
        Ok(())
    }

    /// To be asked before a text of that size is made.
    ///
    /// # Errors
    /// The text would be larger than allowed.
    pub fn check_text(&self, bytes: usize) -> Result<(), FuncError> {
        if bytes > self.limits.text {
            return Err(FuncError::Message(format!(
                "a text of {bytes} bytes is larger than the limit of {} bytes",
                self.limits.text
            )));
        }
        Ok(())
    }
}
