//! The command line: its options, and the messages for wrong ones.
//!
//! Knows nothing of the server; parses by hand, since a few options need no library.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
An orders service on framewise, in which each log line knows its request.

Usage: server [OPTIONS]

  --listen HOST:PORT     where to listen; port 0 takes a free one [127.0.0.1:8080]
  --database PATH        the SQLite file, created when missing [orders.sqlite3]
  --workers N            worker threads [one a processor]
  --log json|text        how to write the log, to standard error [text]
  --pay-within TIME      an order not paid in this time expires [15m]
  --price-within TIME    how long the price of an item may take; then 504 [1s]
  --price-calls N        how many calls of the price service are under way at once;
                         the others wait for their turn [128]
  --prices-at HOST:PORT  another server of this kind, whose price service is asked
                         instead of this one's own
  --price-delay TIME     how long the price service thinks before it answers,
                         to see what a slow one does [0s]
  --request-within TIME  how long a request may take; then it fails with 504. A
                         client may ask for less by x-timeout-ms or
                         grpc-timeout [5m]
  --read-within TIME     how long a client may take to send a request's headers,
                         and then its body; then it is cut off [10s]
  --drain-within TIME    how long what is in flight may take after SIGTERM [10s]
  --help                 this text

TIME is a whole number with a unit: us, ms, s, m, h or d, as in 200ms or 15m.
";

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text, for people.
    Text,
}

/// The parsed command line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    /// `--help` was given.
    Help,
    /// Run the server with these options.
    Run(Box<Options>),
}

/// The options of the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) database: PathBuf,
    pub(crate) workers: Option<usize>,
    pub(crate) log: LogFormat,
    pub(crate) pay_within: Duration,
    pub(crate) price_within: Duration,
    pub(crate) price_calls: usize,
    pub(crate) price_delay: Duration,
    pub(crate) prices_at: Option<SocketAddr>,
    pub(crate) request_within: Duration,
    pub(crate) read_within: Duration,
    pub(crate) drain_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: "127.0.0.1:8080".to_owned(),
            database: PathBuf::from("orders.sqlite3"),
            workers: None,
            log: LogFormat::Text,
            pay_within: Duration::from_secs(15 * 60),
            price_within: Duration::from_secs(1),
            price_calls: 128,
            price_delay: Duration::ZERO,
            prices_at: None,
            request_within: Duration::from_secs(5 * 60),
            read_within: Duration::from_secs(10),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// Reads the arguments (without the program's name).
///
/// # Errors
/// A sentence for the user: which argument is wrong, and what would be right.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, inline) = split(&argument)?;
        if matches!(name.as_str(), "--help" | "-h") {
            return Ok(Command::Help);
        }
        if !KNOWN.contains(&name.as_str()) {
            return Err(format!(
                "there is no option `{name}`; there are: {}",
                KNOWN.join(", ")
            ));
        }
        let value = inline
            .or_else(|| arguments.next())
            .ok_or_else(|| format!("{name} needs a value after it"))?;
        if name == "--database" {
            if value.is_empty() {
                return Err("--database: give the path of a file".to_owned());
            }
            options.database = PathBuf::from(value);
            continue;
        }
        let value = value
            .to_str()
            .ok_or_else(|| format!("{name}: the value is not text"))?;
        set(&mut options, &name, value).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(Command::Run(Box::new(options)))
}

const KNOWN: [&str; 12] = [
    "--listen",
    "--database",
    "--workers",
    "--log",
    "--pay-within",
    "--price-within",
    "--price-calls",
    "--price-delay",
    "--prices-at",
    "--request-within",
    "--read-within",
    "--drain-within",
];

/// Splits `--name=value`; a plain `--name` takes its value from the next argument.
fn split(argument: &OsString) -> Result<(String, Option<OsString>), String> {
    let text = argument
        .to_str()
        .ok_or_else(|| format!("the argument {argument:?} is not an option; see --help"))?;
    if !text.starts_with('-') {
        return Err(format!(
            "`{text}` is not an option; options begin with --, see --help"
        ));
    }
    Ok(match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
        None => (text.to_owned(), None),
    })
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    match name {
        "--listen" => options.listen = address(value)?,
        "--workers" => options.workers = Some(count(value, "threads")?),
        "--price-calls" => options.price_calls = count(value, "calls")?,
        "--log" => options.log = log_format(value)?,
        "--pay-within" => options.pay_within = positive(value)?,
        "--price-within" => options.price_within = positive(value)?,
        "--price-delay" => options.price_delay = duration(value)?,
        "--prices-at" => options.prices_at = Some(socket_address(value)?),
        "--request-within" => options.request_within = positive(value)?,
        "--read-within" => options.read_within = positive(value)?,
        "--drain-within" => options.drain_within = duration(value)?,
        _ => return Err("is not known; see --help".to_owned()),
    }
    Ok(())
}

fn address(value: &str) -> Result<String, String> {
    match value.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(value.to_owned())
        }
        _ => Err(format!(
            "`{value}` is not an address; give HOST:PORT, as in 127.0.0.1:8080"
        )),
    }
}

fn socket_address(value: &str) -> Result<SocketAddr, String> {
    let right = "give an IP address and a port, as in 127.0.0.1:8080";
    value
        .parse()
        .map_err(|_| format!("`{value}` is not an address; {right}"))
}

fn count(value: &str, what: &str) -> Result<usize, String> {
    match value.parse() {
        Ok(count @ 1..=1024) => Ok(count),
        _ => Err(format!(
            "`{value}` is not a number of {what}; give 1 to 1024"
        )),
    }
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err(format!("`{value}` is not a format; give json or text")),
    }
}

fn positive(value: &str) -> Result<Duration, String> {
    match duration(value)? {
        Duration::ZERO => Err(format!(
            "`{value}` is no time at all; give e.g. 200ms or 15m"
        )),
        duration => Ok(duration),
    }
}

/// Reads `200ms`, `15m` and the like.
fn duration(value: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(365 * 86_400);
    let wrong = || format!("`{value}` is not a time; give a whole number and us, ms, s, m, h or d");
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    let duration = match unit {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3_600),
        "d" => seconds(86_400),
        _ => return Err(wrong()),
    };
    duration
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("`{value}` is too long; give 365d or less"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(arguments.iter().map(OsString::from))
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        assert_eq!(parsed(&[]), Ok(Command::Run(Box::default())));
    }

    #[test]
    fn each_option_is_read() {
        let Ok(Command::Run(options)) = parsed(&[
            "--listen",
            "localhost:0",
            "--database=/tmp/a=b.sqlite3",
            "--workers",
            "3",
            "--log",
            "json",
            "--pay-within",
            "200ms",
            "--price-within",
            "2s",
            "--price-delay",
            "0s",
            "--read-within=1m",
            "--drain-within",
            "1h",
            "--price-calls",
            "16",
            "--prices-at",
            "127.0.0.1:9",
            "--request-within",
            "30s",
        ]) else {
            panic!("refused")
        };
        assert_eq!(options.listen, "localhost:0");
        assert_eq!(options.database, PathBuf::from("/tmp/a=b.sqlite3"));
        assert_eq!(options.workers, Some(3));
        assert_eq!(options.log, LogFormat::Json);
        assert_eq!(options.pay_within, Duration::from_millis(200));
        assert_eq!(options.price_within, Duration::from_secs(2));
        assert_eq!(options.price_delay, Duration::ZERO);
        assert_eq!(options.read_within, Duration::from_secs(60));
        assert_eq!(options.drain_within, Duration::from_secs(3600));
        assert_eq!(options.price_calls, 16);
        assert_eq!(options.prices_at, Some(([127, 0, 0, 1], 9).into()));
        assert_eq!(options.request_within, Duration::from_secs(30));
    }

    #[test]
    fn help_wins_and_names_every_option() {
        assert_eq!(
            parsed(&["--workers", "2", "--help", "--nonsense"]),
            Ok(Command::Help)
        );
        for name in KNOWN {
            assert!(HELP.contains(name), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (arguments, said) in [
            (&["--lisen", "x"][..], "--listen"),
            (&["orders"], "begin with --"),
            (&["--workers"], "needs a value"),
            (&["--workers", "0"], "1 to 1024"),
            (&["--workers", "two"], "1 to 1024"),
            (&["--log", "xml"], "json or text"),
            (&["--listen", "8080"], "127.0.0.1:8080"),
            (&["--listen", ":8080"], "HOST:PORT"),
            (&["--listen", "localhost:99999"], "HOST:PORT"),
            (&["--pay-within", "15"], "s, m, h"),
            (&["--pay-within", "m"], "whole number"),
            (&["--pay-within", "-1s"], "whole number"),
            (&["--pay-within", "1.5s"], "whole number"),
            (&["--pay-within", "0ms"], "no time at all"),
            (&["--pay-within", "99999999999999999999s"], "whole number"),
            (&["--pay-within", "18446744073709551615d"], "365d"),
            (&["--prices-at", "localhost:80"], "127.0.0.1:8080"),
            (&["--database", ""], "path"),
        ] {
            let error = parsed(arguments).expect_err("accepted");
            assert!(error.contains(said), "{arguments:?}: {error}");
            assert!(error.contains(arguments[0]), "{arguments:?}: {error}");
        }
    }
}
