//! Error zones: a frame may carry a panic handler, which gets the panics that no joiner takes.
//!
//! A panic of a task whose handle was dropped, of a timer's or socket's callback or of an external
//! waker has no caller. The **panic handlers** of the frame in which it began are asked, the
//! innermost first; what none of them handles goes to the runtime's hook,
//! [`on_unhandled_panic`](crate::runtime::Builder::on_unhandled_panic). So code that starts work on
//! behalf of a request, a tenant or a plugin decides in one place what its failures mean, wherever
//! they happen and whichever code started the work. [The guide](crate::guide::zones) shows it
//! beside Dart's and zone.js's zones.
//!
//! - A handler is bound like a value: [`handle`]`(handler)` is followed by
//!   [`scope`](PanicHandler::scope) or [`run`](PanicHandler::run). Tasks, callbacks and blocking
//!   calls that start inside inherit it. Work at the root (`spawn_root`) has none.
//! - The error of a task that is joined goes to its joiner alone.
//! - A panic that is handled has been printed by the process's panic hook, as any panic.
//!
//! # Examples
//!
//! ```
//! use std::sync::Arc;
//! use framewise::ContextVar;
//! use framewise::panics::{self, Handled};
//!
//! static PLUGIN: ContextVar<&str> = ContextVar::new("plugin");
//!
//! # std::panic::set_hook(Box::new(|_| ())); // no noise
//! framewise::block_on(async {
//!     let (failed, failures) = async_channel::unbounded();
//!     let in_zone = panics::handle(move |error| {
//!         // In the frame of the failure, innermost scope included.
//!         let line = format!("{:?}: {error}", PLUGIN.get());
//!         failed.try_send(line).expect("the receiver is there");
//!         Handled::Yes
//!     });
//!     let plugin = async {
//!         // Detached, and two levels down.
//!         drop(framewise::spawn(PLUGIN.scope("clock", async {
//!             drop(framewise::spawn(async { panic!("no battery") }));
//!         })));
//!     };
//!     in_zone.scope(plugin).await;
//!     let line = failures.recv().await;
//!     assert_eq!(line.as_deref(), Ok(r#"Some("clock"): the task panicked: no battery"#));
//! });
//! ```

mod chain;
mod report;
mod scope;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_core::Stream;

use self::chain::HANDLERS;
pub(crate) use self::report::{PanicHook, report_callback_panics, report_unhandled};
pub use self::scope::HandlerScope;
use crate::task::JoinError;

/// A handler's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "an error that is not handled goes to the next handler"]
pub enum Handled {
    /// The error ends here.
    Yes,
    /// The error goes outward: to the handler outside of this one, finally to the runtime's hook.
    No,
}

/// Makes a panic handler, to be bound by [`scope`](PanicHandler::scope) or
/// [`run`](PanicHandler::run).
///
/// It is called once for each panic that no joiner takes and that no handler further inside has
/// handled: of a task, a local task or a blocking call whose handle is dropped, a timer's or
/// socket's callback, an external waker that timers or sockets call. Handlers of different panics
/// may run at the same time on different threads.
///
/// The handlers outside of this one are those of the frame in which it is bound, and are fixed
/// then: at the call of `run`, and at the poll of a scope. It keeps them, so a chain of tasks each
/// of which binds a handler and spawns the next is as long as that chain.
///
/// A handler must not block, and it cannot wait: it runs on the thread that found the panic, which
/// may be a worker or the code that drops a `JoinHandle`.
///
/// # Panics
///
/// The returned value does not panic. If the handler does, its own panic is reported outward, in
/// the frame in which it began, and so is the error that it was given. It is not asked again about
/// this failure.
///
/// # Frame
///
/// The handler runs in the frame in which the panic began ([`JoinError::frame`]), but with the
/// handlers outside of it as its own: so a task that it spawns fails outward, not into the same
/// handler again.
///
/// # Examples
///
/// A handler for one kind of error:
///
/// ```
/// use framewise::panics::{self, Handled};
///
/// # std::panic::set_hook(Box::new(|_| ())); // no noise
/// let (report, reports) = std::sync::mpsc::channel();
/// let runtime = framewise::runtime::Builder::new()
///     .worker_threads(1)
///     .on_unhandled_panic(move |error| report.send(error.to_string()).unwrap())
///     .build()?;
/// let expected = panics::handle(|error| match error.to_string().contains("as usual") {
///     true => Handled::Yes,
///     false => Handled::No,
/// });
/// expected.run(|| {
///     drop(runtime.spawn(async { panic!("as usual") }));
///     drop(runtime.spawn(async { panic!("out of ink") }));
/// });
/// assert_eq!(reports.recv().as_deref(), Ok("the task panicked: out of ink"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn handle(handler: impl Fn(&JoinError) -> Handled + Send + Sync + 'static) -> PanicHandler {
    PanicHandler {
        call: Arc::new(handler),
    }
}

/// A panic handler that is not bound yet. Made by [`handle`]; clones are the same handler.
#[derive(Clone)]
#[must_use = "no panic is handled until `run` is called or the scope is polled"]
pub struct PanicHandler {
    call: Arc<dyn Fn(&JoinError) -> Handled + Send + Sync>,
}

impl PanicHandler {
    /// Runs `body` with this handler bound, and restores the previous frame afterwards, also if
    /// `body` panics.
    ///
    /// A panic of `body` itself unwinds into the caller and is not the handler's: it has a caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::panics::{self, Handled};
    /// use framewise::time::{PanicPolicy, set_interval_with};
    ///
    /// # std::panic::set_hook(Box::new(|_| ())); // no noise
    /// framewise::block_on(async {
    ///     let (called, calls) = async_channel::unbounded();
    ///     // The interval goes on after the panics that the handler says are handled.
    ///     let tick = panics::handle(|_| Handled::Yes).run(|| {
    ///         let period = Duration::from_millis(1);
    ///         set_interval_with(period, PanicPolicy::ContinueIfHandled, move || {
    ///             called.try_send(()).expect("the receiver is there");
    ///             panic!("not today");
    ///         })
    ///     });
    ///     for _ in 0..3 {
    ///         calls.recv().await.expect("it goes on");
    ///     }
    ///     tick.cancel();
    /// });
    /// ```
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn run<R>(self, body: impl FnOnce() -> R) -> R {
        HANDLERS.run(self.outside_current(), body)
    }

    /// Wraps a future so that it is polled and dropped with this handler bound.
    ///
    /// # Frame
    ///
    /// See [`HandlerScope`].
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope<F: Future>(self, future: F) -> HandlerScope<F> {
        HandlerScope::new(self, future)
    }

    /// Wraps a stream so that it is polled and dropped with this handler bound. Its consumer runs
    /// outside of the binding.
    ///
    /// # Frame
    ///
    /// See [`HandlerScope`].
    #[cfg_attr(any(debug_assertions, feature = "frame-stats"), track_caller)]
    pub fn scope_stream<S: Stream>(self, stream: S) -> HandlerScope<S> {
        HandlerScope::new(self, stream)
    }
}

impl fmt::Debug for PanicHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanicHandler").finish_non_exhaustive()
    }
}
