//! The tree that both readers make.

/// Where a node stands in its file. Both start at 1; 0 means "made by the program, stands nowhere".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Pos {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A node with its place. Equality ignores the place.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub pos: Pos,
}

/// The three kinds of node. Aliases and merge keys are expanded by the readers.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A scalar with its resolved tag.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in document order.
    Mapping(Mapping),
}

/// A scalar: the text as written (unescaped), and what the reader's rules make of it.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text after unescaping and folding, before typing: `0x1F` stays `0x1F`.
    pub text: Box<str>,
    /// The type that the reader resolved, or the explicit tag.
    pub tag: Tag,
    /// How it was written. Never decides equality.
    pub style: Style,
}

/// The tags that go-yaml resolves to; anything else is carried as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `!!null`
    Null,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!str`
    Str,
    /// `!!timestamp`
    Timestamp,
    /// `!!binary`
    Binary,
    /// An application tag such as `!foo`.
    Other(Box<str>),
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// Without quotes.
    #[default]
    Plain,
    /// `'...'`
    SingleQuoted,
    /// `"..."`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key; almost always a string scalar.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// A mapping in document order. Duplicate keys are possible until a caller asks for them to be refused.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mapping {
    /// The entries in order.
    pub entries: Vec<Entry>,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag && self.text == other.text
    }
}

impl Node {
    /// A string made by the program.
    #[must_use]
    pub fn str(text: impl Into<Box<str>>) -> Self {
        Self::scalar(Tag::Str, text)
    }

    /// A scalar of a given tag made by the program.
    #[must_use]
    pub fn scalar(tag: Tag, text: impl Into<Box<str>>) -> Self {
        Self::from(Value::Scalar(Scalar { text: text.into(), tag, style: Style::Plain }))
    }

    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::scalar(Tag::Null, "null")
    }

    /// An empty mapping.
    #[must_use]
    pub fn mapping() -> Self {
        Self::from(Value::Mapping(Mapping::default()))
    }

    /// The scalar's text if this is a scalar of any tag.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(s) => Some(&s.text),
            _ => None,
        }
    }

    /// The text if this is a `!!str` scalar.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(s) if s.tag == Tag::Str => Some(&s.text),
            _ => None,
        }
    }

    /// Whether this is a `!!null` scalar.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(s) if s.tag == Tag::Null)
    }

    /// The mapping, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Mapping> {
        match &self.value {
            Value::Mapping(m) => Some(m),
            _ => None,
        }
    }

    /// The mapping, if this is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Mapping> {
        match &mut self.value {
            Value::Mapping(m) => Some(m),
            _ => None,
        }
    }

    /// The sequence, if this is one.
    #[must_use]
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.value {
            Value::Sequence(s) => Some(s),
            _ => None,
        }
    }

    /// The sequence, if this is one.
    pub fn as_seq_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.value {
            Value::Sequence(s) => Some(s),
            _ => None,
        }
    }

    /// The value under a key, if this is a mapping that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The value under a key, if this is a mapping that has it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { value, pos: Pos::default() }
    }
}

impl Mapping {
    /// The first value under a key (compared by the key's text).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|e| e.key.text() == Some(key)).map(|e| &e.value)
    }

    /// The first value under a key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|e| e.key.text() == Some(key)).map(|e| &mut e.value)
    }

    /// Replaces the value under a key in place, or appends it.
    pub fn set(&mut self, key: &str, value: Node) {
        match self.get_mut(key) {
            Some(slot) => *slot = value,
            None => self.entries.push(Entry { key: Node::str(key), value }),
        }
    }

    /// Takes the first entry with that key out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|e| e.key.text() == Some(key))?;
        Some(self.entries.remove(at).value)
    }
}
