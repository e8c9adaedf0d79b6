//! `semver` and `semverCompare`: Masterminds/semver 3, whose versions are objects with methods in templates.

use std::any::Any;
use std::rc::Rc;

use super::args::{A, B, Entry, FuncResult, S, fixed, text};
use crate::template::error::FuncError;
use crate::template::exec::Exec;
use crate::template::func::Func;
use crate::template::semver::{Constraint, Version};
use crate::template::types::{Kind, Named, Type, UintKind};
use crate::template::value::{Object, Value};

static NAMED: Named = Named { name: "*semver.Version", kind: Kind::Ptr, underlying: None };
static STRUCT: Named = Named { name: "semver.Version", kind: Kind::Struct, underlying: None };
const POINTER: Type = Type::Named(&NAMED);
const PLAIN: Type = Type::Named(&STRUCT);
const U64: Type = Type::Uint(UintKind::U64);

/// A `*semver.Version`, or with `pointer` false what its `Inc…` methods return.
struct VersionObject {
    version: Version,
    pointer: bool,
}

fn object(version: Version, pointer: bool) -> Value {
    Value::Object(Rc::new(VersionObject { version, pointer }))
}

fn version_of(v: &Value) -> Result<Version, FuncError> {
    let found = match v {
        Value::Object(o) => o.as_any().downcast_ref::<VersionObject>().map(|o| o.version.clone()),
        _ => None,
    };
    found.ok_or_else(|| FuncError::new(super::args::NIL_POINTER))
}

impl Object for VersionObject {
    fn go_type(&self) -> Type {
        if self.pointer { POINTER } else { PLAIN }
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let v = self.version.clone();
        let constant = |result: Type, value: Value| {
            Func::closure(name, fixed(&[], result), move |_: &mut Exec, _: &[Value]| Ok(value.clone()))
        };
        let next = |version: Option<Version>| {
            Func::closure(name, fixed(&[], PLAIN), move |_, _| {
                version
                    .clone()
                    .map(|v| object(v, false))
                    .ok_or_else(|| FuncError::new("version number overflow"))
            })
        };
        fn compared(name: &str, v: Version, result: Type, op: fn(i64) -> Value) -> Func {
            Func::closure(name, fixed(&[POINTER], result), move |_, a| Ok(op(v.compare(&version_of(&a[0])?))))
        }
        Some(Rc::new(match name {
            "Major" => constant(U64, Value::Uint(UintKind::U64, v.major)),
            "Minor" => constant(U64, Value::Uint(UintKind::U64, v.minor)),
            "Patch" => constant(U64, Value::Uint(UintKind::U64, v.patch)),
            "Prerelease" => constant(S, v.pre.as_str().into()),
            "Metadata" => constant(S, v.metadata.as_str().into()),
            "Original" => constant(S, v.original.as_str().into()),
            "String" => constant(S, v.to_string().into()),
            "IncPatch" => next(v.next_patch()),
            "IncMinor" => next(v.next_minor()),
            "IncMajor" => next(v.next_major()),
            "Compare" => compared(name, v, Type::INT, Value::int),
            "LessThan" => compared(name, v, B, |c| (c < 0).into()),
            "LessThanEqual" => compared(name, v, B, |c| (c <= 0).into()),
            "GreaterThan" => compared(name, v, B, |c| (c > 0).into()),
            "GreaterThanEqual" => compared(name, v, B, |c| (c >= 0).into()),
            "Equal" => compared(name, v, B, |c| (c == 0).into()),
            _ => return None,
        }))
    }

    fn string(&self) -> Option<String> {
        Some(self.version.to_string())
    }

    fn json(&self) -> Option<Value> {
        Some(self.version.to_string().into())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|o| o.version == self.version)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn semver(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(object(Version::parse(&text(&a[0])).map_err(|e| e.to_string())?, true))
}

fn semver_compare(_: &mut Exec, a: &[Value]) -> FuncResult {
    let constraint = Constraint::parse(&text(&a[0])).map_err(|e| e.to_string())?;
    let version = Version::parse(&text(&a[1])).map_err(|e| e.to_string())?;
    Ok(constraint.check(&version).into())
}

pub(super) const TABLE: &[Entry] =
    &[("semver", fixed(&[S], A), semver), ("semverCompare", fixed(&[S, S], B), semver_compare)];
