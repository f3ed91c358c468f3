//! C-79: a chain of a million tasks, each of which rebinds and spawns the next, keeps memory flat.
//!
//! Two measures, at points all along the chain: the bytes of the whole process (so this file holds
//! the one test), with their peak, and the frames of the chain that the statistics find live.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use framewise::runtime::Runtime;
use framewise::{ContextVar, Frame, bind, spawn};
use support::{ID, Site, bound_here, everywhere, workers_of};

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live, Ordering::Relaxed);
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

/// What a task does not inherit, so that every other link's frame is derived once more at a spawn.
static TOKEN: ContextVar<u64> = ContextVar::new("token").not_inherited();

/// What may be there at once beyond what was there before: queues' buffers, a few tasks and frames.
/// A chain of which each link stayed would have a thousand times as much.
const BYTES_MAX: usize = 64 * 1024;

/// Points of the chain at which it is measured.
const POINTS: u64 = 20;

/// What is there at one point of the chain.
#[derive(Clone, Copy, Debug)]
struct Point {
    bytes: usize,
    /// `None` if the statistics are not compiled in.
    frames: Option<usize>,
}

struct Chain {
    left: u64,
    /// Links between two points.
    stride: u64,
    points: Vec<Point>,
    done: mpsc::Sender<(Vec<Point>, Site)>,
}

impl Chain {
    /// Rebinds on top of what the task inherited, and spawns the next link.
    fn go_on(mut self) {
        assert_eq!(ID.get(), Some(self.left + 1));
        assert_eq!(TOKEN.get(), None);
        let left = self.left;
        self.left -= 1;
        let (frame, site) = link(left);
        if left.is_multiple_of(self.stride) {
            self.points.push(Point {
                bytes: LIVE_BYTES.load(Ordering::Relaxed),
                frames: site.live(),
            });
        }
        if left == 1 {
            return self.done.send((self.points, site)).unwrap();
        }
        drop(frame.run(|| spawn(async move { self.go_on() })));
    }
}

/// The frame of the next link, bound in the name of the caller.
#[track_caller]
fn link(number: u64) -> (Frame, Site) {
    let bindings = bind(&ID, number).and(&TRAIL, [number; 4]);
    if number.is_multiple_of(2) {
        bound_here(bindings.and(&TOKEN, number))
    } else {
        bound_here(bindings)
    }
}

fn run(runtime: &Runtime, links: u64) -> (Vec<Point>, Site) {
    let (done, is_done) = mpsc::channel();
    let chain = Chain {
        left: links,
        stride: links / POINTS,
        points: Vec::with_capacity(POINTS as usize + 1),
        done,
    };
    ID.run(links + 1, || {
        drop(runtime.spawn(async move { chain.go_on() }));
    });
    is_done.recv().unwrap()
}

#[test]
fn c79_a_million_tasks_that_each_rebind_and_spawn_the_next_keep_memory_flat() {
    everywhere(|runtime, id| {
        // The full million for each number of workers, in a captured frame.
        let links = if id == Some(2) { 1_000_000 } else { 50_000 };
        // Thread-locals, keys and buffers come into being.
        run(runtime, 2_000);
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        PEAK_BYTES.store(before, Ordering::Relaxed);
        let (points, site) = run(runtime, links);
        let peak = PEAK_BYTES.load(Ordering::Relaxed) - before;
        assert_eq!(points.len() as u64, POINTS);
        assert!(peak < BYTES_MAX, "{peak} bytes more in a chain of {links}");
        // Of a link, of the one that it makes, and of one on each worker that is about to let it
        // go; each with what its task inherited of it.
        let frames_max = 2 * (2 + workers_of(runtime));
        for point in &points {
            assert!(point.bytes < before + BYTES_MAX, "{points:?}");
            assert!(
                point.frames.is_none_or(|live| live <= frames_max),
                "{points:?}"
            );
        }
        println!(
            "{links} links, {} workers: peak {peak} bytes, frames {:?}",
            workers_of(runtime),
            points.iter().map(|point| point.frames).max().flatten(),
        );
        site.wait_until_none_is_live();
    });
}
