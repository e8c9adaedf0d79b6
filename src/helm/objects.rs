//! The objects of a template's dot that have methods: `.Values` and the dot itself (`common.Values`), and `.Files`.

use std::any::Any;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine as _;

use crate::files::base_name;
use crate::template::types::Named;
use crate::template::value::Entries;
use crate::template::{Func, FuncError, Kind, Map, Object, Signature, Type, Value};

use super::chart::File;
use super::coalesce::{Table, table_at, value_at};
use super::glob::Glob;

static VALUES: Named = Named { name: "common.Values", kind: Kind::Map, underlying: Some(Type::DICT) };
static FILES: Named = Named { name: "engine.files", kind: Kind::Map, underlying: Some(FILES_MAP) };
const FILES_MAP: Type = Type::Map(&Type::BYTES);

/// A table of Go's type `common.Values`: a map that has methods. The table stays shared with whoever holds it as a map.
pub(super) struct Values(Table);

impl Values {
    /// The table.
    pub(super) fn table(&self) -> &Table {
        &self.0
    }
}

/// A table as `common.Values`.
pub(super) fn values(table: Table) -> Value {
    Value::Object(Rc::new(Values(table)))
}

/// Whether `common.Values` has a method of that name.
fn is_method(name: &str) -> bool {
    matches!(name, "AsMap" | "Table" | "PathValue" | "YAML")
}

impl Object for Values {
    fn go_type(&self) -> Type {
        Type::Named(&VALUES)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        const PATH: &[Type] = &[Type::String];
        if !is_method(name) {
            return None;
        }
        let table = Rc::clone(&self.0);
        let func = match name {
            "AsMap" => Func::closure(name, Signature::fixed(&[], Type::DICT), move |_, _| {
                Ok(Value::Map(Rc::clone(&table)))
            }),
            "Table" => Func::closure(name, Signature::fixed(PATH, Type::Named(&VALUES)), move |_, args| {
                let path = args[0].text().unwrap_or_default().into_owned();
                match table_at(&table, &path) {
                    Some(found) => Ok(values(found)),
                    None => Err(FuncError::new(format!("{path:?} is not a table"))),
                }
            }),
            "PathValue" => Func::closure(name, Signature::fixed(PATH, Type::Any), move |_, args| {
                let path = args[0].text().unwrap_or_default().into_owned();
                let missing = || FuncError::new(format!("{path:?} is not a value"));
                value_at(&table, &path).ok_or_else(missing)
            }),
            "YAML" => Func::closure(name, Signature::fixed(&[], Type::String), move |exec, _| {
                super::funcs::to_yaml(exec, &Value::Map(Rc::clone(&table)))
            }),
            _ => return None,
        };
        Some(Rc::new(func))
    }
    fn table(&self, name: &str) -> Option<&Map> {
        (!is_method(name)).then_some(&*self.0)
    }
    fn underlying(&self) -> Option<Value> {
        Some(Value::Map(Rc::clone(&self.0)))
    }
    fn with_underlying(&self, value: Value) -> Option<Value> {
        value.as_map().map(|table| values(Rc::clone(table)))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Files of a chart by path: `.Files` and what `.Files.Glob` gives.
pub(super) struct Files(Rc<BTreeMap<String, Arc<[u8]>>>);

/// `.Files` of a chart.
pub(super) fn files(files: &[File]) -> Value {
    let map = files.iter().map(|f| (f.name.clone(), Arc::clone(&f.data))).collect();
    Value::Object(Rc::new(Files(Rc::new(map))))
}

impl Files {
    /// The files as a YAML map under their base names. Of two with one base name the original keeps either; here the
    /// later path wins.
    fn flattened(&self, each: impl Fn(&[u8]) -> Value) -> Value {
        let entries: Entries =
            self.0.iter().map(|(path, data)| (Rc::from(base_name(path)), each(data))).collect();
        Value::typed_map(Type::STRING_MAP, entries)
    }
}

impl Object for Files {
    fn go_type(&self) -> Type {
        Type::Named(&FILES)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        const PATH: &[Type] = &[Type::String];
        let files = Rc::clone(&self.0);
        let arg = |args: &[Value]| args[0].text().unwrap_or_default().into_owned();
        let func = match name {
            "Get" => Func::closure(name, Signature::fixed(PATH, Type::String), move |_, args| {
                Ok(files.get(&arg(args)).map_or_else(|| Value::str(""), |data| Value::from_bytes(data)))
            }),
            "GetBytes" => Func::closure(name, Signature::fixed(PATH, Type::BYTES), move |_, args| {
                Ok(Value::Bytes(files.get(&arg(args)).map_or_else(|| Rc::from([]), |data| Rc::from(&**data))))
            }),
            "Glob" => Func::closure(name, Signature::fixed(PATH, Type::Named(&FILES)), move |_, args| {
                let glob = Glob::or_everything(&arg(args));
                let some = files
                    .iter()
                    .filter(|(path, _)| glob.matches(path))
                    .map(|(path, data)| (path.clone(), Arc::clone(data)))
                    .collect();
                Ok(Value::Object(Rc::new(Self(Rc::new(some)))))
            }),
            "Lines" => Func::closure(name, Signature::fixed(PATH, Type::STRINGS), move |_, args| {
                let Some(data) = files.get(&arg(args)).filter(|d| !d.is_empty()) else {
                    return Ok(Value::typed_list(Type::STRINGS, Vec::new()));
                };
                let data = data.strip_suffix(b"\n").unwrap_or(data);
                let lines = data.split(|b| *b == b'\n').map(Value::from_bytes).collect();
                Ok(Value::typed_list(Type::STRINGS, lines))
            }),
            "AsConfig" => Func::closure(name, Signature::fixed(&[], Type::String), move |exec, _| {
                super::funcs::to_yaml(exec, &Self(Rc::clone(&files)).flattened(Value::from_bytes))
            }),
            "AsSecrets" => Func::closure(name, Signature::fixed(&[], Type::String), move |exec, _| {
                let encode = |data: &[u8]| Value::str(base64::engine::general_purpose::STANDARD.encode(data));
                super::funcs::to_yaml(exec, &Self(Rc::clone(&files)).flattened(encode))
            }),
            _ => return None,
        };
        Some(Rc::new(func))
    }
    fn underlying(&self) -> Option<Value> {
        let entries = self
            .0
            .iter()
            .map(|(path, data)| (Rc::from(path.as_str()), Value::Bytes(Rc::from(&**data))))
            .collect();
        Some(Value::typed_map(FILES_MAP, entries))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
