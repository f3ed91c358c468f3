//! The log: one line an event, to standard error, each with the request that it belongs to.
//!
//! The request's id and tenant come from the current frame and nowhere else: no caller passes them,
//! so no caller can pass the wrong ones or forget them. Only the customer is passed, if there is an
//! order.

use std::fmt::{Arguments, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::context::{REQUEST_ID, TENANT};
use crate::options::LogFormat;

/// The part of the service that logs.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Site {
    /// The process itself: starting, stopping, accepting. Belongs to no request.
    Server,
    /// A request's handler.
    Handler,
    /// The client of the price service, for each item.
    Price,
    /// The database, on the blocking pool.
    Database,
    /// A timer's callback, and what it started.
    Timer,
    /// The background worker.
    Job,
}

#[derive(Serialize)]
struct Line<'a> {
    unix_ms: u64,
    site: Site,
    request_id: Option<&'a str>,
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    message: Arguments<'a>,
}

static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Chooses the format, once, before the first line; without it, it is text.
pub(crate) fn set_format(format: LogFormat) {
    // A second call changes nothing; there is none.
    let _ = FORMAT.set(format);
}

/// Writes a line in one piece. It is lost if standard error is closed: a failing log must not stop
/// the service.
///
/// # Frame
/// The line's `request_id` and `tenant` are those bound in the current frame.
pub(crate) fn log(site: Site, customer: Option<&str>, message: Arguments<'_>) {
    let format = FORMAT.get().copied().unwrap_or(LogFormat::Text);
    let line = REQUEST_ID.with(|request_id| {
        TENANT.with(|tenant| {
            render(
                format,
                &Line {
                    unix_ms: unix_ms(),
                    site,
                    request_id: request_id.map(|id| &**id),
                    tenant: tenant.map(|tenant| &**tenant),
                    customer,
                    message,
                },
            )
        })
    });
    // The lock keeps lines whole among themselves, the single write among processes.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// Returns the milliseconds since 1970, the unit of the log and the database.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn render(format: LogFormat, line: &Line<'_>) -> String {
    let mut text = match format {
        LogFormat::Json => serde_json::to_string(line).unwrap_or_default(),
        LogFormat::Text => render_text(line),
    };
    text.push('\n');
    text
}

fn render_text(line: &Line<'_>) -> String {
    let mut text = String::with_capacity(128);
    let site = match line.site {
        Site::Server => "server",
        Site::Handler => "handler",
        Site::Price => "price",
        Site::Database => "database",
        Site::Timer => "timer",
        Site::Job => "job",
    };
    // Writing to a string does not fail.
    let _ = write!(text, "{site:<8} ");
    for name in [line.request_id, line.tenant, line.customer]
        .into_iter()
        .flatten()
    {
        let _ = write!(text, "[{name}] ");
    }
    let _ = write!(text, "{}", line.message);
    // A client's words may be quoted in a message; they must not begin a line of their own.
    if text.contains(char::is_control) {
        text = text
            .chars()
            .map(|c| {
                if c.is_control() {
                    c.escape_default().to_string()
                } else {
                    c.into()
                }
            })
            .collect();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(message: Arguments<'a>, request_id: Option<&'a str>) -> Line<'a> {
        Line {
            unix_ms: 5,
            site: Site::Price,
            request_id,
            tenant: request_id.map(|_| "acme"),
            customer: request_id.map(|_| "ada"),
            message,
        }
    }

    #[test]
    fn json_lines_are_objects_with_every_field() {
        let text = render(
            LogFormat::Json,
            &line(format_args!("a \"b\"\n{}", 1), Some("r-1")),
        );
        assert_eq!(text.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let expected = serde_json::json!({
            "unix_ms": 5, "site": "price", "request_id": "r-1", "tenant": "acme",
            "customer": "ada", "message": "a \"b\"\n1",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn outside_a_request_the_fields_are_null_and_there_is_no_customer() {
        let text = render(LogFormat::Json, &line(format_args!("up"), None));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let expected = serde_json::json!({
            "unix_ms": 5, "site": "price", "request_id": null, "tenant": null, "message": "up",
        });
        assert_eq!(value, expected);
    }

    #[test]
    fn text_lines_stay_one_line() {
        let text = render(
            LogFormat::Text,
            &line(format_args!("a\nprice [r-2] b"), Some("r-1")),
        );
        assert_eq!(text, "price    [r-1] [acme] [ada] a\\nprice [r-2] b\n");
    }
}
