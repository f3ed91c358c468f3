//! Directories, and the functions that take paths.

use std::fs as std_fs;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Waker;

use framewise::fs::{self, DirBuilder};
use framewise_test_support::{occupy_pool, on_workers, one_pool_thread, poll_once, runtime};

use crate::Directory;

#[test]
fn every_entry_is_listed_once() {
    on_workers(|runtime| {
        let directory = Directory::new();
        // More than one call fetches.
        let expected: Vec<_> = (100..200).map(|number| format!("{number}")).collect();
        for name in &expected {
            std_fs::write(directory.path().join(name), name).unwrap();
        }
        std_fs::create_dir(directory.path().join("300")).unwrap();
        runtime.block_on(async {
            let mut found = Vec::new();
            let mut entries = fs::read_dir(directory.path()).await.unwrap();
            while let Some(entry) = entries.next_entry().await.unwrap() {
                let name = entry.file_name().into_string().unwrap();
                assert_eq!(entry.path(), directory.path().join(&name));
                let metadata = entry.metadata().await.unwrap();
                assert_eq!(metadata.is_dir(), name == "300");
                assert_eq!(entry.file_type().await.unwrap().is_file(), name != "300");
                #[cfg(unix)]
                {
                    use std::os::unix::fs::MetadataExt;
                    assert_eq!(entry.ino(), metadata.ino());
                }
                found.push(name);
            }
            assert!(entries.next_entry().await.unwrap().is_none());
            found.sort();
            assert_eq!(found.pop().unwrap(), "300");
            assert_eq!(found, expected);
            let error = fs::read_dir(directory.path().join("none"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
        });
    });
}

#[test]
fn a_dropped_wait_for_an_entry_loses_none() {
    let runtime = one_pool_thread(1);
    let directory = Directory::new();
    for number in 0..40 {
        std_fs::write(directory.path().join(format!("{number}")), "").unwrap();
    }
    let mut entries = runtime.block_on(fs::read_dir(directory.path())).unwrap();
    let mut count = 0;
    let mut pending = 0;
    loop {
        let (busy, _) = occupy_pool(&runtime);
        {
            let _entered = runtime.enter();
            if let std::task::Poll::Ready(entry) =
                poll_once(&mut pin!(entries.next_entry()), Waker::noop())
            {
                match entry.unwrap() {
                    Some(_) => count += 1,
                    None => break,
                }
                continue;
            }
        }
        pending += 1;
        drop(busy);
        match runtime.block_on(entries.next_entry()).unwrap() {
            Some(_) => count += 1,
            None => break,
        }
    }
    assert_eq!(count, 40);
    assert!(
        pending > 0,
        "a call was in flight when its wait was dropped"
    );
}

#[test]
fn directories_are_made_and_removed() {
    let directory = Directory::new();
    runtime(2).block_on(async {
        let (one, two) = (
            directory.path().join("one"),
            directory.path().join("one/two"),
        );
        let error = fs::create_dir(&two).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::create_dir(&one).await.unwrap();
        fs::create_dir_all(&two).await.unwrap();
        DirBuilder::new().create(&two).await.unwrap_err();
        DirBuilder::new()
            .recursive(true)
            .create(two.join("three"))
            .await
            .unwrap();
        fs::remove_dir(&one).await.unwrap_err();
        fs::remove_dir(two.join("three")).await.unwrap();
        fs::remove_dir_all(&one).await.unwrap();
        assert!(!fs::try_exists(&one).await.unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            DirBuilder::new().mode(0o500).create(&one).await.unwrap();
            let mode = fs::metadata(&one).await.unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o500);
        }
    });
}

#[test]
fn functions_of_paths() {
    let directory = Directory::new();
    runtime(2).block_on(async {
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::write(&from, b"hello").await.unwrap();
        fs::write(&from, String::from("hi")).await.unwrap();
        assert_eq!(fs::read(&from).await.unwrap(), b"hi");
        assert_eq!(fs::read_to_string(&from).await.unwrap(), "hi");
        assert_eq!(fs::copy(&from, &to).await.unwrap(), 2);
        fs::rename(&to, directory.path().join("renamed"))
            .await
            .unwrap();
        let error = fs::read(&to).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        fs::hard_link(&from, &to).await.unwrap();
        fs::remove_file(&from).await.unwrap();
        assert_eq!(fs::read(&to).await.unwrap(), b"hi");
        let metadata = fs::metadata(&to).await.unwrap();
        let mut permissions = metadata.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&to, permissions.clone()).await.unwrap();
        assert_eq!(fs::metadata(&to).await.unwrap().permissions(), permissions);
        #[cfg(unix)]
        {
            fs::symlink(&to, &from).await.unwrap();
            assert_eq!(fs::read_link(&from).await.unwrap(), to);
            assert!(fs::symlink_metadata(&from).await.unwrap().is_symlink());
            assert!(fs::metadata(&from).await.unwrap().is_file());
            let expected = std_fs::canonicalize(&to).unwrap();
            assert_eq!(fs::canonicalize(&from).await.unwrap(), expected);
            fs::remove_file(&to).await.unwrap();
            assert!(!fs::try_exists(&from).await.unwrap());
        }
    });
}
