//! The wall clock as Kubernetes writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch.
#[must_use]
pub fn now_seconds() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

/// RFC 3339 in UTC with seconds.
#[must_use]
pub fn rfc3339(seconds: i64) -> String {
    // Outside of jiff's years (-9999 to 9999) there is no RFC 3339 either.
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::MAX)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Now, RFC 3339 with seconds.
#[must_use]
pub fn now() -> String {
    rfc3339(now_seconds())
}

/// Now, RFC 3339 with microseconds (`MicroTime`, as Leases and Events have it).
#[must_use]
pub fn now_micro() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = rfc3339(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    format!("{}.{:06}Z", seconds.trim_end_matches('Z'), since.subsec_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in
            ["1970-01-01T00:00:00Z", "2000-02-29T12:34:56Z", "2026-11-22T11:00:00Z", "2100-12-31T23:59:59Z"]
        {
            let seconds = super::super::fields::epoch_seconds(text).unwrap();
            assert_eq!(rfc3339(seconds), text);
        }
        let here = super::super::fields::epoch_seconds("2026-11-22T12:30:00+01:30").unwrap();
        assert_eq!(rfc3339(here), "2026-11-22T11:00:00Z");
        assert_eq!(super::super::fields::epoch_seconds("tomorrow"), None);
    }
}
