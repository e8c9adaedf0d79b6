//! The functions that belong to Helm's engine rather than to sprig: `include`, `tpl`, `required`, `fail`, `lookup`.
//!
//! Upstream: `pkg/engine/engine.go`. Texts to see by eye: `required` and `fail` mark their message so that the error of
//! the whole render can be cut down to it.

use std::any::Any;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use memchr::memmem;

use crate::template::func::Row;
use crate::template::hash::QuickMap;
use crate::template::watch;
use crate::template::{Exec, FuncError, Registry, Signature, Type, Value, sprig, strconv};

use super::memo::{Begun, Memo, Place};

/// Where a message of `required` and `fail` starts in an error's text.
pub(super) const WARN_START: &str = "HELM_ERR_START";
/// Where it ends.
pub(super) const WARN_END: &str = "HELM_ERR_END";

/// How often a template may be on the stack through `include`.
const MAX_INCLUDES: u32 = 1000;

/// How large a buffer is at first.
const FIRST_BUFFER: usize = 4 << 10;
/// A buffer that has become larger is not kept.
const LARGEST_BUFFER: usize = 256 << 10;

/// The name under which Helm's engine parses the texts of `tpl`, and of the set of templates itself.
pub(super) const ROOT_NAME: &str = "gotpl";

/// What Helm prints for values that are not there, and takes out of texts again.
const NO_VALUE: &[u8] = b"<no value>";

/// What the functions of one render share, besides what sprig's do.
#[derive(Default)]
pub(super) struct State {
    /// How often each template is on the stack through `include`.
    includes: RefCell<QuickMap<Rc<str>, u32>>,
    /// Room for the texts that includes make, used again and again.
    buffers: RefCell<Vec<Vec<u8>>>,
    /// Results that may be used again.
    memo: RefCell<Memo>,
    /// The file that is rendered.
    place: Cell<Place>,
    /// Its folder; empty if the file's name stands in it, too.
    folder: RefCell<String>,
    /// How many includes are on the stack, and how many there were at most since the one that looks began.
    depth: Cell<u32>,
    deepest: Cell<u32>,
}

thread_local! {
    static REGISTRY: Rc<Registry> = Rc::new(new_registry());
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// The functions of charts' templates: one registry per thread, because it also remembers parsed texts, so that a
/// library chart that many charts bring along is parsed once.
pub(super) fn registry() -> Rc<Registry> {
    REGISTRY.with(Rc::clone)
}

fn new_registry() -> Registry {
    const TEXT_ANY: Signature = Signature::fixed(&[Type::String, Type::Any], Type::String);
    const TABLE: &[Row] = &[
        ("include", TEXT_ANY, include),
        ("tpl", TEXT_ANY, tpl),
        ("required", Signature::fixed(&[Type::String, Type::Any], Type::Any), required),
        ("fail", Signature::fixed(&[Type::String], Type::String), |_, args| Err(marked(&args[0]))),
        // Offline: nothing is found.
        ("lookup", Signature::fixed(&[Type::String; 4], Type::DICT), |_, _| Ok(Value::dict::<&str>([]))),
    ];
    let mut registry = Registry::new();
    sprig::register(&mut registry);
    registry.add_all(TABLE);
    registry
}

/// `toYaml`, for `.Files.AsConfig` and the like.
pub(super) fn to_yaml(_exec: &mut Exec, value: &Value) -> Result<Value, FuncError> {
    Ok(Value::from(sprig::to_yaml(value).unwrap_or_default()))
}

fn state(host: &Rc<dyn Any>) -> Option<&State> {
    host.downcast_ref::<sprig::Host>().and_then(|h| h.ext.downcast_ref::<State>())
}

/// Tells the functions that the next file is rendered, and gives its result if an `include` has made it on the same dot
/// before.
pub(super) fn next_file(exec: &Exec, path: &str, dot: &Value) -> Option<Value> {
    let host = exec.shared_host();
    let state = state(&host)?;
    let (folder, base) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if folder.contains(base) { "" } else { folder };
    let Place { file, folder: number } = state.place.get();
    let mut known = state.folder.borrow_mut();
    let same = !folder.is_empty() && *known == folder;
    folder.clone_into(&mut known);
    let place = Place { file: file + 1, folder: number + u64::from(!same) };
    state.place.set(place);
    state.memo.borrow_mut().get(path, dot, place, MAX_INCLUDES).map(|(text, _)| text)
}

fn include(exec: &mut Exec, args: &[Value]) -> Result<Value, FuncError> {
    let name: Rc<str> = match &args[0] {
        Value::Str(name) => Rc::clone(name),
        _ => return Err(FuncError::new("the name of a template is not UTF-8")),
    };
    let host = exec.shared_host();
    let state = state(&host).ok_or("include is called outside of a chart's render")?;
    // What `tpl` defines is not there for others; the text itself goes by the name of the set.
    let reusable = !exec.set().has_more_than(ROOT_NAME) && *name != *ROOT_NAME;
    let (depth, place) = (state.depth.get(), state.place.get());
    // A remembered result counts as all the includes that were on the stack when it was made.
    let room = MAX_INCLUDES.saturating_sub(depth);
    if reusable && let Some((known, height)) = state.memo.borrow_mut().get(&name, &args[1], place, room) {
        state.deepest.set(state.deepest.get().max(depth + height));
        return Ok(known);
    }
    {
        let mut counts = state.includes.borrow_mut();
        let count = counts.entry(Rc::clone(&name)).or_insert(0);
        if *count > MAX_INCLUDES {
            return Err(FuncError::new(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *count += 1;
    }
    state.depth.set(depth + 1);
    let outer = state.deepest.replace(depth + 1);
    let begun = Begun::now();
    if !reusable {
        watch::host_used();
    }
    let mut out = state.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(FIRST_BUFFER));
    let done = match exec.set().get(&name) {
        Some(template) => exec.run_template(&template, args[1].clone(), &mut out).map_err(FuncError::from),
        None => Err(FuncError::new(format!(
            "template: no template {} associated with template {}",
            strconv::quote(name.as_bytes()),
            strconv::quote(ROOT_NAME.as_bytes())
        ))),
    };
    if let Some(count) = state.includes.borrow_mut().get_mut(&name) {
        *count -= 1;
    }
    state.depth.set(depth);
    let deepest = state.deepest.get();
    state.deepest.set(outer.max(deepest));
    let result = done.map(|()| Value::from_bytes(&out));
    if out.capacity() <= LARGEST_BUFFER {
        out.clear();
        state.buffers.borrow_mut().push(out);
    }
    let kept = result.as_ref().ok().filter(|_| reusable);
    state.memo.borrow_mut().end(begun, &name, &args[1], kept, place, deepest - depth);
    result
}

fn tpl(exec: &mut Exec, args: &[Value]) -> Result<Value, FuncError> {
    let text = args[0].text().unwrap_or_default();
    // Most texts are no templates; parsing such a one gives it back.
    if memmem::find(text.as_bytes(), b"{{").is_none() {
        if matches!(&args[0], Value::Str(text) if memmem::find(text.as_bytes(), NO_VALUE).is_none()) {
            return Ok(args[0].clone());
        }
        return Ok(Value::from_bytes(&without_no_value(text.as_bytes())));
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
    Ok(Value::from_bytes(&without_no_value(&out)))
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
pub(super) fn without_no_value(text: &[u8]) -> Cow<'_, [u8]> {
    let mut found = memmem::find_iter(text, NO_VALUE).peekable();
    if found.peek().is_none() {
        return Cow::Borrowed(text);
    }
    let (mut out, mut start) = (Vec::with_capacity(text.len()), 0);
    for at in found {
        out.extend_from_slice(&text[start..at]);
        start = at + NO_VALUE.len();
    }
    out.extend_from_slice(&text[start..]);
    Cow::Owned(out)
}

/// Tells that this process ends after what this thread renders now: what a render leaves behind is then not taken apart,
/// but left to the operating system.
pub fn end_of_process() {
    ENDS.set(true);
}

/// Drops what a render leaves behind, unless the process ends anyway.
pub(super) fn leave_at_end<T>(rest: T) {
    if ENDS.get() {
        std::mem::forget((rest, registry()));
    }
}
