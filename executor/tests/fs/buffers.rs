//! Reads whose futures were dropped: their bytes are there, and the position is where it seems to
//! be.

use std::fs as std_fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::pin::pin;
use std::task::Waker;

use framewise::fs::File;
use framewise::runtime::Runtime;
use framewise_test_support::{HangWatch, give_up, occupy_pool, one_pool_thread, poll_once};

use crate::{Directory, open};

/// Returns a file of which ten bytes were read for a future that was dropped.
fn with_unread(runtime: &Runtime, path: &Path) -> File {
    let mut file = runtime.block_on(open(path));
    let (busy, _) = occupy_pool(runtime);
    let _entered = runtime.enter();
    let mut bytes = [0; 10];
    give_up(file.read(&mut bytes));
    drop(busy);
    // The calls are made in order.
    runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
    file
}

fn test(body: impl AsyncFn(File, &Path)) {
    let _watch = HangWatch::new("a file's buffer");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("0123456789abcdef");
    let file = with_unread(&runtime, &path);
    runtime.block_on(body(file, &path));
}

#[test]
fn a_dropped_read_loses_nothing() {
    test(async |mut file, _| {
        let mut bytes = [0; 4];
        assert_eq!(file.read(&mut bytes).await.unwrap(), 4);
        assert_eq!(&bytes, b"0123");
        let mut bytes = [0; 64];
        assert_eq!(file.read(&mut bytes).await.unwrap(), 6);
        assert_eq!(&bytes[..6], b"456789");
        assert_eq!(file.read(&mut bytes).await.unwrap(), 6);
        assert_eq!(&bytes[..6], b"abcdef");
    });
}

#[test]
fn a_dropped_read_to_end_has_what_was_read() {
    let _watch = HangWatch::new("a file's buffer");
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    let path = directory.file("hello");
    let mut file = runtime.block_on(open(&path));
    let _entered = runtime.enter();
    let mut all = Vec::new();
    {
        let mut read = pin!(file.read_to_end(&mut all));
        let (busy, _) = occupy_pool(&runtime);
        assert!(poll_once(&mut read, Waker::noop()).is_pending());
        drop(busy);
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        // Takes the bytes, and looks for more.
        let (_busy, _) = occupy_pool(&runtime);
        assert!(poll_once(&mut read, Waker::noop()).is_pending());
    }
    assert_eq!(all, b"hello");
    // For a string they are lost.
    let mut text = String::new();
    runtime.block_on(file.seek(SeekFrom::Start(0))).unwrap();
    {
        let mut read = pin!(file.read_to_string(&mut text));
        let (busy, _) = occupy_pool(&runtime);
        assert!(poll_once(&mut read, Waker::noop()).is_pending());
        drop(busy);
        runtime.block_on(runtime.spawn_blocking(|| ())).unwrap();
        let (_busy, _) = occupy_pool(&runtime);
        assert!(poll_once(&mut read, Waker::noop()).is_pending());
    }
    assert_eq!(text, "");
    assert_eq!(runtime.block_on(file.read(&mut [0; 8])).unwrap(), 0);
}

#[test]
fn a_write_after_a_dropped_read_goes_to_the_tasks_position() {
    test(async |mut file, path| {
        let mut bytes = [0; 4];
        file.read(&mut bytes).await.unwrap();
        file.write_all(b"XY").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std_fs::read(path).unwrap(), b"0123XY6789abcdef");
        file.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"6789");
    });
}

#[test]
fn a_seek_after_a_dropped_read_is_relative_to_the_tasks_position() {
    for (to, expected) in [
        (SeekFrom::Current(0), 0),
        (SeekFrom::Current(3), 3),
        (SeekFrom::Start(5), 5),
        (SeekFrom::End(-1), 15),
    ] {
        test(async |mut file, _| {
            assert_eq!(file.seek(to).await.unwrap(), expected);
            let mut bytes = [0; 1];
            file.read(&mut bytes).await.unwrap();
            assert_eq!(
                u64::from(bytes[0]),
                u64::from(b"0123456789abcdef"[expected as usize])
            );
        });
    }
    test(async |mut file, _| {
        // Too far: the position stays.
        file.seek(SeekFrom::Current(-1)).await.unwrap_err();
        file.seek(SeekFrom::Current(i64::MIN)).await.unwrap_err();
        let mut bytes = [0; 2];
        file.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"01");
    });
}

#[test]
fn cutting_a_file_forgets_what_was_read_ahead() {
    test(async |mut file, path| {
        file.set_len(3).await.unwrap();
        let mut bytes = [0; 64];
        assert_eq!(file.read(&mut bytes).await.unwrap(), 3);
        assert_eq!(&bytes[..3], b"012");
        assert_eq!(file.read(&mut bytes).await.unwrap(), 0);
        file.set_len(5).await.unwrap();
        assert_eq!(file.read(&mut bytes).await.unwrap(), 2);
        assert_eq!(std_fs::read(path).unwrap(), b"012\0\0");
    });
}

#[test]
fn a_clone_and_a_conversion_are_at_the_tasks_position() {
    test(async |mut file, _| {
        let mut bytes = [0; 2];
        file.read(&mut bytes).await.unwrap();
        let mut clone = file.try_clone().await.unwrap();
        clone.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"23");
        file.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"45", "the position is shared");
    });
    test(async |mut file, _| {
        let mut bytes = [0; 2];
        file.read(&mut bytes).await.unwrap();
        let mut file = file.into_std().await;
        assert_eq!(file.stream_position().unwrap(), 2);
        file.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"23");
    });
    test(async |file, _| {
        let mut file = file.try_into_std().unwrap();
        assert_eq!(file.stream_position().unwrap(), 0);
    });
}
