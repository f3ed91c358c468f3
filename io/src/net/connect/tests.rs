//! The attempts, on sockets and times that the test decides.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::*;

/// What the attempts did, and what they get.
#[derive(Clone, Default)]
struct World(Arc<Mutex<Events>>);

#[derive(Default)]
struct Events {
    /// The attempts that began, in order.
    begun: Vec<SocketAddr>,
    /// The attempts that were dropped.
    dropped: Vec<SocketAddr>,
    results: HashMap<SocketAddr, Result<(), io::ErrorKind>>,
    /// The time that has passed.
    now: Duration,
}

impl World {
    fn resolve(&self, address: SocketAddr, result: Result<(), io::ErrorKind>) {
        self.0
            .lock()
            .expect("no panic")
            .results
            .insert(address, result);
    }

    fn pass(&self, time: Duration) {
        self.0.lock().expect("no panic").now += time;
    }

    fn begun(&self) -> Vec<SocketAddr> {
        self.0.lock().expect("no panic").begun.clone()
    }

    fn dropped(&self) -> Vec<SocketAddr> {
        self.0.lock().expect("no panic").dropped.clone()
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        struct Dropped(World, SocketAddr);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.0.lock().expect("no panic").dropped.push(self.1);
            }
        }
        let _dropped = Dropped(self.clone(), address);
        self.0.lock().expect("no panic").begun.push(address);
        poll_fn(
            |_| match self.0.lock().expect("no panic").results.get(&address) {
                Some(Ok(())) => Poll::Ready(Ok(address)),
                Some(Err(kind)) => Poll::Ready(Err((*kind).into())),
                None => Poll::Pending,
            },
        )
        .await
    }

    fn delay(&self, time: Duration) -> Delay {
        let world = self.clone();
        let until = self.0.lock().expect("no panic").now + time;
        Box::pin(poll_fn(move |_| {
            let now = world.0.lock().expect("no panic").now;
            if now >= until {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }

    /// Starts connecting, and returns a function that polls.
    fn start(
        &self,
        addresses: &[SocketAddr],
        has_timers: bool,
    ) -> impl FnMut() -> Poll<io::Result<SocketAddr>> + use<> {
        let (world, times, addresses) = (self.clone(), self.clone(), addresses.to_vec());
        let delay = has_timers.then_some(move |time| times.delay(time));
        let mut connecting =
            Box::pin(
                async move { first_of(addresses, |address| world.connect(address), delay).await },
            );
        move || {
            connecting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        }
    }
}

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 80))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80))
}

const ALMOST: Duration = Duration::from_millis(249);
const REST: Duration = Duration::from_millis(1);

#[test]
fn the_families_alternate_beginning_with_the_first() {
    let mixed = vec![v6(1), v6(2), v6(3), v4(1), v4(2)];
    assert_eq!(interleaved(mixed), [v6(1), v4(1), v6(2), v4(2), v6(3)]);
    let mixed = vec![v4(1), v6(1), v6(2), v6(3)];
    assert_eq!(interleaved(mixed), [v4(1), v6(1), v6(2), v6(3)]);
    assert_eq!(interleaved(vec![v4(2), v4(1)]), [v4(2), v4(1)]);
    assert_eq!(interleaved(Vec::new()), []);
}

#[test]
fn the_next_attempt_begins_after_a_quarter_of_a_second_beside_the_first() {
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1), v6(2)], true);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1)]);
    world.pass(ALMOST);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1)]);
    world.pass(REST);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1), v4(1)]);
    assert_eq!(world.dropped(), []);
    world.pass(ALMOST + REST);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1), v4(1), v6(2)]);
    // The slow first one still wins.
    world.resolve(v6(1), Ok(()));
    assert!(matches!(poll(), Poll::Ready(Ok(address)) if address == v6(1)));
    drop(poll);
    let mut dropped = world.dropped();
    dropped.sort_unstable();
    assert_eq!(dropped, [v4(1), v6(1), v6(2)]);
}

#[test]
fn a_failure_begins_the_next_attempt_at_once_and_its_delay_anew() {
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1), v6(2)], true);
    assert!(poll().is_pending());
    world.pass(ALMOST);
    world.resolve(v6(1), Err(io::ErrorKind::ConnectionRefused));
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1), v4(1)]);
    assert_eq!(world.dropped(), [v6(1)]);
    world.pass(ALMOST);
    assert!(poll().is_pending());
    assert_eq!(world.begun().len(), 2);
    world.pass(REST);
    world.resolve(v6(2), Ok(()));
    assert!(matches!(poll(), Poll::Ready(Ok(address)) if address == v6(2)));
}

#[test]
fn attempts_that_fail_at_once_all_begin_in_one_poll_and_the_best_error_is_kept() {
    use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, NetworkUnreachable, TimedOut};
    let error_of = |kinds: &[io::ErrorKind]| {
        let world = World::default();
        let addresses: Vec<_> = (1..).map(v4).take(kinds.len()).collect();
        for (address, kind) in addresses.iter().zip(kinds) {
            world.resolve(*address, Err(*kind));
        }
        let Poll::Ready(result) = world.start(&addresses, true)() else {
            panic!("nothing is left to wait for")
        };
        assert_eq!(world.begun().len(), kinds.len());
        result.expect_err("all fail").kind()
    };
    assert_eq!(error_of(&[ConnectionRefused, TimedOut]), TimedOut);
    assert_eq!(error_of(&[TimedOut, ConnectionRefused]), ConnectionRefused);
    assert_eq!(
        error_of(&[ConnectionRefused, NetworkUnreachable]),
        ConnectionRefused
    );
    assert_eq!(
        error_of(&[NetworkUnreachable, ConnectionRefused]),
        ConnectionRefused
    );
    assert_eq!(
        error_of(&[NetworkUnreachable, AddrNotAvailable]),
        AddrNotAvailable
    );
    assert_eq!(error_of(&[]), io::ErrorKind::InvalidInput);
}

#[test]
fn each_attempt_has_a_limit_of_its_own() {
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1)], true);
    assert!(poll().is_pending());
    world.pass(ALMOST + REST);
    assert!(poll().is_pending());
    world.pass(ATTEMPT_LIMIT - ALMOST - REST);
    assert!(poll().is_pending());
    assert_eq!(world.dropped(), [v6(1)]);
    world.pass(ALMOST);
    assert!(poll().is_pending());
    world.pass(REST);
    let Poll::Ready(Err(error)) = poll() else {
        panic!("the last attempt is over")
    };
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("192.0.2.1:80"), "{error}");
}

#[test]
fn a_single_address_has_no_limit() {
    let world = World::default();
    let mut poll = world.start(&[v6(1)], true);
    assert!(poll().is_pending());
    world.pass(10 * ATTEMPT_LIMIT);
    assert!(poll().is_pending());
    world.resolve(v6(1), Ok(()));
    assert!(poll().is_ready());
}

#[test]
fn without_timers_one_attempt_follows_the_failure_of_the_other() {
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1)], false);
    assert!(poll().is_pending());
    world.pass(ATTEMPT_LIMIT);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1)]);
    world.resolve(v6(1), Err(io::ErrorKind::ConnectionRefused));
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1), v4(1)]);
    world.resolve(v4(1), Ok(()));
    assert!(matches!(poll(), Poll::Ready(Ok(address)) if address == v4(1)));
}

#[test]
fn connecting_that_is_dropped_drops_every_attempt() {
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1), v4(2)], true);
    assert!(poll().is_pending());
    world.pass(ATTEMPT_DELAY);
    assert!(poll().is_pending());
    drop(poll);
    let mut dropped = world.dropped();
    dropped.sort_unstable();
    assert_eq!(dropped, [v4(1), v6(1)]);
    assert_eq!(world.begun().len(), 2);
}

#[test]
fn c99_all_attempts_end_with_the_frame_and_no_other_begins() {
    use framewise_context::control::{Control, Controlled, Ended, Origin};
    let control = Control::new_scope(Origin::caller(Some("connecting")));
    let world = World::default();
    let mut poll = world.start(&[v6(1), v4(1), v6(2)], true);
    let mut poll = || Controlled::from(control.clone()).run(&mut poll);
    assert!(poll().is_pending());
    world.pass(ALMOST + REST);
    assert!(poll().is_pending());
    assert_eq!(world.begun(), [v6(1), v4(1)]);
    control.target().cancel(None);
    world.pass(ALMOST + REST);
    let Poll::Ready(Err(error)) = poll() else {
        panic!("it goes on");
    };
    let ended = Ended::find(&error).expect("it says why");
    assert_eq!(ended.label(), Some("connecting"));
    assert_eq!(world.begun(), [v6(1), v4(1)]);
    assert_eq!(world.dropped().len(), 2, "both sockets are closed");
}
