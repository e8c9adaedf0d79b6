//! A quick hash for maps that live as long as a render: names of templates and functions, texts that were parsed.
//!
//! It does not withstand keys made to collide; the worst that such a chart gains is that its own render is slow.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map with this hash.
pub(crate) type QuickMap<K, V> = HashMap<K, V, BuildHasherDefault<Quick>>;

/// The state of the hash.
#[derive(Default)]
pub(crate) struct Quick(u64);

pub(super) fn mix(h: u64, word: u64) -> u64 {
    (h.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

impl Hasher for Quick {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = mix(self.0, u64::from_le_bytes(*word));
        }
        if rest.is_empty() {
            return;
        }
        // What is left is read in pieces that may overlap; the length tells such texts apart.
        let half = |four: &[u8; 4]| u64::from(u32::from_le_bytes(*four));
        let last = if let Some(last) = bytes.last_chunk::<8>() {
            u64::from_le_bytes(*last)
        } else if let (Some(first), Some(last)) = (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
            half(first) | half(last) << 32
        } else {
            let byte = |at: usize| u64::from(rest[at]);
            byte(0) | byte(rest.len() / 2) << 8 | byte(rest.len() - 1) << 16
        };
        self.0 = mix(self.0 ^ rest.len() as u64, last);
    }

    fn write_u8(&mut self, n: u8) {
        self.0 = mix(self.0, n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.0 = mix(self.0, n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = mix(self.0, n);
    }

    fn finish(&self) -> u64 {
        // The table takes its group from the low bits and its tags from the high ones; the product is good in the high ones.
        self.0.rotate_left(26)
    }
}

/// A hash of a text, in four strands so that a large one takes as long as reading it.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut strands = [1_u64, 2, 3, 4];
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (strand, word) in strands.iter_mut().zip(words) {
            *strand = mix(*strand, u64::from_le_bytes(*word));
        }
    }
    let mut quick = Quick(bytes.len() as u64);
    strands.iter().for_each(|s| quick.write_u64(*s));
    quick.write(rest);
    quick.finish()
}
