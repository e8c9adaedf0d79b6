//! The variables of a text, by number, and which of them can be seen.

use super::scan::Word;

/// How many there may be: those that are not where they were last are searched one by one.
const MAX_VARIABLES: usize = 200;
/// How many places there are to look in first.
const PLACES: usize = 256;

/// The variables of a text or of a body.
pub(super) struct Scope {
    /// All that were met; their numbers are their places.
    variables: Vec<Variable>,
    /// What is declared, innermost last.
    declared: Vec<u8>,
    /// Where a name was found last, by its hash.
    places: [u8; PLACES],
}

/// A variable by its name.
struct Variable {
    name: Word,
    at: usize,
    /// How many declarations of it are open.
    declared: u32,
}

impl Default for Scope {
    fn default() -> Self {
        Self { variables: Vec::new(), declared: Vec::new(), places: [0; PLACES] }
    }
}

impl Scope {
    /// Starts a text. Number 0 is `$`, which has no name.
    pub(super) fn start(&mut self) {
        self.variables.clear();
        self.declared.clear();
        self.variables.push(Variable { name: Word::default(), at: 0, declared: 1 });
    }

    /// How many declarations are open.
    pub(super) fn declared(&self) -> usize {
        self.declared.len()
    }

    /// Closes declarations until there are that many.
    pub(super) fn close(&mut self, declared: usize) {
        for number in self.declared.drain(declared..) {
            self.variables[usize::from(number)].declared -= 1;
        }
    }

    #[inline]
    fn find(&mut self, text: &[u8], name: Word, at: usize) -> Option<usize> {
        let same = |other: &Variable| other.name.is(text, other.at, name, at);
        let place = &mut self.places[name.place(PLACES)];
        let last = usize::from(*place);
        if self.variables.get(last).is_some_and(same) {
            return Some(last);
        }
        let found = self.variables.iter().position(same)?;
        *place = u8::try_from(found).ok()?;
        Some(found)
    }

    /// The number of a variable that is declared, whose name stands there.
    #[inline]
    pub(super) fn seen(&mut self, text: &[u8], name: Word, at: usize) -> Option<usize> {
        self.find(text, name, at).filter(|number| self.variables[*number].declared > 0)
    }

    /// Declares a variable, whose name stands there.
    #[inline]
    pub(super) fn declare(&mut self, text: &[u8], name: Word, at: usize) -> Option<usize> {
        let number = self.find(text, name, at).unwrap_or(self.variables.len());
        if number >= MAX_VARIABLES || self.declared.len() >= MAX_VARIABLES {
            return None;
        }
        if number == self.variables.len() {
            self.variables.push(Variable { name, at, declared: 0 });
        }
        self.variables[number].declared += 1;
        let short = u8::try_from(number).ok()?;
        self.declared.push(short);
        self.places[name.place(PLACES)] = short;
        Some(number)
    }
}
