//! A driver on a thread of its own, and futures on the threads of the tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use framewise_io::net::{TcpListener, TcpStream};
use framewise_io::{BlockingSpawner, IoDriver, IoHandle, TurnReport};

/// Turns a driver until it is dropped.
pub struct Reactor {
    pub handle: IoHandle,
    /// The reports of the turns with a panic.
    pub panics: Receiver<TurnReport>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Returns a spawner that runs each closure on a thread of its own.
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

    /// Runs a future to completion on this thread, with the driver's handle entered.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let _guard = self.handle.enter();
        futures::executor::block_on(future)
    }

    /// Like [`run`](Self::run), on a new thread.
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

    /// Stops the thread, and shuts the driver down.
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

/// Returns the two ends of a connection. Neither is taken to be readable.
pub async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = futures::join!(TcpStream::connect(address), listener.accept());
    let server = server.unwrap().0;
    // An accepted stream is taken to be readable until a read finds nothing, and no event comes
    // meanwhile.
    while futures::FutureExt::now_or_never(server.readable()).is_some() {
        let nothing = server.try_read(&mut [0; 1]).unwrap_err();
        assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    }
    (client.unwrap(), server)
}
