//! A table of short words: names of functions, fields and variables, which a reader looks up by the thousand.
//!
//! Like [`QuickMap`](super::hash::QuickMap) it does not withstand words made to collide.

use super::hash::mix;

/// Words, each with something of its own. None is ever taken out.
pub(super) struct Words<T> {
    /// Places in `entries`, plus one; a power of two of them, of which half is empty at least.
    slots: Vec<u32>,
    entries: Vec<Entry<T>>,
}

struct Entry<T> {
    hash: u64,
    length: usize,
    word: T,
}

impl<T> Default for Words<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), entries: Vec::new() }
    }
}

/// A hash that tells words of the same length below eight bytes apart.
#[inline]
pub(super) fn hash(word: &[u8]) -> u64 {
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    let start = word.len() as u64;
    if let Some(last) = word.last_chunk::<8>() {
        let (words, _) = word.as_chunks::<8>();
        let all = words.iter().fold(start, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        mix(all, u64::from_le_bytes(*last))
    } else if let (Some(first), Some(last)) = (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        mix(start, half(first) | half(last) << 32)
    } else {
        mix(start, word.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)))
    }
}

impl<T: AsRef<str>> Words<T> {
    /// With room for that many.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { slots: vec![0; (2 * count).next_power_of_two()], entries: Vec::with_capacity(count) }
    }

    /// The entry of a word.
    #[inline]
    pub(super) fn get(&self, word: &[u8]) -> Option<&T> {
        let place = self.place(hash(word), word)?;
        Some(&self.entries[place].word)
    }

    /// The entry of a word, which is made if there is none, and the word's [`hash`].
    #[inline]
    pub(super) fn get_or_insert(&mut self, word: &[u8], make: impl FnOnce() -> T) -> (&mut T, u64) {
        let hash = hash(word);
        let place = self.place(hash, word).unwrap_or_else(|| self.insert(hash, make()));
        (&mut self.entries[place].word, hash)
    }

    /// Puts a word in, in place of one that is the same.
    pub(super) fn put(&mut self, word: T) {
        let hash = hash(word.as_ref().as_bytes());
        match self.place(hash, word.as_ref().as_bytes()) {
            Some(place) => self.entries[place].word = word,
            None => {
                self.insert(hash, word);
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All of them, in the order of their coming.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().map(|entry| &entry.word)
    }

    /// The slot at which the search for a hash starts.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        // The product is good in its high bits.
        (hash >> 32) as usize & self.slots.len().wrapping_sub(1)
    }

    #[inline]
    fn place(&self, hash: u64, word: &[u8]) -> Option<usize> {
        let mut slot = self.slot(hash);
        loop {
            let place = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            let entry = self.entries.get(place)?;
            let alike = entry.hash == hash && entry.length == word.len();
            if alike && (word.len() < 8 || entry.word.as_ref().as_bytes() == word) {
                return Some(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn insert(&mut self, hash: u64, word: T) -> usize {
        if self.entries.len() == self.entries.capacity() {
            // By a quarter: a renderer knows some hundreds, and lives too briefly to use what doubling would leave empty.
            self.entries.reserve_exact((self.entries.len() / 4).max(256));
        }
        self.entries.push(Entry { hash, length: word.as_ref().len(), word });
        if 2 * self.entries.len() > self.slots.len() {
            self.slots = vec![0; (2 * self.entries.len()).next_power_of_two()];
            for place in 0..self.entries.len() {
                self.enter(place);
            }
        } else {
            self.enter(self.entries.len() - 1);
        }
        self.entries.len() - 1
    }

    fn enter(&mut self, place: usize) {
        let mut slot = self.slot(self.entries[place].hash);
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = u32::try_from(place + 1).expect("words are counted by far smaller limits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_that_were_put_in_and_no_others() {
        let mut words: Words<String> = Words::default();
        assert_eq!(words.get(b""), None);
        let all: Vec<String> = (0..3_000_usize).map(|n| "ab_".repeat(n % 9) + &n.to_string()).collect();
        for word in all.iter().chain(&all) {
            assert_eq!(
                words.get_or_insert(word.as_bytes(), || word.clone()),
                (&mut word.clone(), hash(word.as_bytes()))
            );
        }
        assert_eq!(words.len(), all.len());
        assert!(words.iter().eq(&all));
        for word in &all {
            assert_eq!(words.get(word.as_bytes()), Some(word));
            assert_eq!(words.get(format!("{word}x").as_bytes()), None);
        }
    }
}
