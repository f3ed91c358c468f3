//! A race that a plain run almost never shows, found by seeded runs (feature `test-util`): of two
//! visits that are counted at once, one is lost. The fixed code passes under the same seeds.
//!
//! ```sh
//! cargo run --example seeded
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use framewise::test;

#[derive(Default)]
struct Visits(AtomicU64);

// Ordering: Relaxed, for each access: a count publishes nothing else.
impl Visits {
    async fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    async fn set(&self, visits: u64) {
        self.0.store(visits, Relaxed);
    }
}

// A seeded run may switch to another task at every `.await` in here. In code that is not only a
// test: `#[cfg_attr(test, framewise::test::preemptible)]`.
#[test::preemptible]
async fn count_racy(visits: Arc<Visits>) {
    let before = visits.get().await;
    visits.set(before + 1).await; // Another task may have counted since `get`.
}

#[test::preemptible]
async fn count_fixed(visits: Arc<Visits>) {
    visits.0.fetch_add(1, Relaxed);
}

async fn two_visits<F: Future<Output = ()> + Send + 'static>(count: fn(Arc<Visits>) -> F) {
    let visits = Arc::new(Visits::default());
    let other = framewise::spawn(count(visits.clone()));
    count(visits.clone()).await;
    other.await.expect("the task does not panic");
    assert_eq!(visits.get().await, 2, "a visit was lost");
}

fn main() {
    framewise::block_on(two_visits(count_racy));
    println!("racy: a plain run passes");

    let run = |seed| test::Explorer::new().run(seed, || two_visits(count_racy));
    let failure = (0..100).find_map(|seed| run(seed).into_result().err());
    let failure = failure.expect("some order loses a visit");
    println!("racy: {failure}");

    // The seed gives that very run again, in a debugger or with more output.
    let is_same = run(failure.seed()).digest() == failure.digest();
    println!("racy: the seed gives the same run again: {is_same}");

    // In a `#[test]` this line is enough. It would panic with the failure and its seed.
    test::check(|| two_visits(count_fixed));
    println!("fixed: every seeded run passes");
}
