//! The driver's unpark: one system call for many, and none lost.

use framewise_io::model::{Unpark, WakeDevice};
use framewise_loom_tests::model;
use framewise_sync::atomic::{AtomicUsize, Ordering};
use framewise_sync::{Arc, Condvar, Mutex, thread};

/// Race: two unparks of a driver that does not wait. Failure: more than one system call.
#[test]
fn two_unparks_take_one_system_call() {
    model("unpark: unpark × unpark", || {
        let unpark = Arc::new(Unpark::new(Device::default()));
        let other = {
            let unpark = Arc::clone(&unpark);
            thread::spawn(move || unpark.unpark())
        };
        let calls = usize::from(unpark.unpark()) + usize::from(other.join().unwrap());
        assert_eq!((calls, unpark.device().writes()), (1, 1));
    });
}

/// Race: two threads publish work and unpark the driver, which acknowledges and checks. Failure:
/// work that the driver has not seen and no write that would end its wait, because the second
/// unpark relied on the first one's write.
fn unpark_against_acknowledge(look_first: bool) {
    let unpark = Arc::new(Unpark::new(Device::default()));
    let work = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let threads: Vec<_> = (0..2)
        .map(|index| {
            let (unpark, work) = (Arc::clone(&unpark), Arc::clone(&work));
            thread::spawn(move || {
                work[index].store(1, Ordering::Relaxed);
                unpark.unpark();
            })
        })
        .collect();
    let done = || work.iter().all(|work| work.load(Ordering::Relaxed) == 1);
    let mut seen = false;
    let mut turn = || {
        unpark.device().wait();
        if look_first {
            seen |= done();
            unpark.acknowledge();
        } else {
            unpark.acknowledge();
            seen |= done();
        }
    };
    turn();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    while unpark.device().writes() > 0 {
        turn();
    }
    assert!(seen, "the driver sleeps on work");
}

/// An eventfd: it counts writes, and the driver waits for one.
#[derive(Default)]
struct Device {
    writes: Mutex<usize>,
    written: Condvar,
}

impl Device {
    fn wait(&self) {
        let mut writes = self.writes.lock();
        while *writes == 0 {
            writes = self.written.wait(writes);
        }
        *writes -= 1;
    }

    fn writes(&self) -> usize {
        *self.writes.lock()
    }
}

impl WakeDevice for Device {
    fn wake(&self) -> std::io::Result<()> {
        *self.writes.lock() += 1;
        self.written.notify_one();
        Ok(())
    }
}

#[test]
fn unparks_are_coalesced_and_not_lost() {
    model("unpark: unpark × unpark × acknowledge", || {
        unpark_against_acknowledge(false)
    });
}

/// Control: the driver checks for work and acknowledges after that.
#[test]
#[should_panic(expected = "the driver sleeps on work")]
fn negative_acknowledge_after_the_scan() {
    model("unpark: acknowledge after the check (negative)", || {
        unpark_against_acknowledge(true)
    });
}
