//! Building a tree from what is told of a plain document.

use super::{Limits, Scalar, Sink, read_plain};

/// How many nodes that names stand for may make: far from what go-yaml calls excessive.
const MAX_FROM_NAMES: usize = 10_000;
/// As many are never excessive.
const FEW_FROM_NAMES: usize = 100;

/// Makes the nodes of a kind of tree.
pub trait Make {
    /// A key.
    type Key: Clone;
    /// A node.
    type Node: Clone;
    /// A key.
    fn key(&mut self, key: &str) -> Self::Key;
    /// A scalar; `None` if it is not known what it means.
    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<Self::Node>;
    /// A mapping; of several entries with one key the last counts.
    fn mapping(&mut self, entries: impl ExactSizeIterator<Item = (Self::Key, Self::Node)>) -> Self::Node;
    /// A sequence.
    fn sequence(&mut self, items: impl ExactSizeIterator<Item = Self::Node>) -> Self::Node;
    /// A copy that shares nothing that could be changed.
    fn copy(&mut self, node: &Self::Node) -> Option<Self::Node>;
    /// Copies of a mapping's entries.
    fn entries(&mut self, node: &Self::Node) -> Option<Vec<(Self::Key, Self::Node)>>;
}

/// The first document of a text as a tree, if it is a plain mapping or nothing.
pub fn build_plain<M: Make>(text: &str, limits: &Limits, make: M) -> Option<M::Node> {
    let mut builder = Builder {
        make,
        open: Vec::with_capacity(16),
        entries: Vec::with_capacity(32),
        items: Vec::new(),
        keys: Vec::with_capacity(16),
        done: None,
        anchors: Vec::new(),
        named: false,
        told: 0,
        from_names: 0,
        most_from_names: limits.alias_nodes.min(MAX_FROM_NAMES),
    };
    read_plain(text, limits, &mut builder)?;
    builder.done
}

/// An open collection.
struct Open {
    is_mapping: bool,
    /// Where its entries or items begin among those of all that are open.
    start: usize,
    /// Its place among the anchors.
    anchor: Option<usize>,
    /// How many nodes there were before it.
    told: usize,
}

/// What a name was given to.
struct Anchor<N> {
    name: String,
    /// None while it is open. Then how many nodes it has.
    node: Option<(N, usize)>,
}

struct Builder<M: Make> {
    make: M,
    open: Vec<Open>,
    /// What is there of the open mappings and sequences, so that each is made in one piece.
    entries: Vec<(M::Key, M::Node)>,
    items: Vec<M::Node>,
    /// The keys whose values are awaited.
    keys: Vec<M::Key>,
    done: Option<M::Node>,
    anchors: Vec<Anchor<M::Node>>,
    /// Whether the next collection is the last of the anchors.
    named: bool,
    /// How many nodes there are, and how many of them names stood for.
    told: usize,
    from_names: usize,
    most_from_names: usize,
}

impl<M: Make> Builder<M> {
    fn add(&mut self, node: M::Node) -> Option<()> {
        self.told += 1;
        match self.open.last() {
            Some(open) if open.is_mapping => {
                let key = self.keys.pop()?;
                self.entries.push((key, node));
            }
            Some(_) => self.items.push(node),
            None => self.done = Some(node),
        }
        Some(())
    }

    /// What a name was given to.
    fn named(&mut self, name: &str) -> Option<M::Node> {
        let anchor = self.anchors.iter().find(|anchor| anchor.name == name)?;
        let (node, nodes) = anchor.node.as_ref()?;
        self.told += nodes;
        self.from_names += nodes;
        // go-yaml allows 99 in 100.
        let many = self.from_names > FEW_FROM_NAMES && self.from_names > self.told / 10 * 9;
        if many || self.from_names > self.most_from_names {
            return None;
        }
        Some(node.clone())
    }
}

impl<M: Make> Sink for Builder<M> {
    fn key(&mut self, key: &str) -> Option<()> {
        self.told += 1;
        let key = self.make.key(key);
        self.keys.push(key);
        Some(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()> {
        let node = self.make.scalar(scalar)?;
        self.add(node)
    }

    fn open(&mut self, is_mapping: bool) -> Option<()> {
        let start = if is_mapping { self.entries.len() } else { self.items.len() };
        let anchor = std::mem::take(&mut self.named).then(|| self.anchors.len() - 1);
        self.open.push(Open { is_mapping, start, anchor, told: self.told });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Open { is_mapping, start, anchor, told } = self.open.pop()?;
        let node = match is_mapping {
            true => self.make.mapping(self.entries.drain(start..)),
            false => self.make.sequence(self.items.drain(start..)),
        };
        if let Some(at) = anchor {
            self.anchors[at].node = Some((node.clone(), self.told - told + 1));
        }
        self.add(node)
    }

    fn anchor(&mut self, name: &str) -> Option<()> {
        if self.anchors.iter().any(|anchor| anchor.name == name) {
            return None;
        }
        self.anchors.push(Anchor { name: name.to_owned(), node: None });
        self.named = true;
        Some(())
    }

    fn alias(&mut self, name: &str) -> Option<()> {
        let node = self.named(name)?;
        let copy = self.make.copy(&node)?;
        self.add(copy)
    }

    fn merge(&mut self, name: &str) -> Option<()> {
        let node = self.named(name)?;
        let entries = self.make.entries(&node)?;
        self.entries.extend(entries);
        Some(())
    }
}
