//! Scalars that stand in several places of one object at once.
//!
//! The original's label transformer puts one and the same node into every field that it creates for a label, so a later
//! patch of one of these fields changes all of them (case `labels-shared-by-fields` shows it). Our trees do not share
//! nodes. Nodes made that way carry a number instead, in a position that no file has (line 0): whoever writes to such a
//! node notes it in [`Shares`], and [`Shares::settle`] writes the same to its twins.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::yaml::{Node, Pos, Value};

/// A number for a new group of twins. Only equality inside one object counts, so wrapping around is harmless.
#[must_use]
pub fn next_group() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed).max(1)
}

/// The position of a node that belongs to a group.
#[must_use]
pub fn mark(group: u32) -> Pos {
    Pos { line: 0, column: group }
}

fn group(node: &Node) -> Option<u32> {
    (node.pos.line == 0 && node.pos.column != 0).then_some(node.pos.column)
}

/// Writes to shared nodes that their twins have not seen yet.
#[derive(Debug, Default)]
pub struct Shares {
    written: Vec<(u32, Value)>,
}

impl Shares {
    /// Gives a node a new value; the node stays in its group.
    pub fn assign(&mut self, slot: &mut Node, value: Value) {
        if let Some(group) = group(slot) {
            self.written.push((group, value.clone()));
            slot.value = value;
        } else {
            slot.value = value;
        }
    }

    /// Notes that a node was changed in place.
    pub fn changed(&mut self, node: &Node) {
        if let Some(group) = group(node) {
            self.written.push((group, node.value.clone()));
        }
    }

    /// Writes what was noted to the twins in the object; the last write wins.
    pub fn settle(self, root: &mut Node) {
        if !self.written.is_empty() {
            write(root, &self.written);
        }
    }
}

fn write(node: &mut Node, written: &[(u32, Value)]) {
    if let Some(own) = group(node)
        && let Some((_, value)) = written.iter().rev().find(|(group, _)| *group == own)
    {
        node.value = value.clone();
        return;
    }
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Sequence(list) => list.iter_mut().for_each(|n| write(n, written)),
        Value::Mapping(map) => map.entries.iter_mut().for_each(|e| write(&mut e.value, written)),
    }
}

/// Ends all sharing in an object, as writing it out and reading it back does.
pub fn unshare(node: &mut Node) {
    if group(node).is_some() {
        node.pos = Pos::default();
    }
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Sequence(list) => list.iter_mut().for_each(unshare),
        Value::Mapping(map) => map.entries.iter_mut().for_each(|e| unshare(&mut e.value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_one_twin_reaches_the_others() {
        let twin = |group| Node { pos: mark(group), ..Node::str("old") };
        let mut root = Node::mapping();
        let map = root.as_map_mut().unwrap();
        map.set("a", twin(7));
        map.set("b", twin(7));
        map.set("c", twin(8));
        let mut shares = Shares::default();
        let slot = root.get_mut("a").unwrap();
        shares.assign(slot, Node::str("new").value);
        shares.settle(&mut root);
        assert_eq!(root.get("b"), Some(&Node::str("new")));
        assert_eq!(root.get("c"), Some(&Node::str("old")));
    }
}
