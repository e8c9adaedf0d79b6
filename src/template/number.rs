//! Number and character constants, with Go's rules of what each may stand for.

use super::ast::{Number, Span};
use super::strconv::{parse_float, parse_int, parse_uint, quote, quote::unquote_char};

/// What follows of a character constant.
fn of_char(span: Span, text: &str) -> Result<Number, String> {
    let (unit, tail) = unquote_char(&text[1..], b'\'').ok_or("invalid syntax")?;
    if tail != "'" {
        return Err(format!("malformed character constant: {text}"));
    }
    let code = unit.code();
    Ok(Number {
        span,
        int: Some(code.into()),
        uint: Some(code.into()),
        float: Some(code.into()),
        complex: None,
    })
}

/// What follows of `1+2i`.
fn of_complex(span: Span, text: &str) -> Result<Number, String> {
    const MALFORMED: &str = "syntax error scanning complex number";
    let body = text.strip_suffix('i').ok_or(MALFORMED)?;
    // The sign between the parts is the last one that does not belong to an exponent.
    let hex = body.contains(['x', 'X']);
    let split = body
        .char_indices()
        .rev()
        .find(|&(i, c)| {
            let before = body[..i].chars().next_back();
            let exponent = matches!(before, Some('p' | 'P')) || (!hex && matches!(before, Some('e' | 'E')));
            i > 0 && matches!(c, '+' | '-') && !exponent
        })
        .map(|(i, _)| i)
        .ok_or(MALFORMED)?;
    let part = |text: &str| parse_float(text).map_err(|_| MALFORMED.to_owned());
    Ok(simplified(span, part(&body[..split])?, part(&body[split..])?))
}

/// A complex number without an imaginary part is also a plain one.
fn simplified(span: Span, re: f64, im: f64) -> Number {
    let mut n = Number { span, int: None, uint: None, float: None, complex: Some((re, im)) };
    if im == 0.0 {
        n.float = Some(re);
        (n.int, n.uint) = (exact_int(re), exact_uint(re));
    }
    n
}

fn exact_int(f: f64) -> Option<i64> {
    // Go compares after a conversion whose result is the smallest integer if it does not fit.
    let n = if f.is_nan() || !(-9.223_372_036_854_775_808e18..9.223_372_036_854_775_808e18).contains(&f) {
        i64::MIN
    } else {
        f as i64
    };
    (n as f64 == f).then_some(n)
}

fn exact_uint(f: f64) -> Option<u64> {
    ((0.0..18_446_744_073_709_551_616.0).contains(&f) && (f as u64) as f64 == f).then_some(f as u64)
}

/// `parse.newNumber`. `Err` is the message of the parse error.
pub(super) fn number(span: Span, text: &str, is_char: bool, is_complex: bool) -> Result<Number, String> {
    if is_char {
        return of_char(span, text);
    }
    if is_complex {
        return of_complex(span, text);
    }
    if let Some(im) = text.strip_suffix('i').and_then(|t| parse_float(t).ok()) {
        return Ok(simplified(span, 0.0, im));
    }
    let mut n = Number { span, int: None, uint: None, float: None, complex: None };
    n.uint = parse_uint(text, 0).ok();
    n.int = parse_int(text, 0).ok();
    if n.int == Some(0) {
        n.uint = Some(0);
    }
    if let Some(i) = n.int {
        n.float = Some(i as f64);
    } else if let Some(u) = n.uint {
        n.float = Some(u as f64);
    } else if let Ok(f) = parse_float(text) {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quote(text.as_bytes())));
        }
        n.float = Some(f);
        (n.int, n.uint) = (exact_int(f), exact_uint(f));
    } else {
        return Err(format!("illegal number syntax: {}", quote(text.as_bytes())));
    }
    Ok(n)
}
