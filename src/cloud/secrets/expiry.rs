//! When certificates end. Pure: X.509's `validity`, read from the PEM text as RFC 5280 (4.1.2.5) writes it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{GeneratedSecret, Generator, SecretBytes};

const DAY: i64 = 86_400;
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, the version.
const VERSION: u8 = 0xa0;

/// The end of one generated certificate, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateEnd {
    /// The Secret's key that holds it.
    pub key: String,
    /// From when on it is to be rotated.
    pub renew: i64,
    /// Its last second.
    pub ends: i64,
}

/// The ends of a Secret's certificates; what cannot be read as a certificate is left out.
#[must_use]
pub fn ends(secret: &GeneratedSecret, values: &BTreeMap<String, SecretBytes>) -> Vec<CertificateEnd> {
    let one = |(key, generator): (&String, &Generator)| {
        let Generator::Certificate(spec, _) = generator else { return None };
        let (from, ends) = validity(&values.get(key)?.0)?;
        let renew = match spec.renew_before {
            Some(days) => ends - i64::from(days) * DAY,
            None => from + (ends - from) / 3 * 2,
        };
        Some(CertificateEnd { key: key.clone(), renew, ends })
    };
    secret.keys.iter().filter_map(one).collect()
}

/// From when until when the first certificate of a PEM text is valid.
fn validity(pem: &[u8]) -> Option<(i64, i64)> {
    let text = std::str::from_utf8(pem).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let der = STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()?;
    let (certificate, _) = expect(&der, SEQUENCE)?;
    let (mut rest, _) = expect(certificate, SEQUENCE)?;
    if rest.first() == Some(&VERSION) {
        (_, _, rest) = element(rest)?;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        (_, _, rest) = element(rest)?;
    }
    let (validity, _) = expect(rest, SEQUENCE)?;
    let (tag, from, rest) = element(validity)?;
    let from = time(tag, from)?;
    let (tag, to, _) = element(rest)?;
    Some((from, time(tag, to)?))
}

/// The first element: its tag, its content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, after) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
        length = digits.iter().fold(0, |n, d| n << 8 | usize::from(*d));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn expect(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(tag, ..)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// `YYMMDDHHMMSSZ` (of 1950 to 2049) or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, content: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let whole = match tag {
        UTC_TIME => format!("{}{text}", if *text.get(..2)? < *"50" { "20" } else { "19" }),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let at = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &whole).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_years_of_both_ways_to_write_a_time_are_told_apart() {
        assert_eq!(time(UTC_TIME, b"491231235959Z"), time(GENERALIZED_TIME, b"20491231235959Z"));
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(GENERALIZED_TIME, b"21000101000000Z"), Some(4_102_444_800));
        assert_eq!(time(UTC_TIME, b"701301000000Z"), None);
        assert_eq!(time(UTC_TIME, b"7\xc3\xa90101000000Z"), None);
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let pem = |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for text in ["", "x", &pem(""), &pem("MA=="), &pem("MIT/////"), &pem("MAMCAQE="), &pem("!")] {
            assert_eq!(validity(text.as_bytes()), None, "{text}");
        }
    }
}
