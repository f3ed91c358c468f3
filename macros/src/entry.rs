//! `#[framewise::main]` and `#[framewise::test]`: an async function as a plain one with a runtime.
//!
//! Works on tokens, like the rest of the crate: removes `async`, and puts the body into an `async`
//! block that the runtime runs. The compiler checks everything else.

use proc_macro::{Delimiter, Group, Span, TokenStream, TokenTree};

/// The standard attribute.
const TEST: &str = "#[::core::prelude::v1::test]";

/// Which attribute it is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Entry {
    Main,
    Test,
}

/// The arguments of the attribute.
struct Settings {
    /// There are no arguments.
    is_default: bool,
    /// The path of the crate `framewise`, as tokens.
    path: String,
    worker_threads: Option<String>,
    flavor: Flavor,
    start_paused: bool,
    tokio_compat: bool,
    seeds: Option<String>,
}

/// The kind of the runtime.
#[derive(Clone, Copy, PartialEq)]
enum Flavor {
    MultiThread,
    CurrentThread,
    Local,
}

/// An error at a place in the user's code.
struct Error(Span, String);

pub(crate) fn expand(entry: Entry, arguments: TokenStream, item: TokenStream) -> TokenStream {
    // The item stays if there is an error, so that its absence causes no further ones.
    let fallback = item.clone();
    Settings::parse(entry, arguments)
        .and_then(|settings| rewrite(entry, &settings, item))
        .unwrap_or_else(|Error(span, message)| {
            let error = parse(&format!("::core::compile_error!({message:?});"));
            error
                .into_iter()
                .map(|mut token| {
                    token.set_span(span);
                    token
                })
                .chain(fallback)
                .collect()
        })
}

impl Settings {
    fn parse(entry: Entry, arguments: TokenStream) -> Result<Self, Error> {
        let mut settings = Settings {
            is_default: arguments.is_empty(),
            path: "::framewise".to_owned(),
            worker_threads: None,
            flavor: Flavor::MultiThread,
            start_paused: false,
            tokio_compat: false,
            seeds: None,
        };
        let mut has_flavor = false;
        let mut tokens = arguments.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let TokenTree::Ident(name) = &token else {
                return Err(Error(token.span(), "expected the name of a setting".into()));
            };
            let value = if tokens.next_if(|token| is_mark(token, '=')).is_some() {
                Some(tokens.next().ok_or_else(|| {
                    Error(
                        token.span(),
                        "expected a value after the equals sign".into(),
                    )
                })?)
            } else {
                None
            };
            let span = value.as_ref().map_or(token.span(), TokenTree::span);
            match (
                name.to_string().as_str(),
                value.map(|value| value.to_string()),
            ) {
                ("worker_threads", Some(count)) => settings.worker_threads = Some(count),
                ("flavor", Some(name)) => {
                    settings.flavor = Flavor::parse(&name, span)?;
                    has_flavor = true;
                }
                ("start_paused", Some(value)) if value == "true" => settings.start_paused = true,
                ("start_paused", Some(value)) if value == "false" => settings.start_paused = false,
                ("tokio_compat", None) => settings.tokio_compat = true,
                ("seeds", Some(count)) if entry == Entry::Test => settings.seeds = Some(count),
                ("crate", Some(path)) => settings.path = unquoted(&path, span)?,
                (other, _) => return Err(Error(span, unknown(entry, other))),
            }
            match tokens.next() {
                None => {}
                Some(comma) if is_mark(&comma, ',') => {}
                Some(other) => return Err(Error(other.span(), "expected a comma".into())),
            }
        }
        let Settings {
            start_paused,
            tokio_compat,
            ..
        } = settings;
        if settings.seeds.is_some()
            && (settings.worker_threads.is_some() || start_paused || tokio_compat || has_flavor)
        {
            let message = "a seeded test has one thread and virtual time, so `seeds` stands alone";
            return Err(Error(Span::call_site(), message.into()));
        }
        if start_paused && !has_flavor {
            settings.flavor = Flavor::CurrentThread;
        }
        if start_paused && settings.flavor == Flavor::MultiThread {
            let message = "the time can be paused in a current-thread runtime only: use \
                 `flavor = \"current_thread\"`, or leave the flavor out";
            return Err(Error(Span::call_site(), message.into()));
        }
        if settings.flavor != Flavor::MultiThread && settings.worker_threads.is_some() {
            let message = "a runtime of this flavor has no worker threads";
            return Err(Error(Span::call_site(), message.into()));
        }
        Ok(settings)
    }

    /// Returns the expression that runs the future `body`, where `body` is an `async` block.
    fn run(&self, entry: Entry, body: &str) -> String {
        let Settings {
            is_default: _,
            path,
            worker_threads,
            flavor,
            start_paused,
            tokio_compat,
            seeds,
        } = self;
        if let Some(seeds) = seeds {
            return format!("{path}::test::Explorer::new().runs({seeds}).check(|| {body})");
        }
        let (new, build) = match flavor {
            Flavor::MultiThread => ("new_multi_thread", "build()"),
            Flavor::CurrentThread => ("new_current_thread", "build()"),
            Flavor::Local => (
                "new_current_thread",
                "build_local(::core::default::Default::default())",
            ),
        };
        let workers = match (worker_threads, entry) {
            (Some(workers), _) => format!(".worker_threads({workers})"),
            (None, Entry::Test) if *flavor == Flavor::MultiThread => {
                ".worker_threads(2)".to_owned()
            }
            (None, _) => String::new(),
        };
        let start_paused = if *start_paused {
            ".start_paused(true)"
        } else {
            ""
        };
        let tokio_compat = if *tokio_compat { ".tokio_compat()" } else { "" };
        format!(
            "{path}::runtime::Builder::{new}(){workers}{start_paused}{tokio_compat}.{build}\
             .expect(\"the runtime could not be started\").block_on({body})"
        )
    }
}

impl Flavor {
    fn parse(literal: &str, span: Span) -> Result<Self, Error> {
        match literal {
            "\"multi_thread\"" => Ok(Self::MultiThread),
            "\"current_thread\"" => Ok(Self::CurrentThread),
            "\"local\"" => Ok(Self::Local),
            _ => {
                let message = "a flavor is \"multi_thread\", \"current_thread\" or \"local\"";
                Err(Error(span, message.into()))
            }
        }
    }
}

fn unknown(entry: Entry, name: &str) -> String {
    let known = match entry {
        Entry::Main => {
            "`flavor = \"current_thread\"`, `worker_threads = 4`, `start_paused = true`, \
             `tokio_compat` and `crate = \"path\"`"
        }
        Entry::Test => {
            "`flavor = \"current_thread\"`, `worker_threads = 4`, `start_paused = true`, \
             `tokio_compat`, `seeds = 100` and `crate = \"path\"`"
        }
    };
    format!("`{name}` is not a setting in this form: the settings are {known}")
}

fn unquoted(literal: &str, span: Span) -> Result<String, Error> {
    let path = literal
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    path.map(str::to_owned)
        .ok_or_else(|| Error(span, "expected a path in quotes".into()))
}

fn rewrite(entry: Entry, settings: &Settings, item: TokenStream) -> Result<TokenStream, Error> {
    let mut signature: Vec<TokenTree> = item.into_iter().collect();
    let body = match signature.pop() {
        Some(TokenTree::Group(body)) if body.delimiter() == Delimiter::Brace => body,
        other => {
            let span = other.map_or_else(Span::call_site, |token| token.span());
            return Err(Error(span, "expected an async function with a body".into()));
        }
    };
    let Some(function) = signature.iter().position(|token| is_word(token, "fn")) else {
        return Err(Error(body.span_open(), "expected an async function".into()));
    };
    let is_async = |token: &TokenTree| is_word(token, "async");
    let Some(keyword) = signature[..function].iter().position(is_async) else {
        if entry == Entry::Test && settings.is_default {
            let plain = parse(TEST).into_iter().chain(signature);
            return Ok(plain.chain([TokenTree::Group(body)]).collect());
        }
        let span = signature[function].span();
        return Err(Error(span, "the function must be `async`".into()));
    };
    if let Some(parameters) = signature[function..].iter().find_map(as_parentheses)
        && !parameters.stream().is_empty()
    {
        let message = "the function must not have parameters";
        return Err(Error(parameters.span(), message.into()));
    }
    let returns = signature[function..]
        .iter()
        .any(|token| is_mark(token, '>'));
    if settings.seeds.is_some() && returns {
        let message = "a seeded test returns nothing: unwrap what fails";
        return Err(Error(signature[function].span(), message.into()));
    }
    signature.remove(keyword);

    let mut tokens = Vec::new();
    if entry == Entry::Test {
        tokens.extend(parse(TEST));
    }
    tokens.extend(signature);
    // The statements keep their spans: they are put where the marker stands.
    let run = parse(&settings.run(entry, "async { FRAMEWISE_BODY }"));
    let mut block = Group::new(Delimiter::Brace, with_body(run, &body));
    block.set_span(body.span());
    tokens.push(TokenTree::Group(block));
    Ok(tokens.into_iter().collect())
}

/// Replaces the block that contains the marker by `body`.
fn with_body(tokens: TokenStream, body: &Group) -> TokenStream {
    let replace = |token| match token {
        TokenTree::Group(group) if is_marker(&group) => TokenTree::Group(body.clone()),
        TokenTree::Group(group) => {
            let inner = with_body(group.stream(), body);
            TokenTree::Group(Group::new(group.delimiter(), inner))
        }
        other => other,
    };
    tokens.into_iter().map(replace).collect()
}

fn is_marker(group: &Group) -> bool {
    let mut inner = group.stream().into_iter();
    inner
        .next()
        .is_some_and(|token| is_word(&token, "FRAMEWISE_BODY"))
}

fn as_parentheses(token: &TokenTree) -> Option<&Group> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => Some(group),
        _ => None,
    }
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident.to_string() == word)
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn parse(tokens: &str) -> TokenStream {
    tokens.parse().expect("this is a stream of valid tokens")
}
