//! A driver on a thread of its own, and futures on the threads of the tests.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use framewise_context::{ContextVar, Frame};
use framewise_io::net::{TcpListener, TcpStream};
use framewise_io::{BlockingSpawner, IoDriver, IoHandle, TurnReport};

/// Turns a driver until it is dropped.
pub struct Reactor {
    pub handle: IoHandle,
    /// The reports of the turns that saw a panic.
    pub panics: Receiver<TurnReport>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Runs what is to block on a thread of its own.
pub fn spawner() -> BlockingSpawner {
    Arc::new(|job| {
        std::thread::spawn(job);
        Ok(())
    })
}

impl Reactor {
    pub fn new() -> Self {
        let (driver, handle) = IoDriver::new(spawner()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, panics) = channel();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || drive(driver, &stopped, &sender));
        Self {
            handle,
            panics,
            stop,
            thread: Some(thread),
        }
    }

    /// Runs a future to its end on this thread, with the driver at hand.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let _guard = self.handle.enter();
        futures::executor::block_on(future)
    }

    /// The same on a thread of its own.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let handle = self.handle.clone();
        std::thread::spawn(move || {
            let _guard = handle.enter();
            futures::executor::block_on(future)
        })
    }

    /// Stops the driver: it shuts down.
    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        self.handle.unpark();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.stop();
    }
}

fn drive(mut driver: IoDriver, stop: &AtomicBool, panics: &Sender<TurnReport>) {
    while !stop.load(Ordering::SeqCst) {
        let report = driver.turn(None).unwrap();
        if !report.panics.is_empty() {
            let _ = panics.send(report);
        }
    }
    driver.shutdown();
}

/// A listener on a free port, and the two ends of a connection to it.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

static AROUND: ContextVar<u64> = ContextVar::new("around");

/// Runs a test three ways: at the root, under a binding, and in a captured frame that is entered
/// under another binding. Each time the frame around it has to be the same afterwards.
///
/// The binding is of a variable that the tests do not use, so that what they say of theirs holds
/// each time. (There are no workers here, to be 1, 2 or 8: the runtime's own tests are run on so
/// many.)
pub fn in_each_start_frame(test: impl Fn()) {
    let run = |around: Option<u64>| {
        let before = Frame::current().id();
        test();
        assert_eq!(AROUND.get(), around, "the test changed the frame around it");
        assert_eq!(Frame::current().id(), before);
    };
    run(None);
    AROUND.run(1, || run(Some(1)));
    let captured = AROUND.run(2, Frame::current);
    AROUND.run(99, || captured.run(|| run(Some(2))));
}
