//! What the tests share: runtimes of 1, 2 and 8 workers, destructors that say which frame they saw,
//! and a watch that turns a hang into a failure.
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

/// Kept alive by whoever keeps the frame.
pub(crate) static KEPT: ContextVar<Arc<()>> = ContextVar::new("kept");

/// How long a test may take until it is held to hang. Nothing is measured by it.
const HANG: Duration = Duration::from_secs(120);

/// Ends the process with a message if it is not dropped in time: a lost wake-up would otherwise be
/// a test that never ends, and says nothing.
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

/// A runtime with that many workers.
pub(crate) fn runtime(workers: usize) -> Runtime {
    Builder::new().worker_threads(workers).build().unwrap()
}

/// Says with how many workers a test failed.
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

/// Runs a test for each number of workers; it makes (and ends) the runtime itself.
pub(crate) fn with_workers(test: impl Fn(usize)) {
    for workers in [1, 2, 8] {
        let _watch = HangWatch::new(format!("{workers} workers"));
        let _workers = Workers(workers);
        test(workers);
    }
}

/// Runs a test at the root, under a binding, and in a captured frame entered under another binding;
/// it is told what [`ID`] is there.
pub(crate) fn in_frames(test: impl Fn(Option<u64>)) {
    test(None);
    ID.run(1, || test(Some(1)));
    let captured = ID.run(2, Frame::current);
    ID.run(99, || captured.run(|| test(Some(2))));
    let root = Frame::root();
    ID.run(99, || root.run(|| test(None)));
    assert_eq!(ID.get(), None, "the test left a binding behind");
}

/// Both of the above.
pub(crate) fn everywhere(test: impl Fn(&Runtime, Option<u64>)) {
    on_workers(|runtime| in_frames(|id| test(runtime, id)));
}

/// Both for a test that makes its runtime itself.
pub(crate) fn with_workers_in_frames(test: impl Fn(usize, Option<u64>)) {
    with_workers(|workers| in_frames(|id| test(workers, id)));
}

/// Runs `body` while every worker of the runtime is busy with a task that blocks it, so that
/// nothing that is spawned or woken meanwhile is polled.
pub(crate) fn while_occupied<R>(runtime: &Runtime, workers: usize, body: impl FnOnce() -> R) -> R {
    let (started, starts) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    for _ in 0..workers {
        let (started, released) = (started.clone(), Arc::clone(&released));
        drop(runtime.spawn_root(async move {
            started.send(()).unwrap();
            // Ends when the sender is gone.
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

/// The number of workers, which the runtime tells nobody but in its `Debug`.
pub(crate) fn workers_of(runtime: &Runtime) -> usize {
    let shown = format!("{:?}", runtime.handle());
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// What destructors saw: a label and the value of [`ID`], in their order.
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

    /// A value whose destructor writes down what [`ID`] is there.
    pub(crate) fn probe(&self, label: &'static str) -> Probe {
        Probe {
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

/// Writes the frame down in which it is dropped.
pub(crate) struct Probe {
    log: Log,
    label: &'static str,
}

impl Drop for Probe {
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

/// A closure to call on drop that can be a context value.
pub(crate) type DropCall = OnDrop<Box<dyn FnMut() + Send + Sync>>;

pub(crate) fn on_drop(call: impl FnMut() + Send + Sync + 'static) -> DropCall {
    OnDrop(Box::new(call))
}

/// A waker of a foreign executor: it calls a closure.
pub(crate) struct CallWaker<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for CallWaker<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn call_waker(call: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(CallWaker(call)))
}

/// A line that binds, to be asked how many of its frames are live.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

/// A frame of these bindings, made in the name of the caller, and where that is.
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
    /// Returns the number of live frames bound on this line; `None` if the statistics are not
    /// compiled in, like in a release build without the feature.
    pub(crate) fn live(self) -> Option<usize> {
        Some(frame_stats()?.at(self.file, self.line))
    }

    /// Checks the number of live frames bound on this line, if there are statistics.
    #[track_caller]
    pub(crate) fn assert_live(self, expected: usize) {
        if let Some(live) = self.live() {
            let Self { file, line } = self;
            assert_eq!(live, expected, "live frames, bound at {file}:{line}");
        }
    }

    /// Waits until the last frame of this line is gone: for one that another thread is about to
    /// let go.
    pub(crate) fn wait_until_none_is_live(self) {
        while self.live().is_some_and(|live| live > 0) {
            thread::yield_now();
        }
    }
}

/// Runs `body` and says whether it panicked.
pub(crate) fn panics(body: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(body)).is_err()
}

/// The message of the panic of `body`.
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

/// Pending for the first poll, for which it calls `first` with the waker; ready when woken.
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

/// Runs a future with a waker that does nothing, which must be enough.
pub(crate) fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future should be ready at once"),
    }
}
