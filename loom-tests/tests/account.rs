//! Keys of an account that are let go: what a thread still counts for such a key is in the total,
//! once, and its tally is freed when neither a thread nor a block of memory refers to it.
//!
//! The shipped table with room for one key. A failure is a total that lacks a count, or has one
//! twice; or a use of a tally that is freed, which the allocator overwrites.
#![cfg(framewise_loom)]

use framewise::model::ModelKeys;
use framewise_loom_tests::{PoisoningAllocator, model};
use framewise_sync::{Arc, thread};

#[global_allocator]
static ALLOCATOR: PoisoningAllocator = PoisoningAllocator;

#[test]
fn what_is_counted_for_a_key_that_is_let_go_is_in_the_total() {
    model("count × let go × count", || {
        let keys = Arc::new(ModelKeys::with_room_for_one());
        let worker = {
            let keys = keys.clone();
            thread::spawn(move || {
                let tally = keys.find(1).expect("no key has a task");
                tally.poll(0);
                let is_retired = tally.is_retired();
                tally.poll_outside();
                is_retired
            })
        };
        keys.find(2).expect("no key has a task").poll(1);
        let (polls, _) = keys.total();
        assert!((1..=3).contains(&polls));
        let was_retired = worker.join().unwrap();
        assert_eq!(keys.total().0, 3, "retired meanwhile: {was_retired}");
        assert_eq!(keys.retired(), 0);
    });
}

#[test]
fn a_tally_with_a_block_is_kept_until_the_block_is_freed() {
    model("free × let go", || {
        let keys = Arc::new(ModelKeys::with_room_for_one());
        let tally = keys.find(1).expect("no key has a task");
        let block = tally.allocate();
        tally.poll(0);
        drop(tally);
        let other = thread::spawn(move || block.free());
        keys.find(2).expect("no key has a task").poll(1);
        let (polls, bytes) = keys.total();
        assert_eq!(polls, 2);
        assert!(bytes == 0 || bytes == 8);
        other.join().unwrap();
        assert_eq!(keys.total(), (2, 0));
        assert_eq!(keys.retired(), 0);
    });
}

/// Control: counts are taken over while a worker may still write to the tally.
#[test]
#[should_panic(expected = "a count is lost")]
fn counts_that_are_taken_over_too_early_are_lost() {
    model("control: counts taken over early", || {
        let keys = Arc::new(ModelKeys::with_room_for_one());
        let tally = Arc::new(keys.find(1).expect("no key has a task"));
        let worker = {
            let tally = tally.clone();
            thread::spawn(move || tally.poll(0))
        };
        let taken_over = tally.polls();
        worker.join().unwrap();
        assert_eq!(taken_over, 1, "a count is lost");
    });
}
