//! Full disks, and files that are too large: the error comes out at the next write or flush, and
//! nothing else is lost.
#![cfg(target_os = "linux")]

use std::env;
use std::fs as std_fs;
use std::io::{ErrorKind, SeekFrom};

use framewise::fs::{self, File};
use framewise_test_support::{on_workers, runtime};

use crate::{Directory, open};

#[test]
fn a_full_disk_is_an_error_of_the_next_write_or_flush() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let mut full = File::options().write(true).open("/dev/full").await.unwrap();
            assert_eq!(full.write(b"accepted").await.unwrap(), 8);
            let error = full.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            full.flush().await.unwrap();
            assert_eq!(full.write(b"accepted").await.unwrap(), 8);
            // An operation between leaves the error.
            full.metadata().await.unwrap();
            let error = full.write(b"not accepted").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            full.flush().await.unwrap();
            full.write_all(b"accepted").await.unwrap();
            full.seek(SeekFrom::Start(0)).await.unwrap();
            assert_eq!(
                full.flush().await.unwrap_err().kind(),
                ErrorKind::StorageFull
            );
            let error = fs::write("/dev/full", b"1").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        });
    });
}

/// In a process of its own, whose files may have 1000 bytes.
#[test]
fn at_the_limit_of_a_files_size_nothing_else_is_lost() {
    const LIMITED: &str = "FRAMEWISE_LIMITED";
    if env::var_os(LIMITED).is_none() {
        // Its standard output must not be a file.
        let output = std::process::Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "failures::at_the_limit_of_a_files_size_nothing_else_is_lost",
            ])
            .env(LIMITED, "1")
            .output()
            .unwrap();
        return assert!(output.status.success(), "{output:?}");
    }
    let limit = libc::rlimit {
        rlim_cur: 1000,
        rlim_max: 1000,
    };
    // SAFETY: the limit is read, and no handler is installed.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
    let directory = Directory::new();
    let path = directory.file("");
    runtime(2).block_on(async {
        let mut file = open(&path).await;
        let mut other = File::create(directory.path().join("other")).await.unwrap();
        file.write_all(&[1; 600]).await.unwrap();
        other.write_all(&[1; 600]).await.unwrap();
        file.flush().await.unwrap();
        // The system writes a part of these.
        file.write_all(&[2; 600]).await.unwrap();
        let error = file.flush().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        file.write_all(&[3; 10]).await.unwrap();
        let error = file.write(&[4; 10]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let written = [[1; 600].as_slice(), &[2; 400]].concat();
        assert_eq!(std_fs::read(&path).unwrap(), written);
        // The file works: it is read, cut, and written again; and so does the other one.
        file.seek(SeekFrom::Start(599)).await.unwrap();
        let mut bytes = [0; 2];
        file.read(&mut bytes).await.unwrap();
        assert_eq!(bytes, [1, 2]);
        file.set_len(1).await.unwrap();
        file.seek(SeekFrom::End(0)).await.unwrap();
        file.write_all(&[5]).await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), [1, 5]);
        other.write_all(&[1; 400]).await.unwrap();
        other.flush().await.unwrap();
    });
}

#[test]
fn a_file_that_cannot_be_written_or_read_says_so() {
    let directory = Directory::new();
    let path = directory.file("hello");
    runtime(1).block_on(async {
        let mut reads = File::open(&path).await.unwrap();
        assert_eq!(reads.write(b"1").await.unwrap(), 1);
        let error = reads.flush().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        let mut bytes = [0; 5];
        assert_eq!(reads.read(&mut bytes).await.unwrap(), 5);
        let mut writes = File::create(directory.path().join("new")).await.unwrap();
        for _ in 0..2 {
            let error = writes.read(&mut bytes).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        }
        writes.write_all(b"1").await.unwrap();
        writes.flush().await.unwrap();
    });
}
