//! The functions that belong to Helm's engine rather than to sprig: `include`, `tpl`, `required`, `fail`, `lookup`.
//!
//! Upstream: `pkg/engine/engine.go`. Texts to see by eye: `required` and `fail` mark their message so that the error of
//! the whole render can be cut down to it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::template::{Exec, Func, FuncError, Registry, Signature, Type, Value, sprig, strconv};

/// Where a message of `required` and `fail` starts in an error's text.
pub(super) const WARN_START: &str = "HELM_ERR_START";
/// Where it ends.
pub(super) const WARN_END: &str = "HELM_ERR_END";

/// How often a template may be on the stack through `include`.
const MAX_INCLUDES: u32 = 1000;

/// The name under which Helm's engine parses the texts of `tpl`, and of the set of templates itself.
pub(super) const ROOT_NAME: &str = "gotpl";

/// What Helm prints for values that are not there, and takes out of texts again.
const NO_VALUE: &[u8] = b"<no value>";

type Lookup = dyn Fn(&str, &str, &str, &str) -> Value;

/// The functions of a chart's templates.
pub(super) fn registry(lookup: Option<Box<Lookup>>) -> Rc<Registry> {
    let mut registry = Registry::new();
    sprig::register(&mut registry);
    let counts: Rc<RefCell<HashMap<Rc<str>, u32>>> = Rc::default();
    const TEXT_ANY: &[Type] = &[Type::String, Type::Any];
    registry.add(Func::closure("include", Signature::fixed(TEXT_ANY, Type::String), move |exec, args| {
        include(exec, &counts, args)
    }));
    registry.add(Func::new("tpl", Signature::fixed(TEXT_ANY, Type::String), tpl));
    registry.add(Func::new("required", Signature::fixed(TEXT_ANY, Type::Any), required));
    registry.add(Func::new("fail", Signature::fixed(&[Type::String], Type::String), |_, args| {
        Err(marked(&args[0]))
    }));
    const TEXTS: &[Type] = &[Type::String, Type::String, Type::String, Type::String];
    registry.add(Func::closure("lookup", Signature::fixed(TEXTS, Type::DICT), move |_, args| {
        let Some(lookup) = &lookup else { return Ok(Value::dict::<&str>([])) };
        let text = |i: usize| args[i].text().unwrap_or_default();
        Ok(lookup(&text(0), &text(1), &text(2), &text(3)))
    }));
    Rc::new(registry)
}

/// `toYaml`, for `.Files.AsConfig` and the like.
pub(super) fn to_yaml(_exec: &mut Exec, value: &Value) -> Result<Value, FuncError> {
    Ok(Value::from(sprig::to_yaml(value).unwrap_or_default()))
}

fn include(
    exec: &mut Exec,
    counts: &RefCell<HashMap<Rc<str>, u32>>,
    args: &[Value],
) -> Result<Value, FuncError> {
    let Value::Str(name) = &args[0] else {
        return Err(FuncError::new("the name of a template is not UTF-8"));
    };
    {
        let mut counts = counts.borrow_mut();
        let count = counts.entry(Rc::clone(name)).or_insert(0);
        if *count > MAX_INCLUDES {
            return Err(FuncError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *count += 1;
    }
    let mut out = Vec::new();
    let done = if exec.set().contains(name) {
        exec.run(name, args[1].clone(), &mut out).map_err(FuncError::from)
    } else {
        Err(FuncError::new(format!(
            "template: no template {} associated with template {}",
            strconv::quote(name.as_bytes()),
            strconv::quote(ROOT_NAME.as_bytes())
        )))
    };
    if let Some(count) = counts.borrow_mut().get_mut(name) {
        *count -= 1;
    }
    done?;
    Ok(Value::from(out))
}

fn tpl(exec: &mut Exec, args: &[Value]) -> Result<Value, FuncError> {
    let text = args[0].text().unwrap_or_default();
    // Most texts are no templates; parsing such a one gives it back.
    if !text.contains("{{") {
        return Ok(Value::from(without_no_value(text.as_bytes().to_vec())));
    }
    let quoted = |words: &str| format!("{words} {}", strconv::quote(text.as_bytes()));
    let mut set = exec.set().clone();
    let template = set
        .parse(ROOT_NAME, &text)
        .map_err(|e| FuncError::Wrapped(quoted("cannot parse template"), Box::new(e.into())))?;
    let mut out = Vec::new();
    exec.run_in(set, &template, args[1].clone(), &mut out).map_err(|e| {
        FuncError::Wrapped(quoted("error during tpl function execution for"), Box::new(e.into()))
    })?;
    Ok(Value::from(without_no_value(out)))
}

fn required(_exec: &mut Exec, args: &[Value]) -> Result<Value, FuncError> {
    let missing = match &args[1] {
        Value::Nil => true,
        Value::Str(text) => text.is_empty(),
        _ => false,
    };
    if missing { Err(marked(&args[0])) } else { Ok(args[1].clone()) }
}

fn marked(message: &Value) -> FuncError {
    FuncError::new(format!("{WARN_START}{}{WARN_END}", message.text().unwrap_or_default()))
}

/// A text without the words that Go prints for missing values.
pub(super) fn without_no_value(text: Vec<u8>) -> Vec<u8> {
    let found = |t: &[u8]| t.windows(NO_VALUE.len()).position(|w| w == NO_VALUE);
    let Some(first) = memchr_no_value(&text).then(|| found(&text)).flatten() else { return text };
    let mut out = text[..first].to_vec();
    let mut rest = &text[first + NO_VALUE.len()..];
    while let Some(at) = found(rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + NO_VALUE.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// A cheap first look: most texts have no `<no`.
fn memchr_no_value(text: &[u8]) -> bool {
    text.iter().enumerate().any(|(i, b)| *b == b'<' && text[i..].starts_with(b"<no"))
}
