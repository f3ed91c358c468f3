//! What a guard clears, and what it leaves.

use std::io::{ErrorKind, Read, Write};

use framewise_io::unix::AsyncFd;
use framewise_io::{Interest, Ready};
use framewise_test_support::at_once;

use super::{BOTH, by_hand, sockets};

#[test]
fn a_guard_clears_what_it_observed_part_by_part() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let mut fd = AsyncFd::new(one).unwrap();
        peer.write_all(b"x").unwrap();
        turn();
        let mut guard = at_once(fd.ready(BOTH)).unwrap();
        guard.retain_ready();
        assert_eq!(guard.ready(), Ready::READABLE | Ready::WRITABLE);
        guard.clear_ready_matching(Ready::READABLE);
        assert_eq!(guard.ready(), Ready::WRITABLE);
        assert!(fd.try_io(Interest::READABLE, |_| Ok(())).is_err());
        fd.try_io(Interest::WRITABLE, |_| Ok(())).unwrap();

        let mut guard = at_once(fd.ready_mut(BOTH)).unwrap();
        assert_eq!(guard.ready(), Ready::WRITABLE);
        guard.get_inner_mut().write_all(b"y").unwrap();
        guard
            .try_io(|fd| fd.get_mut().write(b"z"))
            .unwrap()
            .unwrap();
        // A guard for one direction leaves the other.
        guard.clear_ready_matching(Ready::READABLE);
        assert_eq!(guard.ready(), Ready::WRITABLE);
        guard.clear_ready();
        assert_eq!(guard.ready(), Ready::EMPTY);
        assert!(fd.try_io(Interest::WRITABLE, |_| Ok(())).is_err());
    });
}

#[test]
fn a_guard_for_one_direction_leaves_the_other() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let fd = AsyncFd::new(one).unwrap();
        peer.write_all(b"x").unwrap();
        turn();
        let mut guard = at_once(fd.readable()).unwrap();
        guard.clear_ready_matching(Ready::READABLE | Ready::WRITABLE);
        at_once(fd.writable()).unwrap().clear_ready();
        assert!(fd.try_io(BOTH, |_| Ok(())).is_err());
    });
}

#[test]
fn a_guard_never_clears_a_newer_event() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let fd = AsyncFd::new(one).unwrap();
        peer.write_all(b"x").unwrap();
        turn();
        let mut cleared = at_once(fd.readable()).unwrap();
        let mut tried = at_once(fd.readable()).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(fd.get_ref().read(&mut buffer).unwrap(), 1);
        peer.write_all(b"y").unwrap();
        turn();
        cleared.clear_ready();
        let blocked = tried.try_io(|_| Err::<(), _>(ErrorKind::WouldBlock.into()));
        assert!(blocked.is_err());
        fd.try_io(Interest::READABLE, |mut end| end.read(&mut buffer))
            .unwrap();
    });
}

/// The end of the stream stays readable, however often it is cleared.
#[test]
fn what_is_closed_is_not_cleared() {
    by_hand(|turn| {
        let (one, peer) = sockets();
        let fd = AsyncFd::new(one).unwrap();
        drop(peer);
        turn();
        for _ in 0..2 {
            let mut guard = at_once(fd.readable()).unwrap();
            assert!(guard.ready().is_read_closed());
            guard.clear_ready();
            assert_eq!(guard.get_inner().read(&mut [0; 8]).unwrap(), 0);
        }
    });
}
