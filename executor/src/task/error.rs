//! Why a task has no output: `JoinError`.

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use framewise_context::cancel::Ended;
use framewise_context::{CaughtPanic, Frame};

use super::id::Id;

/// Why a task ended without an output.
///
/// It [panicked](Self::is_panic), it was [cancelled](Self::is_cancelled) by an abort or by the
/// runtime's shutdown, or it was [rejected](Self::is_rejected): a blocking call for which no thread
/// could be started. Or only the wait for it is over, because the joiner's deadline passed or its
/// scope was cancelled ([`ended`](Self::ended)): then the task runs on, and can be awaited again.
///
/// # Examples
///
/// ```
/// framewise::block_on(async {
///     let endless = framewise::spawn(std::future::pending::<()>());
///     endless.abort();
///     let error = endless.await.expect_err("it was aborted");
///     assert!(error.is_cancelled());
///
///     let failing = framewise::spawn(async { panic!("no such order") });
///     let error = failing.await.expect_err("it panicked");
///     assert!(error.is_panic());
///     assert_eq!(error.to_string(), "the task panicked: no such order");
/// });
/// ```
pub struct JoinError(Box<Failure>);

struct Failure {
    /// `None` for the panic of a callback or a waker, which belongs to no task.
    id: Option<Id>,
    name: Option<Arc<str>>,
    reason: Reason,
}

enum Reason {
    Cancelled,
    Rejected(io::Error),
    Ended(Ended),
    // The lock makes the payload `Sync`; it is never contended.
    Panic(Mutex<Box<dyn Any + Send>>, Frame),
}

impl JoinError {
    fn new(id: Option<Id>, reason: Reason) -> Self {
        Self(Box::new(Failure {
            id,
            name: None,
            reason,
        }))
    }

    pub(crate) fn cancelled(id: Id) -> Self {
        Self::new(Some(id), Reason::Cancelled)
    }

    pub(crate) fn rejected(id: Id, error: io::Error) -> Self {
        Self::new(Some(id), Reason::Rejected(error))
    }

    /// The error of a wait whose frame's work has ended, or of a blocking call that was not run
    /// because of that. `None`: it was a wait for several tasks.
    pub(crate) fn frame_ended(id: Option<Id>, ended: Ended) -> Self {
        Self::new(id, Reason::Ended(ended))
    }

    /// The error of a task whose code panicked.
    pub(crate) fn panicked(id: Id, panic: CaughtPanic) -> Self {
        let (payload, frame) = panic.into_parts();
        Self::new(Some(id), Reason::Panic(Mutex::new(payload), frame))
    }

    /// The error of a waker whose code panicked.
    pub(crate) fn caught(panic: CaughtPanic) -> Self {
        let (payload, frame) = panic.into_parts();
        Self::panic(payload, frame)
    }

    /// The error of a callback that panicked.
    pub(crate) fn panic(payload: Box<dyn Any + Send>, frame: Frame) -> Self {
        Self::new(None, Reason::Panic(Mutex::new(payload), frame))
    }

    /// Returns the id of the task.
    ///
    /// Another task may have it after the task's handles are dropped. The hook of
    /// [`on_unhandled_panic`](crate::runtime::Builder::on_unhandled_panic) also hears of panics of
    /// callbacks and wakers: the error then has an id that no task has while the error exists.
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let endless = framewise::spawn(std::future::pending::<()>());
    ///     let id = endless.id();
    ///     endless.abort();
    ///     assert_eq!(endless.await.expect_err("it was aborted").id(), id);
    /// });
    /// ```
    pub fn id(&self) -> Id {
        self.0.id.unwrap_or_else(|| Id::of_no_task(&*self.0))
    }

    /// Gives the error the name of its task.
    pub(crate) fn set_name(&mut self, name: Option<&Arc<str>>) {
        self.0.name = name.cloned();
    }

    /// Returns the name of the task, if [`task::Builder`](super::Builder) gave it one.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Returns `true` if the task was aborted, or cancelled by the runtime's shutdown.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.0.reason, Reason::Cancelled)
    }

    /// Returns the reason if the work of a frame has ended: that of the frame that joins, whose
    /// wait is over while the task runs on, or that of a blocking call, which was not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::deadline;
    ///
    /// framewise::block_on(async {
    ///     let mut slow = framewise::spawn(framewise::time::sleep(Duration::from_millis(50)));
    ///     deadline::within(Duration::from_millis(5), async {
    ///         let error = (&mut slow).await.expect_err("the deadline passes first");
    ///         assert!(error.is_timed_out() && error.ended().is_some());
    ///         assert!(!slow.is_finished());
    ///         deadline::shield(slow).await.expect("it neither panics nor is aborted");
    ///     })
    ///     .await;
    /// });
    /// ```
    pub fn ended(&self) -> Option<&Ended> {
        match &self.0.reason {
            Reason::Ended(ended) => Some(ended),
            _ => None,
        }
    }

    /// Returns `true` if a deadline passed before the task was joined; see [`ended`](Self::ended).
    pub fn is_timed_out(&self) -> bool {
        self.ended().is_some_and(Ended::is_deadline)
    }

    /// Returns `true` if the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.0.reason, Reason::Panic(..))
    }

    /// Returns `true` if a blocking call was never run because no thread could be started for it.
    pub fn is_rejected(&self) -> bool {
        matches!(self.0.reason, Reason::Rejected(_))
    }

    /// Returns the innermost frame that was current when the panic began, or `None` if there was no
    /// panic.
    ///
    /// The error holds a reference to this frame.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::ContextVar;
    ///
    /// static REQUEST_ID: ContextVar<u64> = ContextVar::new("request_id");
    ///
    /// framewise::block_on(async {
    ///     let failing = framewise::spawn(REQUEST_ID.scope(7, async { panic!("no such order") }));
    ///     let error = failing.await.expect_err("it panicked");
    ///     let frame = error.frame().expect("there was a panic");
    ///     assert_eq!(frame.run(|| REQUEST_ID.get()), Some(7));
    /// });
    /// ```
    pub fn frame(&self) -> Option<&Frame> {
        match &self.0.reason {
            Reason::Panic(_, frame) => Some(frame),
            _ => None,
        }
    }

    /// Returns the payload of the panic, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Panics
    ///
    /// Panics if the task did not panic; see [`try_into_panic`](Self::try_into_panic).
    ///
    /// # Examples
    ///
    /// ```
    /// framewise::block_on(async {
    ///     let failing = framewise::spawn(async { panic!("no such order") });
    ///     let error = failing.await.expect_err("it panicked");
    ///     let payload = error.into_panic();
    ///     assert_eq!(payload.downcast_ref(), Some(&"no such order"));
    /// });
    /// ```
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("into_panic called on an error that is not a panic: {error}"),
        }
    }

    /// Returns the payload of the panic.
    ///
    /// # Errors
    ///
    /// Returns the error itself if the task did not panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic::resume_unwind;
    /// use framewise::JoinHandle;
    ///
    /// /// Passes a panic of the task on. `None`: the task was cancelled.
    /// async fn join<T>(task: JoinHandle<T>) -> Option<T> {
    ///     match task.await {
    ///         Ok(output) => Some(output),
    ///         Err(error) => match error.try_into_panic() {
    ///             Ok(payload) => resume_unwind(payload),
    ///             Err(_cancelled) => None,
    ///         },
    ///     }
    /// }
    ///
    /// framewise::block_on(async {
    ///     let endless = framewise::spawn(std::future::pending::<()>());
    ///     endless.abort();
    ///     assert_eq!(join(endless).await, None);
    /// });
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        let Failure { id, name, reason } = *self.0;
        match reason {
            Reason::Panic(payload, _) => Ok(payload
                .into_inner()
                .unwrap_or_else(std::sync::PoisonError::into_inner)),
            reason => Err(Self(Box::new(Failure { id, name, reason }))),
        }
    }

    /// Returns the message of the panic, if it was a string.
    fn message(payload: &Mutex<Box<dyn Any + Send>>) -> Option<String> {
        let payload = payload
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        payload
            .downcast_ref::<&'static str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name().map(|name| format!(" `{name}`"));
        let name = name.unwrap_or_default();
        match &self.0.reason {
            Reason::Cancelled => write!(f, "the task{name} was cancelled"),
            Reason::Rejected(error) => write!(
                f,
                "no thread could be started for the blocking call{name}: {error}"
            ),
            Reason::Ended(ended) => write!(f, "the task{name} was not joined: {ended}"),
            Reason::Panic(payload, _) => match Self::message(payload) {
                Some(message) => write!(f, "the task{name} panicked: {message}"),
                None => write!(f, "the task{name} panicked"),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.reason {
            Reason::Cancelled => f.write_str("JoinError::Cancelled"),
            Reason::Rejected(error) => f.debug_tuple("JoinError::Rejected").field(error).finish(),
            Reason::Ended(ended) => f.debug_tuple("JoinError::Ended").field(ended).finish(),
            Reason::Panic(payload, frame) => f
                .debug_struct("JoinError::Panic")
                .field("message", &Self::message(payload))
                .field("frame", frame)
                .finish(),
        }
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.reason {
            Reason::Rejected(error) => Some(error),
            Reason::Ended(ended) => Some(ended),
            _ => None,
        }
    }
}

/// The kind is [`TimedOut`](io::ErrorKind::TimedOut) if a deadline passed, else
/// [`Other`](io::ErrorKind::Other).
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        if error.is_timed_out() {
            return io::Error::new(io::ErrorKind::TimedOut, error);
        }
        io::Error::other(error)
    }
}
