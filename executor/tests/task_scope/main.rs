//! `task::scope`: children that end before it (C-103 to C-107), and `AbortOnDropHandle` (C-108).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod abort_on_drop;
mod dropped;
mod ends;
mod frames;
mod policies;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise::runtime::{Builder, Runtime};
use framewise::task::yield_now;
use framewise_test_support::{everywhere, in_frames};

/// Counts futures that exist.
#[derive(Clone, Default)]
struct Live(Arc<AtomicUsize>);

struct Counted(Live);

impl Live {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn counted(&self) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.clone())
    }

    /// A child that ends by itself, after some polls.
    fn short(&self, polls: usize) -> impl Future<Output = usize> + Send + use<> {
        let counted = self.counted();
        async move {
            for _ in 0..polls {
                yield_now().await;
            }
            drop(counted);
            polls
        }
    }

    /// A child that ends by an abort alone.
    fn endless<T>(&self) -> impl Future<Output = T> + Send + use<T> {
        let counted = self.counted();
        async move {
            let _counted = counted;
            match pending::<std::convert::Infallible>().await {}
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Runs a test on 1, 2 and 8 workers and in a current-thread runtime, in each starting frame.
fn on_all(test: impl Fn(&Runtime, Option<u64>)) {
    everywhere(&test);
    let current_thread = Builder::new_current_thread().build().unwrap();
    in_frames(|id| test(&current_thread, id));
}
