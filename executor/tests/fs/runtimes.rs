//! Files in each kind of runtime, in one that ends, and outside of any.

use std::fs as std_fs;
use std::io::{self, SeekFrom};

use framewise::fs::{self, File};
use framewise::runtime::{Builder, LocalOptions, is_rt_shutdown_err};
use framewise::task::LocalSet;
use framewise_test_support::{at_once, occupy_pool, one_pool_thread, runtime, with_workers};

use crate::{Directory, open};

async fn write_and_read(directory: &Directory) {
    let path = directory.path().join("new");
    let mut file = File::create(&path).await.unwrap();
    file.write_all(b"hello").await.unwrap();
    file.sync_all().await.unwrap();
    assert_eq!(fs::read(&path).await.unwrap(), b"hello");
    file.write_all(b" world").await.unwrap();
    let length = file.metadata().await.unwrap().len();
    assert_eq!(length, 11);
    file.flush().await.unwrap();
    let mut file = open(&path).await;
    file.seek(SeekFrom::End(-5)).await.unwrap();
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"world");
}

#[test]
fn files_work_in_each_kind_of_runtime() {
    let directory = Directory::new();
    let current = Builder::new_current_thread().build().unwrap();
    current.block_on(write_and_read(&directory));
    let local = Builder::new_current_thread();
    let local = local.build_local(LocalOptions::default()).unwrap();
    local.block_on(write_and_read(&directory));
    let runtime = runtime(2);
    LocalSet::new().block_on(&runtime, write_and_read(&directory));
}

/// The pool of a seeded run has no threads: the seed chooses which call is next.
#[test]
fn files_work_in_seeded_runs() {
    let directory = Directory::new();
    for seed in 0..50 {
        framewise::test::run(seed, || write_and_read(&directory));
    }
}

fn is_shutting_down<T>(result: io::Result<T>) {
    match result {
        Ok(_) => panic!("the runtime has ended"),
        Err(error) => assert!(is_rt_shutdown_err(&error), "{error}"),
    }
}

#[test]
fn in_a_runtime_that_has_ended_each_operation_fails() {
    with_workers(|workers| {
        let directory = Directory::new();
        let path = directory.file("hello");
        let ended = runtime(workers);
        let handle = ended.handle().clone();
        let mut entries = ended.block_on(fs::read_dir(directory.path())).unwrap();
        drop(ended);
        let _entered = handle.enter();
        let options = || std_fs::OpenOptions::new().read(true).write(true).clone();
        let mut file = File::from_std(options().open(&path).unwrap());
        for _ in 0..2 {
            is_shutting_down(at_once(file.read(&mut [0; 8])));
            is_shutting_down(at_once(file.seek(SeekFrom::Start(0))));
            is_shutting_down(at_once(file.write(b"z")));
            is_shutting_down(at_once(file.set_len(0)));
            is_shutting_down(at_once(file.sync_all()));
            is_shutting_down(at_once(file.metadata()));
            is_shutting_down(at_once(fs::read(&path)));
            is_shutting_down(at_once(File::open(&path)));
        }
        at_once(file.flush()).unwrap();
        // One entry was fetched before.
        assert!(at_once(entries.next_entry()).unwrap().is_some());
        assert!(at_once(entries.next_entry()).unwrap().is_none());
        drop(at_once(file.into_std()));
        assert_eq!(
            std_fs::read(&path).unwrap(),
            b"hello",
            "no write was accepted"
        );
    });
}

#[test]
fn a_listing_that_a_shutdown_has_cut_says_so_again() {
    let directory = Directory::new();
    for number in 0..40 {
        std_fs::write(directory.path().join(format!("{number}")), "").unwrap();
    }
    let ended = runtime(1);
    let handle = ended.handle().clone();
    let mut entries = ended.block_on(fs::read_dir(directory.path())).unwrap();
    drop(ended);
    let mut count = 0;
    {
        let _entered = handle.enter();
        let error = loop {
            match at_once(entries.next_entry()) {
                Ok(entry) => count += usize::from(entry.is_some()),
                Err(error) => break error,
            }
        };
        assert!(is_rt_shutdown_err(&error), "{error}");
    }
    assert_eq!(count, 32);
    let error = at_once(entries.next_entry()).unwrap_err();
    assert!(
        error.to_string().contains("list the directory again"),
        "{error}"
    );
}

#[test]
fn outside_of_a_runtime_each_operation_fails() {
    let directory = Directory::new();
    let path = directory.file("hello");
    let mut file = File::from_std(std_fs::File::open(&path).unwrap());
    let errors = [
        at_once(file.read(&mut [0; 8])).unwrap_err(),
        at_once(file.write(b"1")).unwrap_err(),
        at_once(file.seek(SeekFrom::Start(1))).unwrap_err(),
        at_once(file.sync_all()).unwrap_err(),
        at_once(fs::metadata(&path)).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().contains("no runtime here"), "{error}");
    }
    at_once(file.into_std());
}

/// What a write has accepted is in the file after the runtime's end, although its call was still in
/// the pool's queue.
#[test]
fn a_runtime_that_ends_writes_what_was_accepted() {
    for is_dropped in [false, true] {
        let directory = Directory::new();
        let path = directory.file("");
        let runtime = one_pool_thread(1);
        let mut file = Some(runtime.block_on(open(&path)));
        let (busy, _) = occupy_pool(&runtime);
        {
            let _entered = runtime.enter();
            assert_eq!(at_once(file.as_mut().unwrap().write(b"hello")).unwrap(), 5);
        }
        if is_dropped {
            file = None;
        }
        // It closes the pool, whose thread is busy.
        runtime.shutdown_background();
        assert_eq!(std_fs::read(&path).unwrap(), b"hello");
        drop((busy, file));
    }
}
