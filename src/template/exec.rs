//! The running of templates: what a function body may ask of it.

use std::any::Any;
use std::rc::Rc;

use super::error::{ExecError, FuncError};
use super::eval::{Frame, Slot};
use super::set::{Set, Template};
use super::stack::roomy;
use super::strconv::quote;
use super::value::Value;
use super::watch;

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
    chain: Vec<Rc<str>>,
    /// The variables of the templates that are running, those of the innermost last.
    pub(super) vars: Vec<(u32, Slot)>,
    host: Rc<dyn Any>,
}

impl Exec {
    /// A render over a set of templates. `host` is what Helm's and sprig's functions share (clock, seed, lookups).
    #[must_use]
    pub fn new(set: Set, limits: Limits, host: Rc<dyn Any>) -> Self {
        Self { set, limits, steps: 0, chain: Vec::new(), vars: Vec::new(), host }
    }

    /// The shared state of the functions, if it is of that type.
    #[must_use]
    pub fn host<T: 'static>(&self) -> Option<&T> {
        watch::host_used();
        self.host.downcast_ref()
    }

    /// The same as something that can be kept while `self` is used. For what has no say in what functions give: its use is
    /// not noted.
    #[must_use]
    pub fn shared_host(&self) -> Rc<dyn Any> {
        Rc::clone(&self.host)
    }

    /// The templates that the running template sees.
    #[must_use]
    pub fn set(&self) -> &Set {
        &self.set
    }

    /// Replaces the templates for what is run from now on.
    pub fn replace_set(&mut self, set: Set) -> Set {
        std::mem::replace(&mut self.set, set)
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The names of the templates that are running, outermost first.
    #[must_use]
    pub fn chain(&self) -> &[Rc<str>] {
        &self.chain
    }

    /// Executes a template of the current set, appending to `out`.
    ///
    /// # Errors
    /// The template is not there, fails, or a limit is reached.
    pub fn run(&mut self, name: &str, dot: Value, out: &mut Vec<u8>) -> Result<(), ExecError> {
        let Some(template) = self.set.get(name) else {
            let (wanted, set) = (quote(name.as_bytes()), quote(self.set.name().as_bytes()));
            let message = format!("no template {wanted} associated with template {set}");
            return Err(ExecError { template: "".into(), at: None, message, cause: None });
        };
        self.run_template(&template, dot, out)
    }

    /// Executes a template that [`Set::parse`] gave.
    ///
    /// # Errors
    /// The template fails, or a limit is reached.
    pub fn run_template(
        &mut self,
        template: &Rc<Template>,
        dot: Value,
        out: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        if let Err(message) = self.enter(template) {
            return Err(ExecError { template: Rc::clone(&template.name), at: None, message, cause: None });
        }
        let done = roomy(|| Frame::run(self, template, &Slot::plain(dot), out));
        self.leave();
        done.map_err(|e| *e)
    }

    /// Executes a template within another set (what `tpl` does: a clone of the current one plus its text).
    ///
    /// # Errors
    /// As [`Exec::run`].
    pub fn run_in(
        &mut self,
        set: Set,
        template: &Rc<Template>,
        dot: Value,
        out: &mut Vec<u8>,
    ) -> Result<(), ExecError> {
        let outer = self.replace_set(set);
        let done = self.run_template(template, dot, out);
        self.set = outer;
        done
    }

    pub(super) fn enter(&mut self, template: &Template) -> Result<(), String> {
        if self.chain.len() > self.limits.depth {
            return Err(format!("exceeded maximum template depth ({})", self.limits.depth));
        }
        self.chain.push(Rc::clone(&template.name));
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.chain.pop();
    }

    /// Counts a step. False if there are no more.
    pub(super) fn step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= self.limits.steps
    }

    pub(super) fn out_of_steps(&self) -> String {
        format!("stopped after {} steps: the template does not seem to end", self.limits.steps)
    }

    /// Counts a call and the text it made.
    #[inline]
    pub(super) fn charge_result(&mut self, value: &Value) -> Result<(), FuncError> {
        let bytes = value.bytes().map_or(0, <[u8]>::len);
        self.check_text(bytes)?;
        self.charge(1 + bytes as u64 / 8)
    }

    /// Counts work that a function does beyond being called, such as elements or bytes made.
    ///
    /// # Errors
    /// The step limit is reached.
    pub fn charge(&mut self, steps: u64) -> Result<(), FuncError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.limits.steps {
            return Err(FuncError::Message(self.out_of_steps()));
        }
        Ok(())
    }

    /// To be asked before a text of that size is made.
    ///
    /// # Errors
    /// The text would be larger than allowed.
    pub fn check_text(&self, bytes: usize) -> Result<(), FuncError> {
        if bytes > self.limits.text {
            let limit = self.limits.text;
            return Err(FuncError::Message(format!("a text is larger than the limit of {limit} bytes")));
        }
        Ok(())
    }
}
