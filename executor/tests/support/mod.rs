//! Shared helpers of the tests: runtimes of 1, 2 and 8 workers, drop trackers that record the frame
//! in which they are dropped, and a watchdog that turns a hang into a failure.
#![allow(dead_code)]

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use framewise::context::{BindingList, Bindings, frame_stats};
use framewise::runtime::{Builder, Runtime};
use framewise::{ContextVar, Frame};

/// The variable that most tests bind.
pub(crate) static ID: ContextVar<u64> = ContextVar::new("id");

/// A value that lives as long as a frame that binds it.
pub(crate) static KEPT: ContextVar<Arc<()>> = ContextVar::new("kept");

/// The timeout after which a test counts as hanging. No test measures time with it.
const HANG: Duration = Duration::from_secs(120);

/// A watchdog that aborts the process with a message unless it is dropped in time. Without it, a
/// lost wake-up would be a test that never ends and prints nothing.
pub(crate) struct HangWatch {
    ended: Option<mpsc::Sender<()>>,
    watcher: Option<thread::JoinHandle<()>>,
}

impl HangWatch {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let (ended, wait) = mpsc::channel::<()>();
        let watcher = thread::spawn(move || {
            if wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!("{test} hangs: {what}");
                std::process::abort();
            }
        });
        Self {
            ended: Some(ended),
            watcher: Some(watcher),
        }
    }
}

impl Drop for HangWatch {
    fn drop(&mut self) {
        drop(self.ended.take());
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

/// Builds a runtime with that many workers.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

/// Prints the number of workers if the test fails.
struct Workers(usize);

impl Drop for Workers {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("... with {} workers", self.0);
        }
    }
}

/// Runs a test on 1, 2 and 8 workers.
pub(crate) fn on_workers(test: impl Fn(&Runtime)) {
    with_workers(|workers| test(&runtime(workers)));
}

/// Runs a test for each number of workers. The test builds and shuts down the runtime itself.
pub(crate) fn with_workers(test: impl Fn(usize)) {
    for workers in [1, 2, 8] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let _workers = Workers(workers);
        test(workers);
    }
}

/// Runs a test in each starting frame: the root frame, a bound frame, a captured frame that is
/// entered in another bound frame, and the root frame entered in a bound frame. The argument is the
/// expected value of [`ID`].
pub(crate) fn in_frames(test: impl Fn(Option<u64>)) {
    test(None);
    ID.run(1, || test(Some(1)));
    let captured = ID.run(2, Frame::current);
    ID.run(99, || captured.run(|| test(Some(2))));
    let root = Frame::root();
    ID.run(99, || root.run(|| test(None)));
    assert_eq!(ID.get(), None, "the test left a binding behind");
}

/// Runs a test on 1, 2 and 8 workers, in each starting frame.
pub(crate) fn everywhere(test: impl Fn(&Runtime, Option<u64>)) {
    on_workers(|runtime| in_frames(|id| test(runtime, id)));
}

/// Like [`everywhere`], for a test that builds its runtime itself.
pub(crate) fn with_workers_in_frames(test: impl Fn(usize, Option<u64>)) {
    with_workers(|workers| in_frames(|id| test(workers, id)));
}

/// Runs `body` while a task blocks each worker of the runtime, so that no spawned or woken task is
/// polled meanwhile.
pub(crate) fn while_occupied<R>(runtime: &Runtime, workers: usize, body: impl FnOnce() -> R) -> R {
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    for _ in 0..workers {
        let (started, released) = (started.clone(), Arc::clone(&released));
        drop(runtime.spawn_root(async move {
            started.send(()).unwrap();
            // Returns when the sender is dropped.
            let _ = released.lock().unwrap().recv();
        }));
    }
    for _ in 0..workers {
        starts.recv().unwrap();
    }
    let result = body();
    drop(release);
    result
}

/// Returns the number of workers, which only the runtime's `Debug` output shows.
pub(crate) fn workers_of(runtime: &Runtime) -> usize {
    let shown = format!("{:?}", runtime.handle());
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// The entries of drop trackers in order: a label and the value of [`ID`].
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<LogState>);

#[derive(Default)]
struct LogState {
    entries: Mutex<Vec<(&'static str, Option<u64>)>>,
    added: Condvar,
}

impl Log {
    pub(crate) fn add(&self, label: &'static str) {
        self.0.entries.lock().unwrap().push((label, ID.get()));
        self.0.added.notify_all();
    }

    /// Returns a drop tracker, which adds an entry with the value of [`ID`] when it is dropped.
    pub(crate) fn tracker(&self, label: &'static str) -> DropTracker {
        DropTracker {
            log: self.clone(),
            label,
        }
    }

    pub(crate) fn entries(&self) -> Vec<(&'static str, Option<u64>)> {
        self.0.entries.lock().unwrap().clone()
    }

    /// Blocks until there are `count` entries.
    pub(crate) fn wait(&self, count: usize) -> Vec<(&'static str, Option<u64>)> {
        let mut entries = self.0.entries.lock().unwrap();
        while entries.len() < count {
            entries = self.0.added.wait(entries).unwrap();
        }
        entries.clone()
    }
}

/// A drop tracker: records the frame in which it is dropped.
pub(crate) struct DropTracker {
    log: Log,
    label: &'static str,
}

impl Drop for DropTracker {
    fn drop(&mut self) {
        self.log.add(self.label);
    }
}

/// Calls a closure when dropped.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A closure that is called on drop and can be a context value.
pub(crate) type DropCall = OnDrop<Box<dyn FnMut() + Send + Sync>>;

pub(crate) fn on_drop(call: impl FnMut() + Send + Sync + 'static) -> DropCall {
    OnDrop(Box::new(call))
}

/// A waker of a foreign executor, which calls a closure.
pub(crate) struct CallWaker<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for CallWaker<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn call_waker(call: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(CallWaker(call)))
}

/// A bind location, for queries of its number of live frames.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// Creates a frame of these bindings with the caller as bind location; returns both.
#[track_caller]
pub(crate) fn bound_here<L: BindingList>(bindings: Bindings<L>) -> (Frame, Site) {
    let frame = bindings.frame();
    let caller = Location::caller();
    let site = Site {
        file: caller.file(),
        line: caller.line(),
    };
    (frame, site)
}

impl Site {
    /// Returns the number of live frames of this location; `None` if the statistics are not
    /// compiled in, for example in a release build without the feature.
    pub(crate) fn live(self) -> Option<usize> {
        Some(frame_stats()?.at(self.file, self.line))
    }

    /// Checks the number of live frames, if the statistics are compiled in.
    #[track_caller]
    pub(crate) fn assert_live(self, expected: usize) {
        if let Some(live) = self.live() {
            let Self { file, line } = self;
            assert_eq!(live, expected, "live frames, bound at {file}:{line}");
        }
    }

    /// Waits until no frame of this location is live, for frames that another thread is about to
    /// release.
    pub(crate) fn wait_until_none_is_live(self) {
        while self.live().is_some_and(|live| live > 0) {
            thread::yield_now();
        }
    }
}

/// Runs `body`; returns `true` if it panicked.
pub(crate) fn panics(body: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// Returns the message of the panic of `body`.
pub(crate) fn panic_message<R>(body: impl FnOnce() -> R) -> String {
    let payload = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(_) => panic!("this should have panicked"),
        Err(payload) => payload,
    };
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => (*payload.downcast::<&'static str>().unwrap()).to_owned(),
    }
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Calls `first` with the waker at the first poll and returns `Pending`; is ready at the next poll.
pub(crate) async fn pause(first: impl FnOnce(&Waker)) {
    let mut first = Some(first);
    poll_fn(|cx| match first.take() {
        Some(first) => {
            first(cx.waker());
            Poll::Pending
        }
        None => Poll::Ready(()),
    })
    .await;
}

/// Polls a future once with a no-op waker; panics if it is not ready.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future should be ready at once"),
    }
}
