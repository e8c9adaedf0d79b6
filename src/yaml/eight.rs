//! Runs of bytes, looked at eight at a time: for readers whose words, blanks and texts are short, where a call costs more
//! than the search.
//!
//! Marks are a `u64` of eight bytes, the first the lowest, of which each is 0x80 or 0. Only the lowest mark is sure to be
//! right: a borrow may set further ones.

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// The eight bytes from an offset, if there are as many.
#[inline]
pub(crate) fn eight(text: &[u8], at: usize) -> Option<u64> {
    text.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The index of the lowest mark.
#[inline]
fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// Marks the bytes that are `byte`.
#[inline]
pub(crate) fn equal(bytes: u64, byte: u8) -> u64 {
    let other = bytes ^ (ONES * u64::from(byte));
    other.wrapping_sub(ONES) & !other & HIGH
}

/// Marks the bytes below `limit`, which is at most 0x80.
#[inline]
pub(crate) fn below(bytes: u64, limit: u8) -> u64 {
    bytes.wrapping_sub(ONES * u64::from(limit)) & !bytes & HIGH
}

/// Marks the bytes that are not `byte`, whichever the mark is in: all of these are right.
#[inline]
pub(crate) fn unequal(bytes: u64, byte: u8) -> u64 {
    let other = bytes ^ (ONES * u64::from(byte));
    (((other & !HIGH) + !HIGH) | other) & HIGH
}

/// Where the first byte from an offset stands that is marked; the end of the text if there is none.
#[inline]
pub(crate) fn find(text: &[u8], mut at: usize, marks: impl Fn(u64) -> u64) -> usize {
    while let Some(bytes) = eight(text, at) {
        let found = marks(bytes);
        if found != 0 {
            return at + first(found);
        }
        at += 8;
    }
    while at < text.len() && marks(u64::from(text[at])) & 0x80 == 0 {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_found_at_every_place() {
        for byte in 0..=u8::MAX {
            for other in [b'a', b'_', 0, 0x7f, 0x80, 0xff, byte.wrapping_add(1), byte.wrapping_sub(1)] {
                for place in 0..20 {
                    let mut text = [other; 20];
                    text[place] = byte;
                    let found = |is: &dyn Fn(u8) -> bool| text.iter().position(|b| is(*b)).unwrap_or(20);
                    assert_eq!(find(&text, 0, |b| equal(b, byte)), found(&|b| b == byte));
                    assert_eq!(find(&text, 0, |b| unequal(b, other)), found(&|b| b != other));
                    assert_eq!(find(&text, 20, |b| equal(b, byte)), 20);
                    for limit in [1, b' ', 0x7f, 0x80] {
                        assert_eq!(find(&text, 0, |b| below(b, limit)), found(&|b| b < limit));
                    }
                }
            }
        }
    }
}
