//! Conditions in CEL (<https://cel.dev>), the standard functions and macros over one variable, `self`.
//!
//! Whatever an expression is, it ends soon: its text, its macros and its additions inside of macros are limited when it is
//! read, and an object is refused for which it could cost more than [`MAX_COST`] steps. A field that is not there makes
//! the condition false; any other trouble is told.
//!
//! Without the cargo feature `cel` every expression is refused with a text that names the feature.

use serde_json::Value;

/// The longest expression.
pub const MAX_TEXT: usize = 2_048;
/// The most macros that go over a list or a map (`all`, `exists`, `exists_one`, `map`, `filter`) in one expression.
pub const MAX_LOOPS: usize = 6;
/// The most additions inside of such macros: each may double what a list or a text holds.
pub const MAX_ADDITIONS: usize = 4;
/// The most steps that evaluating may take: nodes of the object, times the longest list or map for each level of macros.
pub const MAX_COST: u64 = 10_000_000;

#[cfg(feature = "cel")]
mod with_cel {
    use std::collections::HashMap;
    use std::sync::{Arc, OnceLock};

    use cel::common::ast::{EntryExpr, Expr, IdedExpr};
    use cel::objects::{Key, Map};
    use cel::{Context, Env, ExecutionError, Program};

    use super::{MAX_ADDITIONS, MAX_COST, MAX_LOOPS, MAX_TEXT, Value};

    /// The functions of the standard library, by the name they are called.
    const FUNCTIONS: &[&str] = &[
        "size",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "int",
        "uint",
        "double",
        "string",
        "bool",
        "bytes",
        "type",
        "dyn",
        "min",
        "max",
        "hasValue",
        "value",
        "or",
        "orValue",
        "optMap",
        "optFlatMap",
        "optional.of",
        "optional.none",
        "optional.ofNonZeroValue",
        "of",
        "none",
        "ofNonZeroValue",
    ];
    /// Names of types, which are values in CEL, and the optional library's own name.
    const TYPES: &[&str] =
        &["int", "uint", "double", "string", "bool", "bytes", "list", "map", "null_type", "type", "optional"];

    fn env() -> &'static Arc<Env> {
        static ENV: OnceLock<Arc<Env>> = OnceLock::new();
        ENV.get_or_init(|| Arc::new(Env::stdlib()))
    }

    /// A condition that was read.
    pub struct Expression {
        program: Program,
        levels: u32,
    }

    impl std::fmt::Debug for Expression {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Expression").field("source", &self.program.source_info().source).finish()
        }
    }

    /// What is counted while an expression is walked.
    #[derive(Default)]
    struct Count {
        loops: usize,
        additions: usize,
        unknown: Vec<String>,
    }

    impl Expression {
        /// Reads an expression.
        ///
        /// # Errors
        /// What is wrong with it, with its own line and column where that is known.
        pub fn read(text: &str) -> Result<Self, String> {
            if text.len() > MAX_TEXT {
                return Err(format!("the expression has {} bytes; {MAX_TEXT} is the most", text.len()));
            }
            let program = env().compile(text).map_err(|errors| {
                errors
                    .errors
                    .iter()
                    .take(3)
                    .map(|e| {
                        format!("{} (line {}, column {} of the expression)", e.msg, e.pos.0.max(1), e.pos.1)
                    })
                    .collect::<Vec<_>>()
                    .join("; ")
            })?;
            let mut count = Count::default();
            let levels = count.walk(program.expression(), &mut vec!["self".to_owned()], 0);
            if let Some(unknown) = count.unknown.first() {
                return Err(format!("{unknown} is not known; the object is called self"));
            }
            if count.loops > MAX_LOOPS {
                return Err(format!("{} macros over lists or maps; {MAX_LOOPS} is the most", count.loops));
            }
            if count.additions > MAX_ADDITIONS {
                return Err(format!(
                    "{} additions inside of macros; {MAX_ADDITIONS} is the most",
                    count.additions
                ));
            }
            Ok(Self { program, levels })
        }

        /// Whether the condition holds for an object. A field that the object does not have makes it false.
        ///
        /// # Errors
        /// Why it cannot be said.
        pub fn holds(&self, object: &Value) -> Result<bool, String> {
            let (nodes, longest) = extent(object);
            let cost = nodes.saturating_mul(longest.max(1).saturating_pow(self.levels));
            if cost > MAX_COST {
                return Err(format!(
                    "the object is too large for this expression ({nodes} values, {longest} in its longest list, {} levels of macros)",
                    self.levels
                ));
            }
            let mut context = Context::with_env(Arc::clone(env()));
            context.add_variable_from_value("self", value(object));
            match self.program.execute(&context) {
                Ok(cel::Value::Bool(holds)) => Ok(holds),
                Ok(other) => Err(format!("gives {:?}, not true or false", other.type_of())),
                Err(ExecutionError::NoSuchKey(_) | ExecutionError::IndexOutOfBounds(_)) => Ok(false),
                Err(error) => Err(error.to_string().chars().take(300).collect()),
            }
        }
    }

    impl Count {
        /// Levels of macros inside of each other below a node.
        fn walk(&mut self, node: &IdedExpr, names: &mut Vec<String>, inside: usize) -> u32 {
            match &node.expr {
                Expr::Unspecified | Expr::Literal(_) => 0,
                Expr::Ident(name) => {
                    if !name.starts_with('@')
                        && !names.iter().any(|n| n == name)
                        && !TYPES.contains(&name.as_str())
                    {
                        self.unknown.push(format!("the variable {name}"));
                    }
                    0
                }
                Expr::Call(call) => {
                    let name = call.func_name.as_str();
                    let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
                    if !operator && !FUNCTIONS.contains(&name) {
                        self.unknown.push(format!("the function {name}"));
                    }
                    if inside > 0 && name == "_+_" {
                        self.additions += 1;
                    }
                    let parts = call.target.iter().map(|t| &**t).chain(&call.args);
                    parts.map(|part| self.walk(part, names, inside)).max().unwrap_or(0)
                }
                Expr::Select(select) => self.walk(&select.operand, names, inside),
                Expr::List(list) => {
                    list.elements.iter().map(|e| self.walk(e, names, inside)).max().unwrap_or(0)
                }
                Expr::Map(map) => {
                    let mut levels = 0;
                    for entry in &map.entries {
                        levels = levels.max(self.entry(&entry.expr, names, inside));
                    }
                    levels
                }
                Expr::Struct(made) => {
                    self.unknown.push(format!("the type {}", made.type_name));
                    0
                }
                Expr::Comprehension(loops) => {
                    self.loops += 1;
                    let range = self.walk(&loops.iter_range, names, inside);
                    let before = names.len();
                    names.push(loops.iter_var.clone());
                    names.extend(loops.iter_var2.clone());
                    names.push(loops.accu_var.clone());
                    // `map` and `filter` add to their result once, which is no addition of the author's.
                    let additions = self.additions;
                    let mut levels = self.walk(&loops.accu_init, names, inside);
                    levels = levels.max(self.walk(&loops.loop_cond, names, inside + 1));
                    levels = levels.max(self.walk(&loops.loop_step, names, inside + 1));
                    if self.additions > additions && matches!(loops.accu_init.expr, Expr::List(_)) {
                        self.additions -= 1;
                    }
                    levels = levels.max(self.walk(&loops.result, names, inside));
                    names.truncate(before);
                    range.max(levels + 1)
                }
            }
        }

        fn entry(&mut self, entry: &EntryExpr, names: &mut Vec<String>, inside: usize) -> u32 {
            match entry {
                EntryExpr::StructField(field) => self.walk(&field.value, names, inside),
                EntryExpr::MapEntry(entry) => {
                    self.walk(&entry.key, names, inside).max(self.walk(&entry.value, names, inside))
                }
            }
        }
    }

    /// How many values an object has, and how many its longest list or map.
    fn extent(value: &Value) -> (u64, u64) {
        let parts: Box<dyn Iterator<Item = &Value>> = match value {
            Value::Array(list) => Box::new(list.iter()),
            Value::Object(map) => Box::new(map.values()),
            _ => return (1, 0),
        };
        let (mut nodes, mut longest, mut length) = (1_u64, 0_u64, 0_u64);
        for part in parts {
            let (n, l) = extent(part);
            (nodes, longest, length) = (nodes + n, longest.max(l), length + 1);
        }
        (nodes, longest.max(length))
    }

    /// Whole numbers are `int`, whatever their sign: `self.status.replicas + 1` works.
    fn value(json: &Value) -> cel::Value {
        match json {
            Value::Null => cel::Value::Null,
            Value::Bool(b) => cel::Value::Bool(*b),
            Value::Number(n) => match (n.as_i64(), n.as_u64()) {
                (Some(int), _) => cel::Value::Int(int),
                (None, Some(uint)) => cel::Value::UInt(uint),
                (None, None) => cel::Value::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => cel::Value::String(Arc::new(text.clone())),
            Value::Array(list) => cel::Value::List(Arc::new(list.iter().map(value).collect())),
            Value::Object(map) => {
                let map: HashMap<Key, cel::Value> =
                    map.iter().map(|(k, v)| (Key::from(k.as_str()), value(v))).collect();
                cel::Value::Map(Map { map: Arc::new(map) })
            }
        }
    }
}

#[cfg(feature = "cel")]
pub use with_cel::Expression;

/// A condition; this build reads none.
#[cfg(not(feature = "cel"))]
#[derive(Debug)]
pub struct Expression(std::convert::Infallible);

#[cfg(not(feature = "cel"))]
impl Expression {
    /// Refuses every expression.
    ///
    /// # Errors
    /// Always.
    pub fn read(_: &str) -> Result<Self, String> {
        Err("this retune was built without the cargo feature `cel`".to_owned())
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn holds(&self, _: &Value) -> Result<bool, String> {
        match self.0 {}
    }
}

#[cfg(all(test, feature = "cel"))]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(text: &str, object: &Value) -> Result<bool, String> {
        Expression::read(text).unwrap_or_else(|e| panic!("{text}: {e}")).holds(object)
    }

    #[test]
    fn conditions_read_the_object_as_self_and_a_missing_field_is_false() {
        let object = json!({"spec": {"replicas": 3}, "status": {"ready": 2, "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "Synced", "status": "False"}]}});
        for (text, want) in [
            ("self.status.ready < self.spec.replicas", true),
            ("self.status.ready + 1 == self.spec.replicas", true),
            ("self.status.phase in ['Running', 'Idle']", true),
            ("self.status.conditions.exists(c, c.type == 'Ready' && c.status == 'True')", true),
            ("self.status.conditions.all(c, c.status == 'True')", false),
            ("self.status.conditions.filter(c, c.status == 'True').map(c, c.type) == ['Ready']", true),
            ("has(self.status.gone)", false),
            ("self.status.gone == 'x'", false),
            ("self.status.conditions[7].type == 'x'", false),
            ("self.status.phase.matches('^Run')", true),
            ("size(self.status.conditions) == 2", true),
            ("!has(self.status.gone) || self.status.gone == 'x'", true),
            ("self.?status.?gone.orValue('none') == 'none'", true),
        ] {
            assert_eq!(holds(text, &object), Ok(want), "{text}");
        }
        assert!(holds("self.status.ready", &object).unwrap_err().contains("not true or false"));
        assert!(holds("self.status.phase < 3", &object).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_when_it_is_read() {
        for (text, told) in [
            ("self.status.phase ==", "line 1"),
            ("object.status.phase == 'x'", "the variable object"),
            ("self.status.conditions.exists(c, d.type == 'x')", "the variable d"),
            ("self.status.phase.beginsWith('x')", "the function beginsWith"),
        ] {
            let error = Expression::read(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn no_expression_runs_long_or_grows() {
        assert!(Expression::read(&"1 == 1 && ".repeat(300)).unwrap_err().contains("is the most"));
        let chained = format!("self.a{}.size() > 0", ".map(x, x)".repeat(7));
        assert!(Expression::read(&chained).unwrap_err().contains("macros"));
        let doubled = format!("self.a{}.size() > 0", ".map(x, x + x)".repeat(5));
        assert!(Expression::read(&doubled).unwrap_err().contains("additions"));
        assert!(Expression::read(&"(".repeat(1_000)).is_err());
        assert!(Expression::read(&"!".repeat(2_000)).is_err());
        let nested = "self.a.all(x, self.a.all(y, self.a.all(z, x != 'q')))";
        let object = json!({"a": (0..1_000).collect::<Vec<_>>()});
        assert!(holds(nested, &object).unwrap_err().contains("too large"));
        assert_eq!(holds("self.a.all(x, x >= 0)", &object), Ok(true));
    }
}
