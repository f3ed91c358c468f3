//! Files: calls on the pool, which end or go on when their waits are dropped. (A file on a pipe
//! makes a call that waits.)
#![cfg(unix)]

use std::future::Future;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use framewise::fs::{self, File};
use framewise::runtime::Runtime;
use futures::lock::Mutex;

use crate::row::{Leaves, made, row};

/// A directory with more entries than one call fetches.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Runs a row that waits for a file on an empty pipe.
#[track_caller]
fn reading<W>(name: &str, wait: impl Fn(Arc<Mutex<File>>) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    row(name, Leaves::Nothing, |_: &Runtime, _| {
        let (reads, mut writes) = std::io::pipe().unwrap();
        let file = Arc::new(Mutex::new(File::from(OwnedFd::from(reads))));
        // The writing end goes with the row, and ends the call.
        let mut ends = writes.try_clone().unwrap();
        let wait = wait(Arc::clone(&file));
        let finish = move || {
            ends.write_all(b"1").unwrap();
            drop(ends);
        };
        let _ = writes.flush();
        made(wait, finish, (file, writes))
    });
}

#[test]
fn c48_reading_a_file_leaves_nothing() {
    reading("read", |file| async move {
        assert_eq!(file.lock().await.read(&mut [0; 8]).await.unwrap(), 1);
    });
    reading("tokio's read", |file| async move {
        let file = &mut *file.lock().await;
        let mut buffer = [0; 8];
        let read = tokio::io::AsyncReadExt::read(file, &mut buffer).await;
        assert_eq!(read.unwrap(), 1);
    });
    reading("futures-io's read", |file| async move {
        let file = &mut *file.lock().await;
        let mut buffer = [0; 8];
        let read = futures::AsyncReadExt::read(file, &mut buffer).await;
        assert_eq!(read.unwrap(), 1);
    });
    // Waits behind a read that is in flight.
    reading("metadata", |file| async move {
        let file = &mut *file.lock().await;
        let _ = futures::poll!(Box::pin(file.read(&mut [0; 8])));
        file.metadata().await.unwrap();
    });
    reading("flush", |file| async move {
        let file = &mut *file.lock().await;
        let _ = futures::poll!(Box::pin(file.read(&mut [0; 8])));
        file.flush().await.unwrap();
    });
    reading("seek", |file| async move {
        let file = &mut *file.lock().await;
        let _ = futures::poll!(Box::pin(file.read(&mut [0; 8])));
        file.seek(std::io::SeekFrom::Start(0)).await.unwrap_err();
    });
}

#[test]
fn c48_the_functions_leave_nothing() {
    row("metadata of a path", Leaves::Nothing, |_, _| {
        made(
            async { assert!(fs::metadata("/").await.unwrap().is_dir()) },
            || (),
            (),
        )
    });
    row("read_dir", Leaves::Nothing, |_, _| {
        made(async { drop(fs::read_dir("/").await.unwrap()) }, || (), ())
    });
    row("next entry", Leaves::Nothing, |runtime, _| {
        let entries = runtime.block_on(fs::read_dir(TESTS)).unwrap();
        let entries = Arc::new(Mutex::new(entries));
        // All that the first call has fetched, so that the next one is made.
        for _ in 0..32 {
            let mut entries = entries.try_lock().unwrap();
            assert!(runtime.block_on(entries.next_entry()).unwrap().is_some());
        }
        let lists = Arc::clone(&entries);
        let wait = async move { drop(lists.lock().await.next_entry().await.unwrap()) };
        made(wait, || (), entries)
    });
}
