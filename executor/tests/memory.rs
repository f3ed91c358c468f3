//! C-79: a chain of a million tasks, each of which rebinds and spawns the next, uses constant
//! memory.
//!
//! The test measures two things at points along the chain: the bytes of the whole process with
//! their peak (so this file holds only one test), and the live frames of the chain.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::mpsc;

use framewise::runtime::Runtime;
use framewise::{ContextVar, Frame, bind, spawn};
use framewise_test_support::{CountingAllocator, ID, Site, bound_here, everywhere, workers_of};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A value that is too large to be stored inline in a slot, so that each link has an allocation to
/// free.
static TRAIL: ContextVar<[u64; 4]> = ContextVar::new("trail");

/// A variable that tasks do not inherit, so that every other link's frame is derived again at a
/// spawn.
static TOKEN: ContextVar<u64> = ContextVar::new("token").not_inherited();

/// The bytes that may be in use in addition to the start: buffers of queues, a few tasks and
/// frames. If every link leaked, the chain would need a thousand times as much.
const BYTES_MAX: usize = 64 * 1024;

/// The number of measurements along the chain.
const POINTS: u64 = 20;

/// A measurement at one point of the chain.
#[derive(Clone, Copy, Debug)]
struct Point {
    bytes: usize,
    /// `None` if live-frame statistics are not compiled in.
    frames: Option<usize>,
}

struct Chain {
    left: u64,
    /// The number of links between two measurements.
    stride: u64,
    points: Vec<Point>,
    done: mpsc::Sender<(Vec<Point>, Site)>,
}

impl Chain {
    /// Rebinds on top of the inherited frame, and spawns the next link.
    fn go_on(mut self) {
        assert_eq!(ID.get(), Some(self.left + 1));
        assert_eq!(TOKEN.get(), None);
        let left = self.left;
        self.left -= 1;
        let (frame, site) = link(left);
        if left.is_multiple_of(self.stride) {
            self.points.push(Point {
                bytes: CountingAllocator::live_bytes(),
                frames: site.live(),
            });
        }
        if left == 1 {
            return self.done.send((self.points, site)).unwrap();
        }
        drop(frame.run(|| spawn(async move { self.go_on() })));
    }
}

/// Returns the frame of the next link, with the caller as its bind location.
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
        // Run the full million once per number of workers, in the captured frame.
        let links = if id == Some(2) { 1_000_000 } else { 50_000 };
        // Warm-up: creates thread-locals, keys and buffers.
        run(runtime, 2_000);
        let before = CountingAllocator::live_bytes();
        CountingAllocator::reset_peak();
        let (points, site) = run(runtime, links);
        let peak = CountingAllocator::peak_bytes() - before;
        assert_eq!(points.len() as u64, POINTS);
        assert!(peak < BYTES_MAX, "{peak} bytes more in a chain of {links}");
        // The frames of a link, of the next link, and of one link per worker that is about to be
        // released; each with the frame that its task inherited.
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
