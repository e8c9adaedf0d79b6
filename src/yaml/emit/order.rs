//! The order in which go-yaml v2 prints string keys: letters by code point, digits by value, other characters first.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

static LETTER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{L}$").expect("a constant pattern"));
static DIGIT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\p{Nd}$").expect("a constant pattern"));

fn is_letter(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { LETTER.is_match(c.encode_utf8(&mut [0; 4])) }
}

fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { DIGIT.is_match(c.encode_utf8(&mut [0; 4])) }
}

/// Compares two keys as go-yaml v2 sorts them: `a9` before `a10`, `_x` before `ax`.
///
/// Not a total order for keys that differ only in leading zeros in some positions, exactly as the original.
#[must_use]
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    compare(a, b, false)
}

/// Compares two keys as go-yaml v3 sorts them: as v2, but a letter behind digits comes before other characters.
#[must_use]
pub fn natural_cmp_v3(a: &str, b: &str) -> Ordering {
    compare(a, b, true)
}

fn compare(a: &str, b: &str, v3: bool) -> Ordering {
    let (ab, bb) = (a.as_bytes(), b.as_bytes());
    let mut at = ab.iter().zip(bb).take_while(|(x, y)| x == y).count();
    if at == ab.len() || at == bb.len() {
        return ab.len().cmp(&bb.len());
    }
    if ab[at].is_ascii_alphabetic() && bb[at].is_ascii_alphabetic() {
        return ab[at].cmp(&bb[at]);
    }
    while !a.is_char_boundary(at) {
        at -= 1;
    }
    let (ar, br) = (&a[at..], &b[at..]);
    let (Some(ac), Some(bc)) = (ar.chars().next(), br.chars().next()) else {
        return ab.len().cmp(&bb.len());
    };
    let (al, bl) = (is_letter(ac), is_letter(bc));
    if al && bl {
        return ac.cmp(&bc);
    }
    if al || bl {
        let behind_digit = v3 && a[..at].chars().next_back().is_some_and(is_digit);
        return if bl != behind_digit { Ordering::Less } else { Ordering::Greater };
    }
    let mut start = 0;
    if ac == '0' || bc == '0' {
        // Zeros inside a number count: after a non-zero digit both numbers get the same leading digit.
        let inside = a[..at].chars().rev().take_while(|&c| is_digit(c)).any(|c| c != '0');
        start = i64::from(inside);
    }
    let (an, ai) = digits(ar, start);
    let (bn, bi) = digits(br, start);
    an.cmp(&bn).then(ai.cmp(&bi)).then(ac.cmp(&bc))
}

/// The number at the start (wrapping as Go's int64 does) and how many characters it has.
fn digits(s: &str, start: i64) -> (i64, usize) {
    s.chars().take_while(|&c| is_digit(c)).fold((start, 0), |(n, count), c| {
        (n.wrapping_mul(10).wrapping_add(i64::from(c as u32) - i64::from(b'0')), count + 1)
    })
}

/// Sorts by [`natural_cmp`] of a key, stably.
///
/// Not `slice::sort_by`: that may panic if an order is not total, and this one is not for every set of keys.
pub fn natural_sort_by<T: Copy>(items: &mut [T], key: impl Fn(&T) -> &str) {
    merge_sort(items, &|a: &T, b: &T| natural_cmp(key(a), key(b)) == Ordering::Less);
}

/// Sorts by [`natural_cmp_v3`] of a key, stably.
pub fn natural_sort_by_v3<T: Copy>(items: &mut [T], key: impl Fn(&T) -> &str) {
    merge_sort(items, &|a: &T, b: &T| natural_cmp_v3(key(a), key(b)) == Ordering::Less);
}

fn merge_sort<T: Copy>(items: &mut [T], less: &impl Fn(&T, &T) -> bool) {
    if items.len() <= 16 {
        for i in 1..items.len() {
            let mut j = i;
            while j > 0 && less(&items[j], &items[j - 1]) {
                items.swap(j, j - 1);
                j -= 1;
            }
        }
        return;
    }
    let middle = items.len() / 2;
    merge_sort(&mut items[..middle], less);
    merge_sort(&mut items[middle..], less);
    if !less(&items[middle], &items[middle - 1]) {
        return;
    }
    let left: Vec<T> = items[..middle].to_vec();
    let (mut i, mut j, mut to) = (0, middle, 0);
    while i < left.len() {
        if j < items.len() && less(&items[j], &left[i]) {
            items[to] = items[j];
            j += 1;
        } else {
            items[to] = left[i];
            i += 1;
        }
        to += 1;
    }
}
