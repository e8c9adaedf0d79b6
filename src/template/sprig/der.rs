//! The little DER that certificates need: writing nested values, and stepping over them.

/// Tags used in certificates and keys.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8: u8 = 0x0c;
    pub(crate) const PRINTABLE: u8 = 0x13;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// One value: tag, length, content.
pub(super) fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let len = content.len();
    if len < 0x80 {
        out.push(len as u8);
    } else {
        let bytes = len.to_be_bytes();
        let used = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
        out.push(0x80 | used.len() as u8);
        out.extend(used);
    }
    out.extend(content);
    out
}

/// A sequence of values.
pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(tag::SEQUENCE, &parts.concat())
}

/// A positive integer from its big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let mut digits = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
    let padded;
    if digits.first().is_none_or(|b| *b >= 0x80) {
        padded = [&[0], digits].concat();
        digits = &padded;
    }
    value(tag::INTEGER, digits)
}

/// Bits whose number is a multiple of eight.
pub(super) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    value(tag::BIT_STRING, &[&[0], bytes].concat())
}

/// The first value in `input`: its tag, its content, all of its bytes, and what follows. `None` if it is malformed.
pub(super) fn first(input: &[u8]) -> Option<(u8, &[u8], &[u8], &[u8])> {
    let (tag, length) = (*input.first()?, *input.get(1)?);
    let (header, len) = if length < 0x80 {
        (2, usize::from(length))
    } else {
        let count = usize::from(length & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let bytes = input.get(2..2 + count)?;
        (2 + count, bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    };
    let end = header.checked_add(len)?;
    Some((tag, input.get(header..end)?, &input[..end], &input[end..]))
}
