//! Bugs of other runtimes, by class, and the tests of framewise that would detect each of them.
//!
//! Every module begins with its class's table: each bug with its repository and number, a summary
//! in our words, and the tests or models anywhere in the workspace that cover it, or the reason why
//! it cannot happen here. [`index`] checks that the tables are complete and that the named tests
//! exist.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(unix)]

mod blocking_pool;
mod cancel_safety;
mod cancel_sections;
mod context;
mod descriptors;
mod drop_thread_and_order;
mod fork;
mod index;
mod io_generations;
mod lost_wakeup;
mod queue;
mod shutdown;
mod source;
mod starvation;
mod timers;
mod user_code_under_a_lock;

use std::net::TcpStream as StdStream;

use framewise::net::{TcpListener, TcpStream};

/// A class of bugs, and the coverage of each of them.
pub(crate) struct Class {
    /// Its name in the list. The module has the same name, with `_` for other characters than
    /// letters.
    pub(crate) name: &'static str,
    pub(crate) bugs: &'static [Bug],
}

/// One bug of another runtime.
pub(crate) struct Bug {
    /// Repository and number.
    pub(crate) id: &'static str,
    /// A summary of the bug, in our words.
    pub(crate) story: &'static str,
    pub(crate) here: Here,
}

/// The coverage of a bug.
pub(crate) enum Here {
    /// Tests and models: the file in the workspace and the function.
    Tests(&'static [(&'static str, &'static str)]),
    /// The reason why it cannot happen here. (No bug of the list has one at present.)
    #[allow(dead_code, reason = "the next bug of the list may be one")]
    Impossible(&'static str),
}

/// The summary of a bug whose report we have not read.
pub(crate) const UNREAD: &str = "(known by its class only: we have not read the report)";

/// Opens a connection on the loopback interface.
async fn connection() -> (TcpStream, StdStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = StdStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    // It is taken to be readable until a read finds nothing, and no event comes meanwhile.
    while futures::FutureExt::now_or_never(stream.readable()).is_some() {
        stream.try_read(&mut [0]).unwrap_err();
    }
    (stream, peer)
}
