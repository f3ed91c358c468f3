//! The two headers that carry a request's remaining time: how they are read and written; and
//! gRPC's status.
//!
//! Both headers are relative, so the clocks of two machines need not agree. `grpc-timeout` is
//! gRPC's: one to eight digits and a unit. `x-timeout-ms` is a number of milliseconds. The file
//! must not know what a frame is.

use std::error::Error;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

/// gRPC's header: the time that a call may take.
pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The header of plain HTTP: the time that a request may take, in milliseconds.
pub(super) const X_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-timeout-ms");

/// The most digits in gRPC's header.
const GRPC_DIGITS_MAX: usize = 8;

/// gRPC's header and trailer: how a call has ended.
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The text of gRPC's status, percent-encoded, and what an application adds to it.
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// gRPC's statuses `UNKNOWN` and `DEADLINE_EXCEEDED`.
const GRPC_UNKNOWN: &str = "2";
const GRPC_DEADLINE_EXCEEDED: HeaderValue = HeaderValue::from_static("4");

/// gRPC's units, from the finest, with the nanoseconds of one.
const GRPC_UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

/// Returns the shorter time of those in the headers, with the name of its header.
pub(super) fn shortest(headers: &HeaderMap) -> Option<(Duration, &'static str)> {
    let names = [
        (GRPC_TIMEOUT, "grpc-timeout"),
        (X_TIMEOUT_MS, "x-timeout-ms"),
    ];
    let times = names
        .iter()
        .filter_map(|(name, text)| Some((time_of(headers, name)?, *text)));
    times.min()
}

/// Returns the time in a header. If that is malformed, or given more than once, it counts as
/// missing.
pub(super) fn time_of(headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() {
        return None;
    }
    if *name == GRPC_TIMEOUT {
        parse_grpc(value)
    } else {
        parse_millis(value)
    }
}

/// Reads a value of `grpc-timeout`: one to eight digits, and one of the units `H`, `M`, `S`, `m`,
/// `u` and `n`.
fn parse_grpc(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.len() > GRPC_DIGITS_MAX {
        return None;
    }
    let (_, nanos) = GRPC_UNITS.into_iter().find(|(name, _)| name == unit)?;
    let count = parse_digits(digits)?;
    // At most 99,999,999 hours, which a `Duration` can hold, and a `u64` of nanoseconds cannot.
    Some(match nanos.checked_mul(count) {
        Some(nanos) => Duration::from_nanos(nanos),
        None => Duration::from_secs(nanos / 1_000_000_000 * count),
    })
}

/// Reads a value of `x-timeout-ms`.
fn parse_millis(value: &[u8]) -> Option<Duration> {
    parse_digits(value).map(Duration::from_millis)
}

/// Reads a number that consists of nothing but digits.
fn parse_digits(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Turns gRPC's status `UNKNOWN` into `DEADLINE_EXCEEDED`, in the headers of a reply that is
/// nothing but a status. It does so if the message is `error`'s text and there are no details: then
/// the status was made of this error, which its maker did not know.
pub(super) fn name_deadline(headers: &mut HeaderMap, error: &dyn Error) {
    let is_made_of_error = headers
        .get(GRPC_STATUS)
        .is_some_and(|status| status == GRPC_UNKNOWN)
        && !headers.contains_key(GRPC_STATUS_DETAILS)
        && headers.get(GRPC_MESSAGE).is_some_and(|message| {
            let text = error.to_string();
            percent_decoded(message.as_bytes()).eq(text.bytes())
        });
    if is_made_of_error {
        headers.insert(GRPC_STATUS, GRPC_DEADLINE_EXCEEDED);
    }
}

/// Decodes gRPC's encoding of a message: `%`, and two hexadecimal digits. What is malformed stays.
fn percent_decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    std::iter::from_fn(move || {
        if let [b'%', high, low, rest @ ..] = text
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            text = rest;
            return Some(high << 4 | low);
        }
        let (first, rest) = text.split_first()?;
        text = rest;
        Some(*first)
    })
}

/// Writes a value of `grpc-timeout`, in the finest unit in which it has eight digits. It is never
/// longer than `time`, except that gRPC has no zero.
pub(super) fn grpc_value(time: Duration) -> HeaderValue {
    let nanos = time.as_nanos().max(1);
    let limit = 10_u128.pow(GRPC_DIGITS_MAX as u32);
    let fitting = GRPC_UNITS
        .into_iter()
        .map(|(unit, size)| (unit, nanos / u128::from(size)))
        .find(|(_, count)| *count < limit);
    let (unit, count) = fitting.unwrap_or((b'H', limit - 1));
    let text = format!("{count}{}", char::from(unit));
    HeaderValue::try_from(text).expect("digits and a letter are a header's value")
}

/// Writes a value of `x-timeout-ms`, in whole milliseconds. It is never longer than `time`, except
/// that it is at least 1.
pub(super) fn millis_value(time: Duration) -> HeaderValue {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    HeaderValue::from(millis.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_are_those_of_grpc() {
        for (value, time) in [
            ("1H", Duration::from_secs(3600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("6n", Duration::from_nanos(6)),
            ("0m", Duration::ZERO),
            ("00000250m", Duration::from_millis(250)),
            ("99999999n", Duration::from_nanos(99_999_999)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(parse_grpc(value.as_bytes()), Some(time), "{value}");
        }
    }

    #[test]
    fn what_is_no_timeout_is_rejected() {
        for value in [
            "",
            "m",
            "1",
            "1h",
            "1s",
            "1ms",
            "-1m",
            "+1m",
            " 1m",
            "1m ",
            "1.5S",
            "0x1S",
            "1_0m",
            "100000000n",
            "123456789S",
            "1\u{e9}",
        ] {
            assert_eq!(parse_grpc(value.as_bytes()), None, "{value:?}");
        }
        for value in ["", "+1", "-1", "1.5", "1ms", " 1", "18446744073709551616"] {
            assert_eq!(parse_millis(value.as_bytes()), None, "{value:?}");
        }
        let longest = Duration::from_millis(u64::MAX);
        assert_eq!(parse_millis(b"18446744073709551615"), Some(longest));
    }

    #[test]
    fn what_is_written_is_read_again_and_never_longer() {
        for (time, written) in [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_millis(250), "250000u"),
            (Duration::from_nanos(250_000_999), "250000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(99_999_999), "99999999S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            let value = grpc_value(time);
            assert_eq!(value, written, "{time:?}");
            let read = parse_grpc(value.as_bytes()).expect("it is well formed");
            assert!(read <= time.max(Duration::from_nanos(1)), "{time:?}");
        }
        for (time, written) in [
            (Duration::ZERO, "1"),
            (Duration::from_micros(1_999), "1"),
            (Duration::from_millis(250), "250"),
            (Duration::MAX, "18446744073709551615"),
        ] {
            assert_eq!(millis_value(time), written, "{time:?}");
        }
    }

    #[test]
    fn the_shorter_header_counts_and_a_bad_one_does_not() {
        let shortest_of = |pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::try_from(*value).expect("a value"));
            }
            shortest(&headers)
        };
        let ms = |ms, name| Some((Duration::from_millis(ms), name));
        assert_eq!(shortest_of(&[]), None);
        assert_eq!(
            shortest_of(&[(X_TIMEOUT_MS, "250")]),
            ms(250, "x-timeout-ms")
        );
        assert_eq!(
            shortest_of(&[(GRPC_TIMEOUT, "1S"), (X_TIMEOUT_MS, "250")]),
            ms(250, "x-timeout-ms")
        );
        assert_eq!(
            shortest_of(&[(GRPC_TIMEOUT, "1m"), (X_TIMEOUT_MS, "250")]),
            ms(1, "grpc-timeout")
        );
        assert_eq!(
            shortest_of(&[(GRPC_TIMEOUT, "soon"), (X_TIMEOUT_MS, "250")]),
            ms(250, "x-timeout-ms")
        );
        assert_eq!(
            shortest_of(&[(X_TIMEOUT_MS, "250"), (X_TIMEOUT_MS, "9")]),
            None
        );
    }

    #[test]
    fn a_status_is_that_of_the_deadline_if_it_has_nothing_but_its_text() {
        let error = std::io::Error::other("100 % of `cap` (a.rs:1)");
        let encoded = "100%20%25%20of%20%60cap%60%20(a.rs:1)";
        let named = |pairs: &[(HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, HeaderValue::try_from(*value).expect("a value"));
            }
            name_deadline(&mut headers, &error);
            headers.get(GRPC_STATUS).is_some_and(|status| status == "4")
        };
        assert!(named(&[(GRPC_STATUS, "2"), (GRPC_MESSAGE, encoded)]));
        assert!(named(&[
            (GRPC_STATUS, "2"),
            (GRPC_MESSAGE, "100 % of `cap` (a.rs:1)")
        ]));
        for other in [
            &[][..],
            &[(GRPC_STATUS, "2")],
            &[(GRPC_STATUS, "2"), (GRPC_MESSAGE, "disk")],
            &[
                (GRPC_STATUS, "2"),
                (GRPC_MESSAGE, "100%20%25%20of%20%60cap%60"),
            ],
            &[(GRPC_STATUS, "13"), (GRPC_MESSAGE, encoded)],
            &[(GRPC_MESSAGE, encoded)],
            &[
                (GRPC_STATUS, "2"),
                (GRPC_MESSAGE, encoded),
                (GRPC_STATUS_DETAILS, "CAI"),
            ],
        ] {
            assert!(!named(other), "{other:?}");
        }
    }
}
