//! The attributes `#[framewise::main]`, `#[framewise::test]` and `#[framewise::test::preemptible]`.
//!
//! They work on tokens and understand little of them, so there is no parser and no dependency. Use
//! them through the crate `framewise` (features `macros` and `test-util`): the generated code calls
//! that crate.

#![forbid(unsafe_code)]

mod entry;

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Runs an async `main` on a runtime of its own, with `block_on`.
///
/// The settings, separated by commas:
///
/// | setting | |
/// | --- | --- |
/// | `flavor = "multi_thread"` | the kind of the runtime: this, the default, `"current_thread"` or `"local"` |
/// | `worker_threads = 4` | the number of workers, an integer; by default one for each processor |
/// | `start_paused = true` | starts with the time paused (`framewise::time::pause`), which needs the feature `test-util`; the flavor is then `"current_thread"` by default, and not `"multi_thread"` |
/// | `tokio_compat` | [`Builder::tokio_compat`], which needs the feature `tokio-compat` |
/// | `crate = "path"` | the path of the crate `framewise`, where it has another name |
///
/// It works for other functions without parameters, too.
///
/// # Panics
///
/// The function panics if the runtime cannot be started.
///
/// # Frame
///
/// The body runs in the caller's frame: the root frame in `main`.
///
/// # Examples
///
/// ```
/// #[framewise::main(worker_threads = 2)]
/// async fn main() -> std::io::Result<()> {
///     let listener = framewise::net::TcpListener::bind("127.0.0.1:0").await?;
///     assert!(listener.local_addr()?.port() > 0);
///     Ok(())
/// }
/// ```
///
/// A function that is not `async`, or has parameters, is an error:
///
/// ```compile_fail
/// #[framewise::main]
/// fn main() {}
/// ```
///
/// ```compile_fail
/// #[framewise::main]
/// async fn main(arguments: Vec<String>) {}
/// ```
///
/// [`Builder::tokio_compat`]: https://docs.rs/framewise/latest/framewise/runtime/struct.Builder.html
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Entry::Main, arguments, item)
}

/// Makes an async function a test, which runs on a runtime of its own.
///
/// The settings are those of [`main`](macro@main), with two workers by default, and
///
/// | setting | |
/// | --- | --- |
/// | `seeds = 1000` | runs the test as that many seeded runs (`framewise::test`, feature `test-util`) instead: one thread, virtual time, other orders under each seed. The environment can choose the seeds, as for `framewise::test::check` |
///
/// A function that is not `async` becomes a test of the standard library. So `#[test]` still means
/// that where `use framewise::test` has imported the module of that name, and this attribute with
/// it.
///
/// # Examples
///
/// ```
/// #[framewise::test]
/// async fn a_task_answers() {
///     assert_eq!(framewise::spawn(async { 6 * 7 }).await.ok(), Some(42));
/// }
///
/// #[framewise::test(start_paused = true)]
/// async fn it_gives_up_after_an_hour() {
///     use framewise::time::{Duration, Instant, timeout};
///     let (start, hour) = (Instant::now(), Duration::from_secs(3600));
///     assert!(timeout(hour, std::future::pending::<()>()).await.is_err()); // at once
///     assert_eq!(start.elapsed(), hour);
/// }
///
/// #[framewise::test(seeds = 100)]
/// async fn it_answers_in_any_order() {
///     let tasks = [1, 2].map(|n| framewise::spawn(async move { n }));
///     framewise::time::sleep(std::time::Duration::from_secs(3600)).await; // no time passes
///     for task in tasks {
///         assert!(task.await.is_ok());
///     }
/// }
/// ```
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Entry::Test, arguments, item)
}

/// Inserts a preemption point, at which a seeded run may preempt the task, before every `.await` of
/// a function, an `impl` block or a module.
///
/// Each `expr.await` becomes `expr.preemptible().await`, also in nested blocks, closures and the
/// arguments of macros. Definitions by `macro_rules!` are unchanged. The macro imports the method's
/// trait into every function body that awaits, as `_`. The name `framewise` must refer to the
/// crate.
///
/// Outside seeded runs a point costs one read of a thread-local. The attribute is still meant for
/// tests: `#[cfg_attr(test, framewise::test::preemptible)]`. If the awaited type is not a future,
/// the error says that it has no method `preemptible`, and points at the `await`.
///
/// See the module `framewise::test` for an example.
#[proc_macro_attribute]
pub fn preemptible(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        let error: TokenStream = "::core::compile_error!(\"`preemptible` takes no arguments\");"
            .parse()
            .expect("this is a stream of valid tokens");
        // Keep the item, so that its absence causes no further errors.
        return error.into_iter().chain(item).collect();
    }
    rewrite(item, &mut Body::default()).0
}

/// Rewrites every `.await`; also returns `true` if there was one. `body` tracks the tokens before.
fn rewrite(tokens: TokenStream, body: &mut Body) -> (TokenStream, bool) {
    let mut rewritten = Vec::new();
    let mut awaits = false;
    let mut definition = Definition::default();
    for token in tokens {
        if definition.ends_with(&token) {
            rewritten.push(token);
            continue;
        }
        let is_transparent = matches!(&token, TokenTree::Group(group)
            if group.delimiter() == Delimiter::None);
        let is_body = !is_transparent && body.begins_with(&token);
        match token {
            TokenTree::Group(group) => {
                // Treat tokens that a macro passed on (`$body`) as if they were not in a group.
                let (mut inner, inner_awaits) = if is_transparent {
                    rewrite(group.stream(), body)
                } else {
                    rewrite(group.stream(), &mut Body::default())
                };
                awaits |= inner_awaits;
                if is_body && inner_awaits {
                    inner = with_import(inner);
                }
                let mut new = Group::new(group.delimiter(), inner);
                new.set_span(group.span());
                rewritten.push(TokenTree::Group(new));
            }
            TokenTree::Ident(word) if is_await(&word.to_string(), rewritten.last()) => {
                awaits = true;
                // Give the method's tokens the span of the `await`, so that errors point there.
                let call: TokenStream = "preemptible()."
                    .parse()
                    .expect("this is a stream of valid tokens");
                rewritten.extend(call.into_iter().map(|mut token| {
                    token.set_span(word.span());
                    token
                }));
                rewritten.push(TokenTree::Ident(word));
            }
            other => rewritten.push(other),
        }
    }
    (rewritten.into_iter().collect(), awaits)
}

fn is_await(word: &str, before: Option<&TokenTree>) -> bool {
    word == "await" && matches!(before, Some(TokenTree::Punct(dot)) if dot.as_char() == '.')
}

/// Imports the trait into a function body or an `async` block, after the body's inner attributes
/// (`#![…]`), which must come first.
fn with_import(body: TokenStream) -> TokenStream {
    let mut rest = body.into_iter().peekable();
    let mut tokens = Vec::new();
    while let Some(hash) = rest.next_if(|token| is_mark(token, '#')) {
        let is_inner = rest.peek().is_some_and(|token| is_mark(token, '!'));
        tokens.push(hash);
        if !is_inner {
            break;
        }
        tokens.extend(rest.by_ref().take(2));
    }
    let outer_attribute = match tokens.last() {
        Some(token) if is_mark(token, '#') => tokens.pop(),
        _ => None,
    };
    let import: TokenStream = "#[allow(unused_imports)] \
         use ::framewise::test::Preemptible as _;"
        .parse()
        .expect("this is a stream of valid tokens");
    tokens.extend(import);
    tokens.extend(outer_attribute);
    tokens.extend(rest);
    tokens.into_iter().collect()
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Finds the rules of a `macro_rules!`, whose code may be expanded in other places.
#[derive(Default)]
struct Definition {
    /// The number of its four tokens seen so far: `macro_rules`, `!`, the name, the rules.
    tokens: usize,
}

impl Definition {
    /// Processes the next token; returns `true` if it is the rules.
    fn ends_with(&mut self, token: &TokenTree) -> bool {
        self.tokens = match (self.tokens, token) {
            (2, TokenTree::Ident(_)) => 3,
            (3, TokenTree::Group(_)) => 4,
            (1, mark) if is_mark(mark, '!') => 2,
            (_, TokenTree::Ident(word)) if word.to_string() == "macro_rules" => 1,
            _ => 0,
        };
        self.tokens == 4
    }
}

/// Finds the braces that are the body of a function or an `async` block, among the tokens of one
/// nesting level.
#[derive(Default)]
struct Body {
    state: BodyState,
    /// The number of open angle brackets in a signature: braces inside them are a constant.
    angles: usize,
    /// Set if the last token was the first half of an arrow.
    in_arrow: bool,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum BodyState {
    #[default]
    Outside,
    /// After `async`, or `async move`.
    Async,
    /// After `fn`, if a name follows (in a function pointer type none does).
    Fn,
    /// In the signature of a function.
    Signature,
}

impl Body {
    /// Processes the next token; returns `true` if it is such braces.
    fn begins_with(&mut self, token: &TokenTree) -> bool {
        let was_in_arrow = std::mem::take(&mut self.in_arrow);
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                if self.state == BodyState::Signature && self.angles > 0 {
                    return false;
                }
                let before = std::mem::take(&mut self.state);
                return matches!(before, BodyState::Async | BodyState::Signature);
            }
            TokenTree::Ident(word) => self.state = self.after_word(&word.to_string()),
            TokenTree::Punct(mark) if self.state == BodyState::Signature => match mark.as_char() {
                '-' | '=' => self.in_arrow = true,
                '<' => self.angles += 1,
                '>' if !was_in_arrow => self.angles = self.angles.saturating_sub(1),
                // A trait's function without a body.
                ';' => self.state = BodyState::Outside,
                _ => {}
            },
            _ if self.state == BodyState::Signature => {}
            _ => self.state = BodyState::Outside,
        }
        false
    }

    fn after_word(&mut self, word: &str) -> BodyState {
        match (self.state, word) {
            (BodyState::Signature, _) => BodyState::Signature,
            (_, "fn") => BodyState::Fn,
            (BodyState::Fn, _) => {
                self.angles = 0;
                BodyState::Signature
            }
            (_, "async") | (BodyState::Async, "move") => BodyState::Async,
            _ => BodyState::Outside,
        }
    }
}
