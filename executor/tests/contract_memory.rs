//! C-79: a chain of tasks, each of which rebinds and spawns the next, keeps memory flat. Counted in
//! bytes of the whole process, so this file holds the one test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use framewise::runtime::Handle;
use framewise::{ContextVar, spawn};
use support::{ID, on_workers, workers_of};

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A value too large to be kept inside of a slot, so that each link has one to free.
static TRAIL: ContextVar<[u64; 4]> = ContextVar::new("trail");

/// What may be there at once beyond what was there before: queues' buffers, a few tasks and frames.
const BYTES_MAX: usize = 256 * 1024;

struct Chain {
    left: u64,
    bytes_most: usize,
    done: mpsc::Sender<usize>,
}

impl Chain {
    /// Rebinds both variables on top of what the task inherited, and spawns the next link.
    fn go_on(mut self) {
        if self.left == 0 {
            self.done.send(self.bytes_most).unwrap();
            return;
        }
        assert_eq!(ID.get(), Some(self.left + 1));
        if self.left.is_multiple_of(1024) {
            self.bytes_most = self.bytes_most.max(LIVE_BYTES.load(Ordering::Relaxed));
        }
        let left = self.left;
        self.left -= 1;
        framewise::bind(&ID, left).and(&TRAIL, [left; 4]).run(|| {
            drop(spawn(async move { self.go_on() }));
        });
    }
}

#[test]
fn c79_a_million_tasks_that_each_rebind_and_spawn_the_next_keep_memory_flat() {
    on_workers(|runtime| {
        // The full million on two workers, where the chain moves between threads.
        let links: u64 = if workers_of(runtime) == 2 {
            1_000_000
        } else {
            100_000
        };
        let run = |links: u64| {
            let (done, is_done) = mpsc::channel();
            let chain = Chain {
                left: links,
                bytes_most: 0,
                done,
            };
            ID.run(links + 1, || {
                let handle: &Handle = runtime.handle();
                drop(handle.spawn(async move { chain.go_on() }));
            });
            is_done.recv().unwrap()
        };
        // Thread-locals, keys and buffers come into being.
        run(2_000);
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        let most = run(links);
        assert!(
            most < before + BYTES_MAX,
            "{} bytes more than before were alive in a chain of {links}",
            most - before
        );
    });
}
