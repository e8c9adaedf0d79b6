//! What a value is: `typeOf` prints Go's type, `kindOf` its kind.

use super::args::{A, B, Entry, S, fixed, text};
use crate::template::value::Value;

fn type_is(target: &str, v: &Value) -> bool {
    v.type_name() == target
}

pub(super) const TABLE: &[Entry] = &[
    ("typeOf", fixed(&[A], S), |_, a| Ok(a[0].type_name().as_ref().into())),
    ("typeIs", fixed(&[S, A], B), |_, a| Ok(type_is(&text(&a[0]), &a[1]).into())),
    ("typeIsLike", fixed(&[S, A], B), |_, a| {
        let target = text(&a[0]);
        Ok((type_is(&target, &a[1]) || type_is(&format!("*{target}"), &a[1])).into())
    }),
    ("kindOf", fixed(&[A], S), |_, a| Ok(a[0].kind().name().into())),
    ("kindIs", fixed(&[S, A], B), |_, a| Ok((a[1].kind().name() == text(&a[0])).into())),
    ("deepEqual", fixed(&[A, A], B), |_, a| Ok(a[0].deep_equal(&a[1]).into())),
    // Without a network the lookup has no result; Helm's engine answers "" too unless DNS is enabled.
    ("getHostByName", fixed(&[S], S), |_, _| Ok("".into())),
];
