//! Lists of a template's tree: most hold one item, which then stands in the list's own place.

use std::ops::Deref;
use std::slice;

/// A list that cannot change: commands, operands, names of fields.
#[derive(Debug)]
pub enum List<T> {
    /// One item.
    One(T),
    /// None, or several.
    Many(Box<[T]>),
}

/// The end of a list as a list of its own.
#[inline]
pub(super) fn take<T>(list: &mut Vec<T>, from: usize) -> Box<[T]> {
    match List::take(list, from) {
        List::One(one) => Box::new([one]),
        List::Many(many) => many,
    }
}

impl<T> List<T> {
    /// The end of a list as a list of its own.
    #[inline]
    pub(super) fn take(list: &mut Vec<T>, from: usize) -> Self {
        if list.len() == from + 1
            && let Some(one) = list.pop()
        {
            return Self::One(one);
        }
        if list.len() == from {
            return Self::default();
        }
        Self::Many(list.split_off(from).into_boxed_slice())
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::Many(Box::default())
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::One(one) => slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::{Command, Expr, Name, Pipe};
    use super::*;

    #[test]
    fn a_list_is_what_stood_at_the_end_of_another() {
        let mut all = vec![1, 2, 3, 4, 5];
        assert_eq!(*List::take(&mut all, 3), [4, 5]);
        let one = List::take(&mut all, 2);
        assert!(matches!(one, List::One(3)) && *one == [3]);
        assert!(List::take(&mut all, 2).is_empty() && *all == [1, 2]);
    }

    #[test]
    fn a_list_of_one_takes_no_more_than_the_item() {
        assert_eq!(size_of::<List<Expr>>(), size_of::<Expr>());
        assert_eq!(size_of::<List<Name>>(), size_of::<Name>());
        assert_eq!([size_of::<Expr>(), size_of::<List<Command>>(), size_of::<Pipe>()], [24, 32, 56]);
    }
}
