//! The table of sources: events that come late.

use framewise_io::model::{Slab, SourceKey};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Mutex, thread};

/// A fake `epoll`: the registered sources, and their events.
type Epoll = Arc<Mutex<Vec<(usize, bool)>>>;

/// Race: a source is removed and its slot reused while the driver holds a batch of events that
/// still names the old one. Failure: an event for a source to which nothing happened.
fn free_against_a_late_event(
    driver_key: impl Fn(usize) -> SourceKey + Send + 'static,
    reuse: bool,
) {
    let slab: Arc<Mutex<Slab<Arc<AtomicUsize>>>> = Arc::new(Mutex::new(Slab::new()));
    let epoll: Epoll = Arc::default();
    let old = slab.lock().insert(Arc::new(AtomicUsize::new(0))).unwrap();
    epoll.lock().push((old.to_token(), true));
    let driver = {
        let (slab, epoll) = (Arc::clone(&slab), Arc::clone(&epoll));
        thread::spawn(move || {
            let batch: Vec<usize> = {
                let mut epoll = epoll.lock();
                let happened = epoll.iter_mut().filter(|(_, happened)| *happened);
                happened
                    .map(|(token, happened)| {
                        *happened = false;
                        *token
                    })
                    .collect()
            };
            for token in batch {
                if let Some(tenant) = slab.lock().get(driver_key(token)) {
                    tenant.fetch_add(1, Ordering::Relaxed);
                }
            }
            slab.lock().release();
        })
    };
    epoll.lock().retain(|entry| entry.0 != old.to_token());
    let tenant = Arc::new(AtomicUsize::new(0));
    {
        let mut slab = slab.lock();
        drop(slab.remove(old));
        if reuse {
            // What the shipped driver does only between two batches.
            slab.release();
        }
        let new = slab.insert(Arc::clone(&tenant)).unwrap();
        epoll.lock().push((new.to_token(), false));
    }
    driver.join().unwrap();
    assert_eq!(
        tenant.load(Ordering::Relaxed),
        0,
        "an event reached the wrong source"
    );
}

#[test]
fn a_late_event_finds_no_waiter() {
    model("slab: free × late event", || {
        free_against_a_late_event(SourceKey::from_token, false)
    });
}

/// The generation alone rejects the event, too, if a slot is reused at once.
#[test]
fn a_late_event_of_a_reused_slot_finds_no_waiter() {
    model("slab: reuse × late event", || {
        free_against_a_late_event(SourceKey::from_token, true)
    });
}

/// A generation that has wrapped: the old key names the next source in its slot.
fn wrapped(token: usize) -> SourceKey {
    SourceKey::from_token(token | 1 << 32)
}

/// The quarantine alone rejects the event, too, if generations repeat.
#[test]
fn a_late_event_without_generations_finds_no_waiter() {
    model("slab: free × late event, no generations", || {
        free_against_a_late_event(wrapped, false)
    });
}

/// Control: slots are reused at once, and every source has the same generation.
#[test]
#[should_panic(expected = "an event reached the wrong source")]
fn negative_a_slot_reused_without_generations() {
    model("slab: reuse without generations (negative)", || {
        free_against_a_late_event(wrapped, true)
    });
}
