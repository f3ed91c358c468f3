//! Waits for what a descriptor is registered for, and for what it is not.

use std::future::Future;
use std::io::{ErrorKind, Write};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use framewise_io::unix::AsyncFd;
use framewise_io::{Interest, Ready};
use framewise_test_support::{CountingWaker, at_once};

use super::{BOTH, by_hand, sockets};

#[test]
fn a_wait_for_what_is_not_registered_is_an_error() {
    by_hand(|turn| {
        let (one, mut peer) = sockets();
        let mut fd = AsyncFd::with_interest(one, Interest::READABLE).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        peer.write_all(b"x").unwrap();
        turn();
        let mut errors = vec![
            at_once(fd.writable()).map(drop).unwrap_err(),
            at_once(fd.writable_mut()).map(drop).unwrap_err(),
            at_once(fd.async_io(Interest::WRITABLE, |_| Ok(()))).unwrap_err(),
            at_once(fd.async_io_mut(Interest::WRITABLE, |_| Ok(()))).unwrap_err(),
            fd.try_io(Interest::WRITABLE, |_| Ok(())).unwrap_err(),
            fd.try_io_mut(Interest::WRITABLE, |_| Ok(())).unwrap_err(),
        ];
        let Poll::Ready(Err(error)) = fd.poll_write_ready(&mut cx) else {
            panic!("it is not registered");
        };
        errors.push(error);
        let Poll::Ready(Err(error)) = fd.poll_write_ready_mut(&mut cx) else {
            panic!("it is not registered");
        };
        errors.push(error);
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let text = error.to_string();
            assert!(text.contains("for Interest(READABLE), not"), "{text}");
        }
        // A part is enough, and errors are reported in any case.
        assert_eq!(at_once(fd.ready(BOTH)).unwrap().ready(), Ready::READABLE);
        let mut error = pin!(fd.ready(Interest::ERROR));
        assert!(error.as_mut().poll(&mut cx).is_pending());
    });
}

/// The writing end of a pipe has an error when there is no reader.
#[cfg(target_os = "linux")]
#[test]
fn errors_are_awaited_alone() {
    by_hand(|turn| {
        let (reader, writer) = std::io::pipe().unwrap();
        let fd = AsyncFd::with_interest(writer, Interest::ERROR).unwrap();
        let (woken, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        let mut wait = pin!(fd.ready(Interest::ERROR));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        turn();
        assert_eq!(woken.wakes(), 0);
        drop(reader);
        turn();
        assert_eq!(woken.wakes(), 1);
        let Poll::Ready(Ok(mut guard)) = wait.as_mut().poll(&mut cx) else {
            panic!("the reader is gone");
        };
        assert_eq!(guard.ready(), Ready::ERROR);
        guard.clear_ready();
        assert!(fd.try_io(Interest::ERROR, |_| Ok(())).is_err());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn urgent_data_is_awaited_alone() {
    use std::mem::MaybeUninit;

    use socket2::SockRef;

    by_hand(|turn| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let interest = Interest::PRIORITY | Interest::READABLE;
        let fd = AsyncFd::with_interest(server, interest).unwrap();
        let (woken, waker) = CountingWaker::new();
        let mut cx = Context::from_waker(&waker);
        for round in 1..=2 {
            let mut wait = pin!(fd.ready(Interest::PRIORITY));
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            client.write_all(b"plain").unwrap();
            turn();
            assert!(wait.as_mut().poll(&mut cx).is_pending());
            SockRef::from(&client).send_out_of_band(b"!").unwrap();
            while woken.wakes() < round {
                turn();
            }
            let Poll::Ready(Ok(mut guard)) = wait.as_mut().poll(&mut cx) else {
                panic!("urgent data has arrived");
            };
            assert_eq!(guard.ready(), Ready::PRIORITY);
            let mut byte = [MaybeUninit::uninit()];
            let receive = |fd: &AsyncFd<_>| SockRef::from(fd).recv_out_of_band(&mut byte);
            assert_eq!(guard.try_io(receive).unwrap().unwrap(), 1);
            guard.clear_ready();
        }
        // Urgent data does not come after the end.
        let mut wait = pin!(fd.ready(Interest::PRIORITY | Interest::ERROR));
        assert!(wait.as_mut().poll(&mut cx).is_pending());
        drop(client);
        while woken.wakes() < 3 {
            turn();
        }
        assert!(wait.as_mut().poll(&mut cx).is_ready());
    });
}
