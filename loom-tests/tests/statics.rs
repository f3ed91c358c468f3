//! The protocols of statics: a variable's key (C-10), the batches of ids, the context-free waker
//! vtables, the lists of bind locations.
//!
//! loom's primitives cannot be created in a static, so each protocol is a type in a file that a
//! model's build compiles a second time, over them (`context/src/statics.rs`). A failure is an
//! assertion that names it.
#![cfg(framewise_loom)]

use std::collections::HashSet;
use std::panic::Location;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use framewise_context::statics_model::{
    Batches, ContextFreeVtables, ID_BATCH, Key, Link, LocationEntry, Names,
};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, thread};

/// Race: three threads bind a variable for the first time. Failure: it has two indices, or two
/// names.
#[test]
fn a_key_is_assigned_once() {
    model("statics: index × index × index, one key", || {
        let shared = Arc::new((Key::new(), Names::new()));
        let racing = [(); 2].map(|()| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (key, names) = &*shared;
                let index = key.index(names, "one");
                assert_eq!(
                    key.peek(),
                    index,
                    "a thread that has bound a key reads it so"
                );
                index
            })
        });
        let (key, names) = &*shared;
        let index = key.index(names, "one");
        for racing in racing {
            assert_eq!(racing.join().unwrap(), index);
        }
        assert_eq!((index, key.peek()), (0, 0));
        assert_eq!((names.name(0), names.name(1)), ("one", "?"));
    });
}

/// Race: two variables are bound for the first time, each by two threads. Failure: they get the
/// same index, so that the value of one is read as the other's, or an index has the other's name.
#[test]
fn two_keys_are_different() {
    model("statics: index × index, two keys", || {
        let shared = Arc::new(([Key::new(), Key::new()], Names::new()));
        let bind = |order: [usize; 2], shared: &([Key; 2], Names)| {
            for key in order {
                let name = ["one", "two"][key];
                let index = shared.0[key].index(&shared.1, name);
                assert_eq!(shared.1.name(index), name);
            }
        };
        let racing = thread::spawn({
            let shared = Arc::clone(&shared);
            move || bind([0, 1], &shared)
        });
        bind([1, 0], &shared);
        racing.join().unwrap();
        let (keys, names) = &*shared;
        let indices = keys.each_ref().map(Key::peek);
        assert!(indices == [0, 1] || indices == [1, 0], "{indices:?}");
        assert_eq!(indices.map(|index| names.name(index)), ["one", "two"]);
    });
}

/// Race: a thread that does not bind a variable looks it up while another one binds it and passes
/// the binding on. Failure: the thread that received the binding reads the key as unassigned.
#[test]
fn a_binding_carries_its_key() {
    model("statics: index, hand over × peek", || {
        let shared = Arc::new((Key::new(), Names::new(), AtomicUsize::new(0)));
        let binding = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (key, names, handed) = &*shared;
                key.index(names, "one");
                handed.store(1, Ordering::Release);
            }
        });
        let (key, _, handed) = &*shared;
        if handed.load(Ordering::Acquire) == 1 {
            assert_eq!(key.peek(), 0, "under a frame that binds it");
        } else {
            assert!(matches!(key.peek(), 0 | u32::MAX));
        }
        binding.join().unwrap();
    });
}

/// Race: three threads take batches of ids. Failure: two frames have one id.
#[test]
fn batches_of_ids_are_different() {
    model("statics: batch × batch × batch", || {
        let batches = Arc::new(Batches::new());
        let taking = [(); 2].map(|()| {
            let batches = Arc::clone(&batches);
            thread::spawn(move || batches.take())
        });
        let mut taken = HashSet::from([batches.take()]);
        for taking in taking {
            taken.insert(taking.join().unwrap());
        }
        assert_eq!(taken, HashSet::from([0, ID_BATCH, 2 * ID_BATCH]));
    });
}

static VTABLES: [RawWakerVTable; 2] = [
    RawWakerVTable::new(|data| RawWaker::new(data, &VTABLES[0]), drop, drop, drop),
    RawWakerVTable::new(|data| RawWaker::new(data, &VTABLES[1]), drop, drop, drop),
];

fn waker(vtable: usize) -> Waker {
    // SAFETY: the functions do nothing, and there is no data.
    unsafe { Waker::new(ptr::null(), &VTABLES[vtable]) }
}

/// Race: two executors add a vtable each, one of them twice, while another thread looks them up.
/// Failure: a vtable is found that was not added, or an added one is overwritten and not found.
#[test]
fn vtables_are_added_while_others_ask() {
    model("statics: vtable added × added × asked", || {
        let context_free = Arc::new(ContextFreeVtables::new());
        assert!(!context_free.contains(&waker(0)));
        let adding = [0, 1].map(|vtable| {
            let context_free = Arc::clone(&context_free);
            thread::spawn(move || {
                assert!(context_free.add(&VTABLES[vtable]));
                assert!(context_free.contains(&waker(vtable)), "its own vtable");
            })
        });
        assert!(context_free.add(&VTABLES[0]));
        assert!(!context_free.contains(Waker::noop()));
        for adding in adding {
            adding.join().unwrap();
        }
        assert!(context_free.contains(&waker(0)) && context_free.contains(&waker(1)));
        assert!(!context_free.contains(Waker::noop()));
    });
}

/// The end of a list that lives forever, like a static's.
fn list() -> &'static Link {
    Box::leak(Box::new(Link::new()))
}

#[track_caller]
fn here() -> &'static Location<'static> {
    Location::caller()
}

/// Race: three threads bind for the first time at two locations of one list. Failure: a location
/// has two records, or none in the list, so that its frames are not counted.
#[test]
fn a_place_has_one_site() {
    model("statics: find × find × find, two places", || {
        let list = list();
        let (one, two) = (here(), here());
        let finding = [one, two].map(|place| {
            thread::spawn(move || {
                let site = list.find(place, false);
                site.begin();
                ptr::from_ref(site).addr()
            })
        });
        let mine = list.find(one, false);
        mine.begin();
        let [of_one, of_two] = finding.map(|finding| finding.join().unwrap());
        assert_eq!(of_one, ptr::from_ref(mine).addr());
        assert!(of_two != of_one);
        let mut made: Vec<_> = list.locations().map(|site| site.count().made).collect();
        made.sort_unstable();
        assert_eq!(made, [1, 2]);
    });
}

/// Race: a frame is dropped on another thread than it was created on while a third thread reads the
/// live-frame statistics. Failure: it sees the drop and not the creation, and counts fewer than no
/// frames.
#[test]
fn a_census_meets_beginnings_and_ends() {
    model("statics: begin × end × statistics", || {
        let list = list();
        let site = list.find(here(), false);
        let handed = Arc::new(AtomicUsize::new(0));
        let beginning = thread::spawn({
            let handed = Arc::clone(&handed);
            move || {
                site.begin();
                handed.store(1, Ordering::Release);
            }
        });
        let ending = thread::spawn({
            let handed = Arc::clone(&handed);
            move || {
                let is_handed = handed.load(Ordering::Acquire) == 1;
                if is_handed {
                    site.end();
                }
                usize::from(is_handed)
            }
        });
        let counts = list
            .locations()
            .map(LocationEntry::count)
            .collect::<Vec<_>>();
        assert_eq!(counts.len(), 1);
        assert!(counts[0].live <= 1, "more ends than beginnings");
        beginning.join().unwrap();
        let ended = ending.join().unwrap();
        let count = site.count();
        assert_eq!((count.made, count.live), (1, 1 - ended));
    });
}

/// Race: two threads create frames at one location while a third walks the list. Failure: the walk
/// finds a record that it must not see yet, or the counts do not sum up.
#[test]
fn a_walk_meets_a_list_that_grows() {
    model("statics: find × find × statistics", || {
        let list = list();
        let (one, two) = (here(), here());
        let growing = [one, two].map(|place| {
            thread::spawn(move || {
                list.find(place, false).begin();
                list.find(place, true).begin();
            })
        });
        let seen = list
            .locations()
            .map(LocationEntry::count)
            .collect::<Vec<_>>();
        assert!(seen.len() <= 4);
        for growing in growing {
            growing.join().unwrap();
        }
        let total: usize = list.locations().map(|site| site.count().made).sum();
        assert_eq!((list.locations().count(), total), (4, 4));
    });
}

/// Control: an id that is read and then written.
#[test]
#[should_panic(expected = "two frames have one id")]
fn control_a_batch_in_two_steps_is_noticed() {
    model("statics: control, two steps", || {
        let batches = Arc::new(AtomicUsize::new(0));
        let take = |batches: &AtomicUsize| {
            let first = batches.load(Ordering::Relaxed);
            batches.store(first + 1, Ordering::Relaxed);
            first
        };
        let taking = thread::spawn({
            let batches = Arc::clone(&batches);
            move || take(&batches)
        });
        let mine = take(&batches);
        assert!(taking.join().unwrap() != mine, "two frames have one id");
    });
}
