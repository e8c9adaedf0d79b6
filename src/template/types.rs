//! Go's static types as templates can see them: `kindOf`, `typeOf`, `%T`, parameter types of functions.
//!
//! Only what is reachable from a template is modelled. Maps have string keys: no function of Helm or sprig makes another.

use std::fmt;

/// Go's `reflect.Kind`. `Display` gives the name that `kindOf` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The zero `reflect.Value`: nil without a type.
    Invalid,
    /// `bool`
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float32`
    Float32,
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `func`
    Func,
    /// A nil that still knows that it is an interface.
    Interface,
    /// `map`
    Map,
    /// `ptr`
    Ptr,
    /// `slice`
    Slice,
    /// `string`
    String,
    /// `struct`
    Struct,
}

/// The signed integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntKind {
    /// `int`, 64 bits wide here as on every platform that Helm is built for.
    Int,
    /// `int8`
    I8,
    /// `int16`
    I16,
    /// `int32`, also `rune`.
    I32,
    /// `int64`
    I64,
}

/// The unsigned integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UintKind {
    /// `uint`
    Uint,
    /// `uint8`, also `byte`.
    U8,
    /// `uint16`
    U16,
    /// `uint32`
    U32,
    /// `uint64`
    U64,
    /// `uintptr`
    Uintptr,
}

impl IntKind {
    /// Go's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::I8 => "int8",
            Self::I16 => "int16",
            Self::I32 => "int32",
            Self::I64 => "int64",
        }
    }

    /// The value as Go's conversion to this type leaves it (wraps around).
    #[must_use]
    pub fn wrap(self, n: i64) -> i64 {
        match self {
            Self::Int | Self::I64 => n,
            Self::I8 => i64::from(n as i8),
            Self::I16 => i64::from(n as i16),
            Self::I32 => i64::from(n as i32),
        }
    }
}

impl UintKind {
    /// Go's name of the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint => "uint",
            Self::U8 => "uint8",
            Self::U16 => "uint16",
            Self::U32 => "uint32",
            Self::U64 => "uint64",
            Self::Uintptr => "uintptr",
        }
    }

    /// The value as Go's conversion to this type leaves it (wraps around).
    #[must_use]
    pub fn wrap(self, n: u64) -> u64 {
        match self {
            Self::Uint | Self::U64 | Self::Uintptr => n,
            Self::U8 => u64::from(n as u8),
            Self::U16 => u64::from(n as u16),
            Self::U32 => u64::from(n as u32),
        }
    }
}

impl Kind {
    /// The name that `kindOf` prints.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Bool => "bool",
            Self::Int(k) => k.name(),
            Self::Uint(k) => k.name(),
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Complex128 => "complex128",
            Self::Func => "func",
            Self::Interface => "interface",
            Self::Map => "map",
            Self::Ptr => "ptr",
            Self::Slice => "slice",
            Self::String => "string",
            Self::Struct => "struct",
        }
    }

    /// Whether a value of this kind may be nil (`canBeNil` of Go's evaluator).
    #[must_use]
    pub fn nillable(self) -> bool {
        matches!(self, Self::Func | Self::Interface | Self::Map | Self::Ptr | Self::Slice)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A Go type. Cheap to copy; composite types refer to constants (`Type::List(&Type::Any)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: takes anything, also nil.
    Any,
    /// `reflect.Value`, the parameter type of the language's own functions: anything, unconverted.
    Reflect,
    /// `bool`
    Bool,
    /// A signed integer.
    Int(IntKind),
    /// An unsigned integer.
    Uint(UintKind),
    /// `float32`
    Float32,
    /// `float64`
    Float64,
    /// `complex128`
    Complex128,
    /// `string`
    String,
    /// A slice.
    List(&'static Type),
    /// A map with string keys.
    Map(&'static Type),
    /// A function, by its signature's text.
    Func(&'static &'static str),
    /// A defined type such as `time.Duration` or `*semver.Version`.
    Named(&'static Named),
}

/// A defined type, or a pointer to one.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// As `%T` prints it: `common.Values`, `*semver.Version`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The type it is defined over, where that is not a struct (`[]string` for `common.VersionSet`).
    pub underlying: Option<Type>,
}

impl Type {
    /// `int`
    pub const INT: Self = Self::Int(IntKind::Int);
    /// `int64`
    pub const INT64: Self = Self::Int(IntKind::I64);
    /// `int32`
    pub const RUNE: Self = Self::Int(IntKind::I32);
    /// `uint8`
    pub const BYTE: Self = Self::Uint(UintKind::U8);
    /// `[]interface {}`
    pub const LIST: Self = Self::List(&Self::Any);
    /// `[]string`
    pub const STRINGS: Self = Self::List(&Self::String);
    /// `[]int`
    pub const INTS: Self = Self::List(&Self::INT);
    /// `[]uint8`
    pub const BYTES: Self = Self::List(&Self::BYTE);
    /// `map[string]interface {}`
    pub const DICT: Self = Self::Map(&Self::Any);
    /// `map[string]string`
    pub const STRING_MAP: Self = Self::Map(&Self::String);
    /// `[]map[string]interface {}`
    pub const DICTS: Self = Self::List(&Self::DICT);

    /// The kind of values of this type.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Any => Kind::Interface,
            Self::Reflect => Kind::Struct,
            Self::Bool => Kind::Bool,
            Self::Int(k) => Kind::Int(k),
            Self::Uint(k) => Kind::Uint(k),
            Self::Float32 => Kind::Float32,
            Self::Float64 => Kind::Float64,
            Self::Complex128 => Kind::Complex128,
            Self::String => Kind::String,
            Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Func(_) => Kind::Func,
            Self::Named(n) => n.kind,
        }
    }

    /// The type without its name: `map[string]interface {}` for `common.Values`.
    #[must_use]
    pub fn underlying(self) -> Self {
        match self {
            Self::Named(Named { underlying: Some(t), .. }) => t.underlying(),
            t => t,
        }
    }

    /// The element type of a slice or map.
    #[must_use]
    pub fn elem(self) -> Self {
        match self {
            Self::List(t) | Self::Map(t) => *t,
            Self::Named(_) => match self.underlying() {
                Self::List(t) | Self::Map(t) => *t,
                _ => Self::Any,
            },
            _ => Self::Any,
        }
    }

    /// Go's assignability of a value of type `self` to a place of type `to`.
    #[must_use]
    pub fn assignable_to(self, to: Self) -> bool {
        if self == to || to == Self::Any {
            return true;
        }
        let named = |t: Self| !matches!(t, Self::List(_) | Self::Map(_) | Self::Func(_));
        !(named(self) && named(to)) && self.underlying() == to.underlying()
    }

    /// Whether nil can be given where this type is wanted.
    #[must_use]
    pub fn nillable(self) -> bool {
        self == Self::Reflect || self.kind().nillable()
    }

    /// Go's `Comparable`: whether `==` is defined for values of this type.
    #[must_use]
    pub fn comparable(self) -> bool {
        !matches!(self.kind(), Kind::Map | Kind::Slice | Kind::Func)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("interface {}"),
            Self::Reflect => f.write_str("reflect.Value"),
            Self::Bool => f.write_str("bool"),
            Self::Int(k) => f.write_str(k.name()),
            Self::Uint(k) => f.write_str(k.name()),
            Self::Float32 => f.write_str("float32"),
            Self::Float64 => f.write_str("float64"),
            Self::Complex128 => f.write_str("complex128"),
            Self::String => f.write_str("string"),
            Self::List(t) => write!(f, "[]{t}"),
            Self::Map(t) => write!(f, "map[string]{t}"),
            Self::Func(t) => f.write_str(t),
            Self::Named(n) => f.write_str(n.name),
        }
    }
}
