//! The limit of keys, and keys whose code misbehaves.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise::account;
use framewise::runtime::Builder;
use framewise::{ContextVar, spawn};

use super::{assert_sums_agree, compute, one_worker};

#[test]
fn c119_keys_beyond_the_limit_are_other() {
    static USER: ContextVar<u32> = ContextVar::new("user");
    let users = account::by(&USER).limit(2);
    let runtime = Builder::new()
        .worker_threads(2)
        .account(&users)
        .build()
        .unwrap();
    let endless: Vec<_> = (0..4)
        .map(|user| USER.run(user, || runtime.spawn(std::future::pending::<()>())))
        .collect();
    let live = |snapshot: &account::Snapshot<u32>| {
        let live = |user| snapshot.get(&user).map(|usage| usage.live_tasks());
        ([0, 1, 2, 3].map(live), snapshot.other().live_tasks())
    };
    assert_eq!(live(&users.snapshot()), ([Some(1), Some(1), None, None], 2));
    endless[1].abort();
    while !endless[1].is_finished() {
        std::thread::yield_now();
    }
    let third = USER.run(3, || runtime.spawn(async { compute(1000) }));
    runtime.block_on(third).unwrap();
    let snapshot = users.snapshot();
    assert_eq!(live(&snapshot), ([Some(1), None, None, Some(0)], 2));
    assert_eq!(snapshot.other().spawned_tasks(), 3, "1 was let go");
    drop(runtime);
    let snapshot = users.snapshot();
    assert_eq!(snapshot.total().spawned_tasks(), 5);
    assert_eq!(snapshot.total().live_tasks(), 0);
    assert_sums_agree(&snapshot);
}

/// A key that counts its values.
struct Counted(u32, Arc<AtomicUsize>);

impl Counted {
    fn new(name: u32, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(name, Arc::clone(alive))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0, &self.1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Counted {}

#[test]
fn c119_at_most_as_many_keys_are_kept_as_the_limit_says() {
    static USER: ContextVar<Counted> = ContextVar::new("user");
    let alive = Arc::new(AtomicUsize::new(0));
    let users = account::by(&USER).limit(3);
    let runtime = Builder::new()
        .worker_threads(2)
        .account(&users)
        .build()
        .unwrap();
    for user in 0..100 {
        let request = USER.run(Counted::new(user, &alive), || {
            runtime.spawn(async { spawn(async {}).await.unwrap() })
        });
        runtime.block_on(request).unwrap();
        assert!(alive.load(Ordering::Relaxed) <= 3, "the frames are gone");
    }
    drop(runtime);
    assert_eq!(users.total().spawned_tasks(), 200);
    assert_eq!(alive.load(Ordering::Relaxed), 3);
    drop(users);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[test]
fn c119_a_key_whose_code_panics_is_other() {
    #[derive(Clone, PartialEq, Eq)]
    struct NoHash;
    impl Hash for NoHash {
        fn hash<H: Hasher>(&self, _: &mut H) {
            panic!("it has no hash");
        }
    }
    static USER: ContextVar<NoHash> = ContextVar::new("user");
    let users = account::by(&USER);
    let runtime = one_worker(&users);
    let task = USER.run(NoHash, || {
        runtime.spawn(async { USER.run(NoHash, || compute(1000)) })
    });
    runtime.block_on(task).unwrap();
    drop(runtime);
    let snapshot = users.snapshot();
    assert_eq!(snapshot.keys().len(), 0);
    assert_eq!(
        (snapshot.other().polls(), snapshot.other().live_tasks()),
        (1, 0)
    );
    assert_sums_agree(&snapshot);
}

#[test]
fn a_key_whose_code_spawns_and_binds_does_not_recurse() {
    #[derive(Clone, PartialEq, Eq)]
    struct Busy(u32);
    impl Hash for Busy {
        fn hash<H: Hasher>(&self, state: &mut H) {
            if framewise::runtime::worker_index().is_some() {
                drop(spawn(async {}));
                OTHER.run(1, || compute(10));
            }
            self.0.hash(state);
        }
    }
    static OTHER: ContextVar<u32> = ContextVar::new("other");
    static USER: ContextVar<Busy> = ContextVar::new("user");
    let users = account::by(&USER);
    let runtime = one_worker(&users);
    let task = runtime.spawn(async {
        for user in 0..10 {
            USER.run(Busy(user), || compute(100));
        }
    });
    runtime.block_on(task).unwrap();
    drop(runtime);
    let snapshot = users.snapshot();
    assert_eq!(snapshot.keys().len(), 10);
    assert_eq!(snapshot.total().live_tasks(), 0);
    assert_sums_agree(&snapshot);
}
