//! One operation after another: what begins after a write sees it, whichever call a thread of the
//! pool takes first.

use std::fs as std_fs;
use std::io::{ErrorKind, SeekFrom};
use std::pin::pin;
use std::task::{Context, Waker};

use framewise_test_support::{
    CountingWaker, HangWatch, at_once, give_up, occupy_pool, on_workers, one_pool_thread, poll_once,
};

use crate::{Directory, open};

#[test]
fn a_write_is_accepted_before_it_is_done() {
    let _watch = HangWatch::new("a write");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("");
    let mut file = runtime.block_on(open(&path));
    let (busy, _) = occupy_pool(&runtime);
    let _entered = runtime.enter();
    assert_eq!(at_once(file.write(b"one")).unwrap(), 3);
    assert_eq!(std_fs::read(&path).unwrap(), b"");
    // The next one waits, and takes nothing.
    let (counter, waker) = CountingWaker::new();
    assert!(poll_once(&mut pin!(file.write(b"lost")), &waker).is_pending());
    give_up(file.flush());
    let file = file.try_into_std().unwrap_err();
    assert!(format!("{file:?}").contains("max_buf_size"));
    drop(busy);
    let mut file = file;
    runtime.block_on(async {
        file.flush().await.unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), b"one");
        file.write_all(b"two").await.unwrap();
    });
    assert_eq!(counter.wakes(), 0, "the flush took its place");
    // A dropped file writes what was accepted.
    drop(file);
    runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    assert_eq!(std_fs::read(&path).unwrap(), b"onetwo");
}

#[test]
fn a_dropped_write_all_has_written_some() {
    let _watch = HangWatch::new("a write");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("");
    let mut file = runtime.block_on(open(&path));
    file.set_max_buf_size(2);
    {
        let (_busy, _) = occupy_pool(&runtime);
        let _entered = runtime.enter();
        give_up(file.write_all(b"12345"));
    }
    runtime.block_on(file.flush()).unwrap();
    assert_eq!(std_fs::read(&path).unwrap(), b"12");
}

#[test]
fn a_dropped_seek_may_have_moved_the_position() {
    let _watch = HangWatch::new("a seek");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("0123456789");
    let mut file = runtime.block_on(open(&path));
    {
        let (_busy, _) = occupy_pool(&runtime);
        let _entered = runtime.enter();
        let mut seek = pin!(file.seek(SeekFrom::Current(3)));
        assert!(poll_once(&mut seek, Waker::noop()).is_pending());
    }
    let position = runtime.block_on(file.seek(SeekFrom::Current(0))).unwrap();
    assert_eq!(position, 3, "it was in flight");
}

/// What was accepted is written nevertheless.
#[test]
fn a_dropped_conversion_closes_the_file() {
    let _watch = HangWatch::new("a conversion");
    let runtime = one_pool_thread(1);
    let (mut ends, begins) = std::io::pipe().unwrap();
    let mut file = framewise::fs::File::from(std::os::fd::OwnedFd::from(begins));
    {
        let (_busy, _) = occupy_pool(&runtime);
        let _entered = runtime.enter();
        assert_eq!(at_once(file.write(b"hello")).unwrap(), 5);
        give_up(file.into_std());
    }
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut ends, &mut all).unwrap();
    assert_eq!(all, b"hello");
}

#[test]
fn what_borrows_the_file_comes_after_a_write() {
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.file("");
        runtime.block_on(async {
            let mut file = open(&path).await;
            for round in 1..=100_u64 {
                file.write_all(&[7; 10]).await.unwrap();
                match round % 4 {
                    0 => file.sync_all().await.unwrap(),
                    1 => file.sync_data().await.unwrap(),
                    2 => assert_eq!(file.metadata().await.unwrap().len(), 10 * round),
                    _ => drop(file.try_clone().await.unwrap()),
                }
                assert_eq!(std_fs::metadata(&path).unwrap().len(), 10 * round);
            }
        });
    });
}

/// Futures of operations that borrow the file are dropped, and their calls go on beside those of
/// later operations.
#[test]
fn dropped_operations_mix_with_others() {
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.file("");
        runtime.block_on(async {
            let mut file = open(&path).await;
            let mut expected = Vec::new();
            for round in 0..100_u8 {
                let bytes = [round; 100];
                file.write_all(&bytes).await.unwrap();
                expected.extend(bytes);
                for _ in 0..3 {
                    let _ = poll_once(&mut pin!(file.sync_data()), Waker::noop());
                    let _ = poll_once(&mut pin!(file.metadata()), Waker::noop());
                }
                if round % 5 == 0 {
                    let _ = poll_once(
                        &mut pin!(file.set_len(expected.len() as u64)),
                        Waker::noop(),
                    );
                    file.flush().await.unwrap();
                    assert_eq!(std_fs::read(&path).unwrap().len(), expected.len());
                }
                if round % 7 == 0 {
                    let _ = poll_once(&mut pin!(file.read(&mut [0; 10])), Waker::noop());
                }
            }
            file.flush().await.unwrap();
            assert!(std_fs::read(&path).unwrap() == expected);
            // A dropped call may outlive the file: it gets an error.
            let _ = poll_once(&mut pin!(file.sync_data()), Waker::noop());
            drop(file.into_std().await);
        });
    });
}

#[test]
fn a_seek_does_not_begin_while_another_operation_is_in_flight() {
    use tokio::io::AsyncSeek;
    let _watch = HangWatch::new("a seek");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("0123");
    let file = runtime.block_on(open(&path));
    let (busy, _) = occupy_pool(&runtime);
    let _entered = runtime.enter();
    let mut file = pin!(file);
    assert_eq!(at_once(file.write(b"AB")).unwrap(), 2);
    let error = file.as_mut().start_seek(SeekFrom::Start(0)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(file.as_mut().poll_complete(cx).is_pending());
    drop(busy);
    runtime.block_on(async {
        assert_eq!(file.seek(SeekFrom::Current(1)).await.unwrap(), 3);
        // Futures-io's seek is called again until it is done; another one is another seek.
        let (busy, _) = occupy_pool(&runtime);
        let cx = &mut Context::from_waker(Waker::noop());
        let to = SeekFrom::Start(1);
        assert!(futures::AsyncSeek::poll_seek(file.as_mut(), cx, to).is_pending());
        drop(busy);
        let to = SeekFrom::Start(2);
        let done = std::future::poll_fn(|cx| futures::AsyncSeek::poll_seek(file.as_mut(), cx, to));
        assert_eq!(done.await.unwrap(), 2);
        let mut byte = [0];
        file.read(&mut byte).await.unwrap();
        assert_eq!(&byte, b"2");
    });
}
