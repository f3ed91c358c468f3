//! Panic handlers in frames (C-91): which panics they get, in which frame and order, and what stops
//! them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;
mod places;
mod policies;

use std::sync::mpsc::{Receiver, Sender, channel};

use framewise::JoinError;
use framewise::panics::{self, Handled, PanicHandler};
use framewise::runtime::{Builder, Runtime};
use framewise_test_support::ID;

/// What a handler or the hook was given: its name, [`ID`] where it ran and in the error's frame,
/// and the error's message.
type Asked = (&'static str, Option<u64>, Option<u64>, String);

/// Makes handlers and hooks that record their calls.
#[derive(Clone)]
struct Recorder(Sender<Asked>);

impl Recorder {
    fn new() -> (Self, Receiver<Asked>) {
        let (sender, asked) = channel();
        (Self(sender), asked)
    }

    fn record(&self, name: &'static str, error: &JoinError) {
        let of_error = error.frame().and_then(|frame| frame.run(|| ID.get()));
        let message = error.to_string();
        let message = message.rsplit(": ").next().unwrap_or_default().to_owned();
        self.0.send((name, ID.get(), of_error, message)).unwrap();
    }

    /// A handler that gives this answer.
    fn handler(&self, name: &'static str, answer: Handled) -> PanicHandler {
        let recorder = self.clone();
        panics::handle(move |error| {
            recorder.record(name, error);
            answer
        })
    }

    /// A handler that panics with its name, under [`ID`] `id`.
    fn panicking(&self, name: &'static str, id: u64) -> PanicHandler {
        let recorder = self.clone();
        panics::handle(move |error| {
            recorder.record(name, error);
            ID.run(id, || panic!("{name}"))
        })
    }

    /// A runtime whose hook records.
    fn hooked(&self, workers: usize) -> Runtime {
        let recorder = self.clone();
        let builder = Builder::new().worker_threads(workers);
        let builder = builder.on_unhandled_panic(move |error| recorder.record("hook", error));
        builder.build().unwrap()
    }
}

/// The record of a call in the frame of the failure.
fn asked(name: &'static str, id: u64, message: &str) -> Asked {
    (name, Some(id), Some(id), message.to_owned())
}
