//! The contract of frames when I/O calls user code: C-50, C-51, C-56 and C-59.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod callbacks;
mod wakers;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use framewise_context::ContextVar;
use framewise_test_support::{DropCall, on_drop};

static REQUEST: ContextVar<u32> = ContextVar::new("request");

/// A value that reports the frame in which it is dropped.
fn reports_drop(sender: Sender<Option<u32>>) -> DropCall {
    on_drop(move || {
        let _ = sender.send(REQUEST.get());
    })
}

/// A value whose references are counted.
#[derive(Clone, Debug)]
struct Held(Arc<()>);

static HELD: ContextVar<Held> = ContextVar::new("held");
