//! The allocator: the bytes that each key has, whichever code frees them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "account")]

use std::alloc::{GlobalAlloc, Layout};

use framewise::account::{self, Account, Allocator};
use framewise::runtime::{Builder, Runtime};
use framewise::task::yield_now;
use framewise::{ContextVar, spawn, spawn_blocking, spawn_root};

#[global_allocator]
static GLOBAL: Allocator = Allocator::system();

static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");

/// Larger than what the runtime itself may keep of a poll.
const LARGE: usize = 1 << 20;

fn start(workers: usize) -> (Runtime, Account<&'static str>) {
    let tenants = account::by(&TENANT);
    let runtime = Builder::new()
        .worker_threads(workers)
        .account(&tenants)
        .build()
        .unwrap();
    (runtime, tenants)
}

/// The number of large blocks that a tenant has.
fn blocks(tenants: &Account<&'static str>, tenant: &'static str) -> u64 {
    let snapshot = tenants.snapshot();
    let bytes = snapshot
        .get(&tenant)
        .map_or(0, |usage| usage.bytes().unwrap());
    bytes / LARGE as u64
}

#[test]
fn a_block_belongs_to_the_key_that_allocated_it() {
    let (runtime, tenants) = start(2);
    let seen = tenants.clone();
    let task = TENANT.run("ada", || {
        runtime.spawn(async move {
            let mut mine = vec![1_u8; LARGE];
            assert_eq!(blocks(&seen, "ada"), 1);
            mine.reserve_exact(LARGE);
            assert_eq!(blocks(&seen, "ada"), 2);
            TENANT.run("bob", || mine.reserve_exact(3 * LARGE));
            assert_eq!(
                blocks(&seen, "ada"),
                4,
                "a block that grows stays with its key"
            );
            let bobs = TENANT.run("bob", || vec![0_u8; 2 * LARGE]);
            assert_eq!((blocks(&seen, "ada"), blocks(&seen, "bob")), (4, 2));
            mine.truncate(LARGE);
            mine.shrink_to_fit();
            yield_now().await;
            assert_eq!((blocks(&seen, "ada"), blocks(&seen, "bob")), (1, 2));
            drop(bobs);
            assert_eq!((blocks(&seen, "ada"), blocks(&seen, "bob")), (1, 0));
            let call = spawn_blocking(|| vec![0_u8; LARGE]);
            let called = call.await.unwrap();
            assert_eq!(blocks(&seen, "ada"), 2);
            (mine, called)
        })
    });
    let kept = runtime.block_on(task).unwrap();
    assert_eq!(blocks(&tenants, "ada"), 2);
    let other = TENANT.run("bob", || runtime.spawn(async move { drop(kept) }));
    runtime.block_on(other).unwrap();
    assert_eq!(blocks(&tenants, "ada"), 0, "freed in another frame");
}

#[test]
fn what_a_request_allocates_and_frees_leaves_nothing() {
    let (runtime, tenants) = start(1);
    let request = || async {
        let words: Vec<String> = (0..100).map(|word| word.to_string()).collect();
        let child = spawn(async move { words.concat() });
        spawn_root(async {}).await.unwrap();
        child.await.unwrap().len()
    };
    let run = || {
        runtime
            .block_on(TENANT.run("ada", || runtime.spawn(request())))
            .unwrap()
    };
    let bytes = || tenants.snapshot().get(&"ada").unwrap().bytes().unwrap();
    // What grows once grows now.
    for _ in 0..200 {
        run();
    }
    let before = bytes();
    for _ in 0..1000 {
        run();
    }
    assert_eq!(bytes(), before);
}

#[test]
fn blocks_outlive_the_key_the_runtime_and_the_account() {
    let kept: Vec<Vec<u8>> = {
        let tenants = account::by(&TENANT).limit(1);
        let runtime = Builder::new()
            .worker_threads(2)
            .account(&tenants)
            .build()
            .unwrap();
        let mut kept = Vec::new();
        for tenant in ["ada", "bob", "cyd"] {
            let task = TENANT.run(tenant, || runtime.spawn(async { vec![0_u8; LARGE] }));
            kept.push(runtime.block_on(task).unwrap());
        }
        let snapshot = tenants.snapshot();
        assert!(snapshot.other().bytes().unwrap() >= 2 * LARGE as u64);
        drop(kept.remove(0));
        assert!(tenants.snapshot().other().bytes().unwrap() < 2 * LARGE as u64);
        kept
    };
    drop(kept);
}

#[test]
fn every_alignment_and_size_is_kept() {
    for align in [1, 2, 8, 16, 32, 64, 4096] {
        for size in [1, 7, 16, 100, 5000] {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the sizes are not zero; each block is freed once, with its last layout.
            unsafe {
                let block = GLOBAL.alloc(layout);
                assert!(is_aligned(block, align));
                block.write_bytes(7, size);
                let larger = GLOBAL.realloc(block, layout, 2 * size);
                assert!(is_aligned(larger, align));
                assert!((0..size).all(|at| *larger.add(at) == 7));
                GLOBAL.dealloc(larger, Layout::from_size_align(2 * size, align).unwrap());
                let zeroed = GLOBAL.alloc_zeroed(layout);
                assert!((0..size).all(|at| *zeroed.add(at) == 0));
                GLOBAL.dealloc(zeroed, layout);
            }
        }
    }
    let huge = Layout::from_size_align(isize::MAX as usize - 8, 8).unwrap();
    // SAFETY: the size is not zero.
    assert!(unsafe { GLOBAL.alloc(huge) }.is_null());
}

fn is_aligned(block: *mut u8, align: usize) -> bool {
    !block.is_null() && block.addr().is_multiple_of(align)
}
