//! A small executor, and the suite's report about it: `cargo run --example toy`.
//!
//! The toy does not carry frames, and its first report shows what gets lost. The fix is one line,
//! and the second report shows what remains.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use framewise_conformance::context::Frame;
use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture, Suite};
#[cfg(test)]
use framewise_conformance::{Item, ItemState};

// The executor: one thread, one queue, and wakers that put their task into it.

struct Toy {
    queue: Sender<Arc<Task>>,
}

struct Task {
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    queue: Sender<Arc<Task>>,
}

impl Toy {
    fn new() -> Self {
        let (queue, tasks) = channel::<Arc<Task>>();
        thread::spawn(move || tasks.iter().for_each(Task::poll));
        Self { queue }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let task = Arc::new(Task {
            future: Mutex::new(Some(Box::pin(future))),
            queue: self.queue.clone(),
        });
        task.wake();
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Task {
    fn poll(self: Arc<Self>) {
        let waker = Waker::from(Arc::clone(&self));
        let mut slot = self.future.lock().expect("a task panicked");
        if let Some(mut future) = slot.take() {
            let poll = future.as_mut().poll(&mut Context::from_waker(&waker));
            *slot = poll.is_pending().then_some(future);
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        // The thread ends if a task panics; then this task is dropped.
        let _ = self.queue.clone().send(self);
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

// The adapter for the suite.

impl Executor for Toy {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.spawn(task);
    }
    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.block_on(future);
    }
}

// The fix, as a second executor so that both can be shown: the frame is captured where `spawn` is
// called, and the task is polled and dropped in it.

struct Fixed(Toy);

impl Executor for Fixed {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(Frame::current().inherited().scope(task));
    }
    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.0.block_on(future);
    }
}

fn main() {
    println!("{}", Suite::executor("toy", Toy::new).run());

    let fixed = || Fixed(Toy::new());
    println!("{}", Suite::executor("fixed toy", fixed).run());
}

// Tests of the two reports, so that this example stays true.

#[test]
fn the_toy_loses_frames_and_the_report_says_where_and_why() {
    let report = Suite::executor("toy", Toy::new).run();
    for number in [25, 26, 28, 30, 35, 43, 44, 49] {
        let state = report.state(Item::new(number));
        assert_eq!(state, ItemState::Failed, "C-{number}\n{report}");
    }
    let text = report.to_string();
    for line in [
        "  C-25 FAILED  Captured when `spawn` is called, not at the first poll.",
        "    c25_captured_at_spawn (initial, bound, captured)",
        "      seen:     None",
        "      likely:   no frame is carried, or it is captured at the first poll, on a thread \
         that has none: capture it in spawn, and enter it for each poll",
        "  C-45 not applicable: no shutdown that drops tasks",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}

#[test]
fn the_fixed_toy_holds_every_item_that_applies() {
    let report = Suite::executor("fixed toy", || Fixed(Toy::new())).run();
    report.assert_conformant();
    for number in [25, 26, 28, 30, 32, 35, 36, 37, 43, 44, 48, 49] {
        let state = report.state(Item::new(number));
        assert_eq!(state, ItemState::Held, "C-{number}\n{report}");
    }
    // Without further threads, handles, timers and so on, the other items do not apply.
    let text = report.to_string();
    for line in [
        "  C-29 not applicable: it needs 2 threads that poll",
        "  C-39 not applicable: no join handle",
        "  C-46 not applicable: a task that panics ends the thread that polls it",
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
    }
}
