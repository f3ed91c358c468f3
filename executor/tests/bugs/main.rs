//! Bugs that other runtimes have had, by class: what of ours would notice each of them here.
//!
//! Every module begins with its class's table: each bug by its repository and number, its story in
//! our own words, and our tests or models that stand for it, be they here or elsewhere in the
//! workspace, or the reason why it cannot happen here. [`index`] checks that the tables are
//! complete and that what they name exists.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod blocking_pool;
mod cancel_safety;
mod context;
mod descriptors;
mod drop_thread_and_order;
mod fork;
mod index;
mod io_generations;
mod lost_wakeup;
mod queue;
mod shutdown;
mod starvation;
mod timers;
mod user_code_under_a_lock;

#[path = "../contract_index/source.rs"]
mod source;
#[path = "../support/mod.rs"]
mod support;

use std::net::TcpStream as StdStream;

use framewise::net::{TcpListener, TcpStream};

/// A class of bugs and what stands for each of them.
pub(crate) struct Class {
    /// Its name in the list; the module has the same, with `_` for what is no letter.
    pub(crate) name: &'static str,
    pub(crate) bugs: &'static [Bug],
}

/// One bug of another runtime.
pub(crate) struct Bug {
    /// Repository and number.
    pub(crate) id: &'static str,
    /// What it was, in our words.
    pub(crate) story: &'static str,
    pub(crate) here: Here,
}

/// What keeps a bug from us.
pub(crate) enum Here {
    /// Tests and models: the file in the workspace and the function.
    Tests(&'static [(&'static str, &'static str)]),
    /// Why it cannot happen here. (None is so, at present.)
    #[allow(dead_code, reason = "the next bug of the list may be one")]
    Impossible(&'static str),
}

/// For a bug whose report we have not read.
pub(crate) const UNREAD: &str = "(known by its class only: we have not read the report)";

/// A connection on this machine.
async fn connection() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    (listener.accept().await.unwrap().0, peer)
}
