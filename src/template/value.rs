//! Go's dynamically typed values as templates see them.
//!
//! A [`Value`] is what Go would hold in an `interface{}`: nil, or a value with its concrete type. Maps are shared and
//! mutable (`set .Values ...` is seen by every later template), lists and strings are immutable, everything is cheap to
//! clone. A render runs in one thread, so sharing is `Rc`; what leaves a render is plain text.
//!
//! Go strings are bytes. Nearly all of them are UTF-8 and kept as [`Value::Str`]; one that is not (a binary file, a
//! multi-byte character cut by `trunc`) is [`Value::Raw`]. [`Value::from_bytes`] picks, [`Value::bytes`] reads both.
//!
//! Not modelled, because neither Helm nor sprig makes them: maps with other than string keys, arrays, channels, nil pointers.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;

use super::ast::Name;
pub use super::entries::Entries;
use super::func::Func;
use super::types::{IntKind, Kind, Named, Type, UintKind};
use super::watch::{self, Key};

/// A Go value in an `interface{}`.
#[derive(Clone, Default)]
pub enum Value {
    /// nil without a type.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// A signed integer; the kind tells `int` from `int64`. Numbers in templates are `int`.
    Int(IntKind, i64),
    /// An unsigned integer.
    Uint(UintKind, u64),
    /// `float64`: what a number in values read from YAML or JSON is.
    Float(f64),
    /// `float32`
    Float32(f32),
    /// `complex128`: real and imaginary part.
    Complex(f64, f64),
    /// `string` that is UTF-8.
    Str(Rc<str>),
    /// `string` that is not UTF-8.
    Raw(Rc<[u8]>),
    /// `[]byte`
    Bytes(Rc<[u8]>),
    /// A slice.
    List(Rc<List>),
    /// A map with string keys: shared, mutable.
    Map(Rc<Map>),
    /// A function value.
    Func(Rc<Func>),
    /// A struct, a pointer to one, or a value of a defined type, with its methods and fields.
    Object(Rc<dyn Object>),
}

/// A slice with its element type. Elements of `[]string` are all [`Value::Str`] or [`Value::Raw`], and so on.
pub struct List {
    ty: Type,
    nil: bool,
    items: Vec<Value>,
}

/// A map with string keys, its element type and, if it is of a defined type, that.
pub struct Map {
    ty: Type,
    nil: bool,
    /// When it was made, for [`watch`].
    made: watch::Time,
    /// An entry that changes from file to file, whose reads are noted.
    passing: Cell<Option<&'static str>>,
    entries: RefCell<Entries>,
}

/// A Go value with methods or fields: `.Files`, `.Capabilities`, a semver version, a time.
///
/// A struct implements `field`/`fields`; a defined type over a slice, map or basic type (`common.VersionSet`,
/// `time.Duration`) gives the bare value as `underlying`, and `range`, `len`, `index`, comparison and printing use that.
pub trait Object: Any {
    /// The type: a [`Type::Named`].
    fn go_type(&self) -> Type;
    /// An exported method by name, bound to this value.
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let _ = name;
        None
    }
    /// An exported field of a struct (or of the struct pointed to).
    fn field(&self, name: &str) -> Option<Value> {
        let _ = name;
        None
    }
    /// The map that a field of that name is an entry of: that of a defined type over a map, unless it has a method of that
    /// name.
    fn table(&self, name: &str) -> Option<&Map> {
        let _ = name;
        None
    }
    /// All fields of a struct in order, for `%v` and for encoders.
    fn fields(&self) -> Vec<(&'static str, Value)> {
        Vec::new()
    }
    /// The value without its defined type, unless it is a struct.
    fn underlying(&self) -> Option<Value> {
        None
    }
    /// A value of the same defined type over another underlying value (what copying one needs).
    fn with_underlying(&self, value: Value) -> Option<Value> {
        let _ = value;
        None
    }
    /// What `String()` or `Error()` returns, if the type has one of them; used by `%v`, `%s` and `%q`.
    fn string(&self) -> Option<String> {
        None
    }
    /// What `encoding/json` writes if that differs from the fields or the underlying value (a time is a string).
    fn json(&self) -> Option<Value> {
        None
    }
    /// `reflect.DeepEqual` with another object of the same type. The default compares what is visible.
    fn equals(&self, other: &dyn Object) -> bool {
        match (self.underlying(), other.underlying()) {
            (Some(a), Some(b)) => a.deep_equal(&b),
            _ => {
                let (a, b) = (self.fields(), other.fields());
                a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && x.1.deep_equal(&y.1))
            }
        }
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

impl List {
    /// A slice of a slice type `ty` ([`Type::LIST`], [`Type::STRINGS`], ...).
    #[must_use]
    pub fn new(ty: Type, items: Vec<Value>) -> Self {
        Self { ty, nil: false, items }
    }

    /// The nil slice of that type: prints as `[]`, encodes as `null`.
    #[must_use]
    pub fn nil(ty: Type) -> Self {
        Self { ty, nil: true, items: Vec::new() }
    }

    /// The slice type.
    #[must_use]
    pub fn go_type(&self) -> Type {
        self.ty
    }

    /// Whether this is the nil slice.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// The elements.
    #[must_use]
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Map {
    /// A map of a map type `ty` ([`Type::DICT`], [`Type::STRING_MAP`], a defined type over one of them).
    #[must_use]
    pub fn new(ty: Type, entries: Entries) -> Self {
        Self { ty, nil: false, made: watch::now(), passing: Cell::new(None), entries: RefCell::new(entries) }
    }

    /// The nil map of that type: reads as empty; writing to it is an error.
    #[must_use]
    pub fn nil(ty: Type) -> Self {
        Self { ty, nil: true, made: watch::now(), passing: Cell::new(None), entries: RefCell::default() }
    }

    /// The map type.
    #[must_use]
    pub fn go_type(&self) -> Type {
        self.ty
    }

    /// Whether this is the nil map.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.nil
    }

    /// Sets an entry that changes from file to file and is always there: not noted as a write; reads of it, and of all
    /// entries, are.
    pub(crate) fn set_passing(&self, key: &'static str, value: Value) {
        self.passing.set(Some(key));
        self.entries.borrow_mut().insert(key.into(), value);
    }

    fn note_walk(&self) {
        watch::walked(self.made);
        if self.passing.get().is_some() {
            watch::passing_read();
        }
    }

    #[inline]
    fn note_read(&self, text: &str, key: Key) {
        watch::looked_up(key);
        if self.passing.get().is_some_and(|passing| text == passing) {
            watch::passing_read();
        }
    }

    /// The value under a key (cheap: values are shared).
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.note_read(key, Key::of(key));
        self.entries.borrow().get(key).cloned()
    }

    /// What stands under names that lead from map to map, if all of them do, and whether its static type is `interface {}`.
    pub(super) fn reach(&self, names: &[Name]) -> Option<(Value, bool)> {
        let (name, rest) = names.split_first()?;
        self.note_read(name, name.key);
        let entries = self.entries.borrow();
        let value = entries.get(name)?;
        match rest.first() {
            None => Some((value.clone(), matches!(self.ty.elem(), Type::Any))),
            Some(next) => value.table(next)?.reach(rest),
        }
    }

    /// Whether the key is there, with whatever value.
    #[must_use]
    pub fn contains(&self, key: &str) -> bool {
        self.note_read(key, Key::of(key));
        self.entries.borrow().contains_key(key)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        watch::walked(self.made);
        self.entries.borrow().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let empty = self.entries.borrow().is_empty();
        if empty {
            watch::walked(self.made)
        } else {
            watch::not_empty(self.made)
        }
        empty
    }

    /// Sets an entry. `Err` with Go's panic text if this is the nil map.
    ///
    /// # Errors
    /// `assignment to entry in nil map`
    pub fn set(&self, key: impl Into<Rc<str>>, value: Value) -> Result<(), String> {
        if self.nil {
            return Err("assignment to entry in nil map".to_owned());
        }
        let key = key.into();
        let mut entries = self.entries.borrow_mut();
        match entries.get(&key) {
            // No change, as long as it was so before.
            Some(old) if old.is_identical(&value) => self.note_read(&key, Key::of(&key)),
            _ => {
                watch::written(self.made, &key);
                entries.insert(key, value);
            }
        }
        Ok(())
    }

    /// Removes an entry.
    pub fn remove(&self, key: &str) -> Option<Value> {
        watch::taken_out(self.made, key);
        self.entries.borrow_mut().remove(key)
    }

    /// Read access to all entries. Do not call anything that may write this map while it is held.
    #[must_use]
    pub fn entries(&self) -> Ref<'_, Entries> {
        self.note_walk();
        self.entries.borrow()
    }

    /// Write access to all entries. Do not call anything that may read this map while it is held.
    #[must_use]
    pub fn entries_mut(&self) -> RefMut<'_, Entries> {
        self.note_walk();
        watch::rewritten(self.made);
        self.entries.borrow_mut()
    }
}

/// Values nested deeply must not be dropped by recursion: the containers that nobody else holds are taken apart in a loop.
fn drop_in_a_loop(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    pending.extend(std::mem::take(&mut list.items).into_iter().filter(Value::is_container));
                }
            }
            Value::Map(map) => {
                if let Some(map) = Rc::into_inner(map) {
                    pending.extend(map.entries.take().into_values().filter(Value::is_container));
                }
            }
            _ => {}
        }
    }
}

impl Drop for List {
    fn drop(&mut self) {
        if self.items.iter().any(Value::is_container) {
            drop_in_a_loop(std::mem::take(&mut self.items));
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        let entries = self.entries.get_mut();
        if entries.values().any(Value::is_container) {
            drop_in_a_loop(std::mem::take(entries).into_values().collect());
        }
    }
}

impl Value {
    /// An `int`.
    #[must_use]
    pub fn int(n: i64) -> Self {
        Self::Int(IntKind::Int, n)
    }

    /// An `int64`.
    #[must_use]
    pub fn int64(n: i64) -> Self {
        Self::Int(IntKind::I64, n)
    }

    /// A `string` from text.
    #[must_use]
    pub fn str(text: impl Into<Rc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// A `string` from bytes, which may be anything.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => Self::Str(text.into()),
            Err(_) => Self::Raw(bytes.into()),
        }
    }

    /// An `[]interface {}`.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(List::new(Type::LIST, items)))
    }

    /// A slice of a slice type.
    #[must_use]
    pub fn typed_list(ty: Type, items: Vec<Value>) -> Self {
        Self::List(Rc::new(List::new(ty, items)))
    }

    /// A `[]string`.
    #[must_use]
    pub fn strings<T: Into<Rc<str>>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::typed_list(Type::STRINGS, items.into_iter().map(Self::str).collect())
    }

    /// A `map[string]interface {}`.
    #[must_use]
    pub fn dict<K: Into<Rc<str>>>(entries: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::typed_map(Type::DICT, entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// A map of a map type.
    #[must_use]
    pub fn typed_map(ty: Type, entries: Entries) -> Self {
        Self::Map(Rc::new(Map::new(ty, entries)))
    }

    /// Go's zero value of a type: "" for `string`, the nil map for a map, nil for an interface.
    #[must_use]
    pub fn zero(ty: Type) -> Self {
        match ty.underlying() {
            Type::Bool => Self::Bool(false),
            Type::Int(k) => Self::Int(k, 0),
            Type::Uint(k) => Self::Uint(k, 0),
            Type::Float32 => Self::Float32(0.0),
            Type::Float64 => Self::Float(0.0),
            Type::Complex128 => Self::Complex(0.0, 0.0),
            Type::String => Self::str(""),
            Type::BYTES => Self::Bytes(Rc::new([])),
            Type::List(_) => Self::List(Rc::new(List::nil(ty))),
            Type::Map(_) => Self::Map(Rc::new(Map::nil(ty))),
            Type::Any | Type::Reflect | Type::Func(_) | Type::Named(_) => Self::Nil,
        }
    }

    /// A value as `encoding/json` decodes it into an `interface{}`: numbers are `float64`.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as J;
        match json {
            J::Null => Self::Nil,
            J::Bool(b) => Self::Bool(*b),
            J::Number(n) => Self::Float(n.as_f64().unwrap_or(f64::NAN)),
            J::String(s) => Self::str(s.as_str()),
            J::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            J::Object(map) => Self::dict(map.iter().map(|(k, v)| (k.as_str(), Self::from_json(v)))),
        }
    }

    /// The concrete type; nil has none.
    #[must_use]
    pub fn go_type(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(k, _) => Type::Int(*k),
            Self::Uint(k, _) => Type::Uint(*k),
            Self::Float(_) => Type::Float64,
            Self::Float32(_) => Type::Float32,
            Self::Complex(..) => Type::Complex128,
            Self::Str(_) | Self::Raw(_) => Type::String,
            Self::Bytes(_) => Type::BYTES,
            Self::List(l) => l.ty,
            Self::Map(m) => m.ty,
            Self::Func(f) => f.go_type(),
            Self::Object(o) => o.go_type(),
        })
    }

    /// What `kindOf` tells.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.go_type().map_or(Kind::Invalid, Type::kind)
    }

    /// What `typeOf` and `%T` print: `<nil>` for nil.
    #[must_use]
    pub fn type_name(&self) -> Cow<'static, str> {
        if let Self::Func(func) = self {
            return Cow::Owned(func.signature.to_string());
        }
        match self.go_type() {
            None => Cow::Borrowed("<nil>"),
            Some(Type::Named(Named { name, .. })) => Cow::Borrowed(name),
            Some(ty) => Cow::Owned(ty.to_string()),
        }
    }

    /// The value of a defined type as its bare type (a `time.Duration` as `int64`); others as they are.
    #[must_use]
    pub fn bare(&self) -> Cow<'_, Self> {
        match self {
            Self::Object(o) => o.underlying().map_or(Cow::Borrowed(self), Cow::Owned),
            _ => Cow::Borrowed(self),
        }
    }

    /// The map that a field of that name is an entry of; what has none may have the field nevertheless.
    #[inline]
    pub(super) fn table(&self, name: &str) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            Self::Object(object) => object.table(name),
            _ => None,
        }
    }

    /// Whether this is nil, or the nil value of a slice, map or function type.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::List(l) => l.nil,
            Self::Map(m) => m.nil,
            _ => false,
        }
    }

    /// Whether no template could tell the two apart, not even by writing to them.
    fn is_identical(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(k, a), Self::Int(l, b)) => (k, a) == (l, b),
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::List(a), Self::List(b)) => Rc::ptr_eq(a, b),
            (Self::Map(a), Self::Map(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    fn is_container(&self) -> bool {
        matches!(self, Self::List(_) | Self::Map(_))
    }

    /// The bytes of a `string` or `[]byte`.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Str(s) => Some(s.as_bytes()),
            Self::Raw(b) | Self::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// The text of a `string`; bytes that are not UTF-8 are replaced. Use [`Value::bytes`] where every byte counts.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Str(s) => Some(Cow::Borrowed(s)),
            Self::Raw(b) => Some(String::from_utf8_lossy(b)),
            _ => None,
        }
    }

    /// Whether the kind is string.
    #[must_use]
    pub fn is_string(&self) -> bool {
        matches!(self, Self::Str(_) | Self::Raw(_))
    }

    /// The map, if this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Rc<Map>> {
        match self {
            Self::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The list, if this is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&Rc<List>> {
        match self {
            Self::List(l) => Some(l),
            _ => None,
        }
    }

    /// Go templates' truth: zero, empty and nil are false, a struct never is.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(_, n) => *n != 0,
            Self::Uint(_, n) => *n != 0,
            Self::Float(f) => *f != 0.0,
            Self::Float32(f) => *f != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::Raw(b) | Self::Bytes(b) => !b.is_empty(),
            Self::List(l) => !l.items.is_empty(),
            Self::Map(m) => !m.is_empty(),
            Self::Func(_) => true,
            Self::Object(o) => o.underlying().is_none_or(|v| v.truth()),
        }
    }

    /// `reflect.DeepEqual`: types must agree (1 is not 1.0), NaN differs from itself, nil and empty containers differ.
    #[must_use]
    pub fn deep_equal(&self, other: &Self) -> bool {
        let mut pending = vec![(self.clone(), other.clone())];
        while let Some((a, b)) = pending.pop() {
            let equal = match (&a, &b) {
                (Self::Nil, Self::Nil) => true,
                (Self::Bool(x), Self::Bool(y)) => x == y,
                (Self::Int(k, x), Self::Int(l, y)) => k == l && x == y,
                (Self::Uint(k, x), Self::Uint(l, y)) => k == l && x == y,
                (Self::Float(x), Self::Float(y)) => x == y,
                (Self::Float32(x), Self::Float32(y)) => x == y,
                (Self::Complex(x, xi), Self::Complex(y, yi)) => x == y && xi == yi,
                (Self::Str(x), Self::Str(y)) => x == y,
                (Self::Raw(x), Self::Raw(y)) | (Self::Bytes(x), Self::Bytes(y)) => x == y,
                (Self::List(x), Self::List(y)) => {
                    let same_shape = x.ty == y.ty && x.nil == y.nil && x.items.len() == y.items.len();
                    if same_shape && !Rc::ptr_eq(x, y) {
                        pending.extend(x.items.iter().cloned().zip(y.items.iter().cloned()));
                    }
                    same_shape
                }
                (Self::Map(x), Self::Map(y)) => {
                    let same_shape = x.ty == y.ty && x.nil == y.nil && x.len() == y.len();
                    if same_shape && !Rc::ptr_eq(x, y) {
                        let (x, y) = (x.entries(), y.entries());
                        if x.keys().ne(y.keys()) {
                            return false;
                        }
                        pending.extend(x.values().cloned().zip(y.values().cloned()));
                    }
                    same_shape
                }
                (Self::Object(x), Self::Object(y)) => x.go_type() == y.go_type() && x.equals(&**y),
                _ => false,
            };
            if !equal {
                return false;
            }
        }
        true
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(f: f64) -> Self {
        Self::Float(f)
    }
}

impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Self::str(s)
    }
}

impl From<String> for Value {
    fn from(s: String) -> Self {
        Self::str(s)
    }
}

impl From<Vec<u8>> for Value {
    /// A `string`, as [`Value::from_bytes`].
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_bytes(&bytes)
    }
}
