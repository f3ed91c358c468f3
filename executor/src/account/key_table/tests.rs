//! The table alone: limits, keys that are let go, user code that misbehaves.

use std::cell::Cell;
use std::hash::Hasher;
use std::panic::{self, AssertUnwindSafe};
use std::rc::{Rc, Weak};

use super::*;
use crate::account::tally::Writers;

const WORKERS: usize = 2;

fn polls<T>(table: &KeyTable<T>, tally: impl Fn(&T) -> bool) -> u64 {
    let lines = table.lines();
    let found = lines.entries.iter().find(|entry| tally(&entry.value));
    found.map_or(0, |entry| Sums::of(&entry.tally).polls)
}

fn poll(tally: &Tally, worker: usize) {
    Writers::Sole.add(&tally.shard(worker).polls, 1);
}

fn spawn(tally: &Tally) {
    Writers::Many.add(&tally.outside().spawned, 1);
}

fn end(tally: &Tally) {
    Writers::Sole.add(&tally.shard(0).ended, 1);
}

#[test]
fn a_key_has_one_tally() {
    let table = KeyTable::new(8, WORKERS);
    for now in 0..3 {
        for key in ["ada", "bob"] {
            poll(&table.find(&key, now).expect("there is room"), now as usize);
        }
    }
    assert_eq!(polls(&table, |key| *key == "ada"), 3);
    assert_eq!(polls(&table, |key| *key == "bob"), 3);
}

#[test]
fn the_key_without_tasks_that_was_used_longest_ago_is_let_go() {
    let table = KeyTable::new(2, WORKERS);
    let first = table.find(&1, 10).expect("there is room");
    spawn(&first);
    poll(&first, 0);
    poll(&table.find(&2, 20).expect("there is room"), 1);
    let third = table.find(&3, 30).expect("2 has no task");
    assert_eq!(polls(&table, |key| *key == 2), 0);
    assert_eq!(table.lines().let_go().polls, 1);
    spawn(&third);
    assert!(table.find(&4, 40).is_none(), "both have a task");
    end(&first);
    assert!(table.find(&4, 50).is_some());
    assert_eq!(polls(&table, |key| *key == 1), 0);
    // It was found before it was let go, and is still written to.
    assert!(first.is_retired());
    poll(&first, 1);
    assert_eq!(table.lines().let_go().polls, 3);
    drop(first);
    assert_eq!(table.lines().let_go().polls, 3);
    assert!(table.retired() == 0, "it is folded");
}

#[test]
fn a_tally_with_bytes_is_not_folded() {
    let table = KeyTable::new(1, WORKERS);
    let tally = table.find(&1, 1).expect("there is room");
    let shard: *const _ = tally.shard(1);
    tally.shard(1).allocated(100);
    drop(tally);
    let _second = table.find(&2, 2).expect("1 has no task");
    assert_eq!(table.lines().let_go().bytes, 100);
    assert_eq!(table.retired(), 1);
    // SAFETY: the table keeps a tally with bytes.
    unsafe { &*shard }.freed(100);
    assert_eq!(table.lines().let_go().bytes, 0);
    assert_eq!(table.retired(), 0);
}

/// A key whose functions panic on request.
struct Odd {
    name: u32,
    /// Read when keys are compared.
    table: Weak<KeyTable<Odd>>,
    alive: Rc<Cell<usize>>,
    eq_panics: Rc<Cell<bool>>,
}

impl Odd {
    fn named(&self, name: u32) -> Self {
        self.alive.set(self.alive.get() + 1);
        Self {
            name,
            table: Weak::clone(&self.table),
            alive: Rc::clone(&self.alive),
            eq_panics: Rc::clone(&self.eq_panics),
        }
    }
}

impl Hash for Odd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Two keys collide.
        (self.name / 2).hash(state);
    }
}

impl PartialEq for Odd {
    fn eq(&self, other: &Self) -> bool {
        if let Some(table) = self.table.upgrade() {
            // With a lock held, this would wait forever.
            assert!(!table.lines().entries.is_empty());
        }
        assert!(!self.eq_panics.get(), "on request");
        self.name == other.name
    }
}

impl Eq for Odd {}

impl Clone for Odd {
    fn clone(&self) -> Self {
        self.named(self.name)
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        self.alive.set(self.alive.get() - 1);
    }
}

#[test]
fn keys_that_collide_and_whose_code_calls_back_or_panics() {
    let table = Rc::new(KeyTable::new(2, WORKERS));
    let (alive, eq_panics) = (Rc::new(Cell::new(1)), Rc::new(Cell::new(false)));
    let two = Odd {
        name: 2,
        table: Rc::downgrade(&table),
        alive: Rc::clone(&alive),
        eq_panics: Rc::clone(&eq_panics),
    };
    let three = two.named(3);
    poll(&table.find(&two, 1).expect("there is room"), 0);
    let third = table.find(&three, 2).expect("there is room");
    let again = table.find(&three, 3).expect("it is there");
    assert!(Arc::ptr_eq(&third, &again));
    assert_eq!(polls(&table, |key| key.name == 2), 1);
    assert_eq!(polls(&table, |key| key.name == 3), 0);

    eq_panics.set(true);
    let find = AssertUnwindSafe(|| table.find(&three, 4).is_some());
    assert!(panic::catch_unwind(find).is_err());
    eq_panics.set(false);
    assert!(table.find(&three, 5).is_some(), "no lock is poisoned");

    assert_eq!(alive.get(), 4);
    assert!(table.find(&two.named(4), 6).is_some());
    assert_eq!(alive.get(), 4, "2 was let go, and the table has 4 instead");
}
