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
    /// Which variable a name with that hash was last; 0 if there was none.
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
        self.places.fill(0);
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
        if last == 0 {
            return None;
        }
        let found = self.variables.iter().position(same)?;
        if found > 0 {
            *place = u8::try_from(found).ok()?;
        }
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

#[cfg(test)]
mod tests {
    use super::super::scan::word;
    use super::*;

    #[test]
    fn variables_keep_their_numbers_and_are_seen_while_declared() {
        let names: Vec<String> = (0..150).map(|n| format!("{}{n}", "v".repeat(n % 20))).collect();
        let text = names.join(" ");
        let places = || names.iter().scan(0, |at, name| Some(std::mem::replace(at, *at + name.len() + 1)));
        let text = text.as_bytes();
        let mut scope = Scope::default();
        for _ in 0..2 {
            scope.start();
            for (n, at) in places().enumerate() {
                assert_eq!(scope.seen(text, word(text, at), at), None);
                assert_eq!(scope.declare(text, word(text, at), at), Some(n + 1));
                assert_eq!(scope.seen(text, Word::default(), 0), Some(0), "`$` is always there");
            }
            for (n, at) in places().enumerate().take(20) {
                assert_eq!(scope.declare(text, word(text, at), at), Some(n + 1), "declared again");
            }
            scope.close(150);
            scope.close(100);
            for (n, at) in places().enumerate() {
                assert_eq!(scope.seen(text, word(text, at), at), (n < 100).then_some(n + 1));
                assert_eq!(scope.seen(text, Word::default(), 0), Some(0));
            }
            scope.close(0);
        }
        assert!((0..100).all(|_| scope.declare(text, word(text, 0), 0).is_some()));
        assert!((0..101).any(|_| scope.declare(text, word(text, 0), 0).is_none()), "there is a limit");
    }
}
