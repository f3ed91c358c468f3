//! What the methods of a file do, one by one.

use std::fs::{self as std_fs, FileTimes};
use std::io::{ErrorKind, Read, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use framewise::fs::{File, OpenOptions};
use framewise_test_support::{on_workers, runtime};

use crate::{Directory, open};

#[test]
fn what_was_written_is_read() {
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.path().join("new");
        runtime.block_on(async {
            let mut file = File::create(&path).await.unwrap();
            file.write_all(b"hello ").await.unwrap();
            file.write_all(b"world").await.unwrap();
            file.flush().await.unwrap();
            assert_eq!(std_fs::read(&path).unwrap(), b"hello world");
            let mut file = File::open(&path).await.unwrap();
            let mut bytes = [0; 64];
            assert_eq!(file.read(&mut bytes).await.unwrap(), 11);
            assert_eq!(&bytes[..11], b"hello world");
            assert_eq!(file.read(&mut bytes).await.unwrap(), 0);
            assert_eq!(file.read(&mut []).await.unwrap(), 0);
        });
    });
}

#[test]
fn options_are_those_of_std() {
    let directory = Directory::new();
    runtime(2).block_on(async {
        let path = directory.path().join("options");
        let error = OpenOptions::new().read(true).open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = OpenOptions::default().open(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut file = File::create_new(&path).await.unwrap();
        file.write_all(b"one").await.unwrap();
        file.flush().await.unwrap();
        let error = File::create_new(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let mut options = OpenOptions::from(std_fs::OpenOptions::new());
        let mut file = options.append(true).open(&path).await.unwrap();
        file.write_all(b"two").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), b"onetwo");
        drop(
            options
                .truncate(true)
                .append(false)
                .write(true)
                .open(&path)
                .await
                .unwrap(),
        );
        assert_eq!(std_fs::read(&path).unwrap(), b"");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let path = directory.path().join("mode");
            let mut options = File::options();
            options.write(true).create(true).mode(0o400);
            let file = options.open(&path).await.unwrap();
            let mode = file.metadata().await.unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o400);
            let link = directory.path().join("link");
            std::os::unix::fs::symlink(&path, &link).unwrap();
            let mut options = File::options();
            options.read(true).custom_flags(libc::O_NOFOLLOW);
            let error = options.open(&link).await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        }
    });
}

#[test]
fn seeks_move_the_position() {
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.file("0123456789");
        runtime.block_on(async {
            let mut file = open(&path).await;
            let mut bytes = [0; 2];
            for (to, position, expected) in [
                (SeekFrom::Start(4), 4, b"45"),
                (SeekFrom::Current(2), 8, b"89"),
                (SeekFrom::End(-10), 0, b"01"),
                (SeekFrom::Current(-1), 1, b"12"),
            ] {
                assert_eq!(file.seek(to).await.unwrap(), position);
                assert_eq!(file.read(&mut bytes).await.unwrap(), 2);
                assert_eq!(&bytes, expected);
            }
            let error = file.seek(SeekFrom::Current(-9)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 3);
            // A seek after a write comes after it.
            file.write_all(b"abc").await.unwrap();
            assert_eq!(file.seek(SeekFrom::Current(0)).await.unwrap(), 6);
            assert_eq!(std_fs::read(&path).unwrap(), b"012abc6789");
            file.seek(SeekFrom::Start(20)).await.unwrap();
            file.write_all(b"z").await.unwrap();
            assert_eq!(file.metadata().await.unwrap().len(), 21);
        });
    });
}

#[test]
fn whole_files_are_read_in_pieces_of_growing_size() {
    on_workers(|runtime| {
        let directory = Directory::new();
        let contents: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let path = directory.file(&contents);
        runtime.block_on(async {
            let mut all = b"before".to_vec();
            let mut file = File::open(&path).await.unwrap();
            assert_eq!(file.read_to_end(&mut all).await.unwrap(), contents.len());
            assert!(all[..6] == *b"before" && all[6..] == contents);
            std_fs::write(&path, "grüße").unwrap();
            let mut text = String::from("a ");
            let mut file = File::open(&path).await.unwrap();
            assert_eq!(file.read_to_string(&mut text).await.unwrap(), 7);
            assert_eq!(text, "a grüße");
            std_fs::write(&path, [0xff]).unwrap();
            let mut file = File::open(&path).await.unwrap();
            let error = file.read_to_string(&mut text).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert_eq!(text, "a grüße");
        });
    });
}

#[test]
fn the_limit_of_a_call_limits_reads_and_writes() {
    let directory = Directory::new();
    let path = directory.file("");
    runtime(1).block_on(async {
        let mut file = open(&path).await;
        assert_eq!(file.max_buf_size(), 2 << 20);
        assert_eq!(file.write(&vec![1; 5 << 20]).await.unwrap(), 2 << 20);
        file.set_max_buf_size(3);
        assert_eq!(file.write(b"hello").await.unwrap(), 3);
        file.write_all(b"01234567").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(file.metadata().await.unwrap().len(), (2 << 20) + 11);
        file.seek(SeekFrom::Start(2 << 20)).await.unwrap();
        let mut bytes = [0; 64];
        assert_eq!(file.read(&mut bytes).await.unwrap(), 3);
        assert_eq!(file.try_clone().await.unwrap().max_buf_size(), 3);
        let mut rest = Vec::new();
        file.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"01234567");
    });
}

#[test]
#[should_panic(expected = "greater than 0")]
fn a_limit_of_zero_panics() {
    let directory = Directory::new();
    let file = std_fs::File::open(directory.file("")).unwrap();
    File::from_std(file).set_max_buf_size(0);
}

#[test]
fn metadata_permissions_and_times() {
    let directory = Directory::new();
    let path = directory.file("hello");
    runtime(1).block_on(async {
        let file = open(&path).await;
        let metadata = file.metadata().await.unwrap();
        assert!(metadata.is_file() && metadata.len() == 5);
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
        file.set_times(FileTimes::new().set_accessed(time))
            .await
            .unwrap();
        file.set_modified(time + Duration::from_secs(1))
            .await
            .unwrap();
        let metadata = file.metadata().await.unwrap();
        assert_eq!(metadata.accessed().unwrap(), time);
        assert_eq!(metadata.modified().unwrap(), time + Duration::from_secs(1));
        let mut permissions = metadata.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).await.unwrap();
        assert!(std_fs::metadata(&path).unwrap().permissions().readonly());
        file.sync_all().await.unwrap();
        file.sync_data().await.unwrap();
    });
}

#[test]
fn files_convert_from_and_to_stds() {
    let directory = Directory::new();
    let path = directory.file("hello world");
    runtime(1).block_on(async {
        let mut file = File::from(std_fs::File::open(&path).unwrap());
        let mut bytes = [0; 6];
        file.read(&mut bytes).await.unwrap();
        let mut rest = String::new();
        file.into_std().await.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "world");

        let mut file = open(&path).await;
        file.write_all(b"HELLO").await.unwrap();
        let mut file = file.into_std().await;
        file.write_all(b"!").unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), b"HELLO!world");

        let mut file = open(&path).await.try_into_std().unwrap();
        file.write_all(b"J").unwrap();
        assert_eq!(std_fs::read(&path).unwrap(), b"JELLO!world");
        assert!(format!("{:?}", File::from_std(file)).starts_with("File { "));
        #[cfg(unix)]
        {
            use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
            let file = open(&path).await;
            assert_eq!(file.as_fd().as_raw_fd(), file.as_raw_fd());
            let raw = file.into_std().await.into_raw_fd();
            // SAFETY: the descriptor is open, and has no other owner.
            let file = unsafe { File::from_raw_fd(raw) };
            let descriptor = OwnedFd::from(file.into_std().await);
            let mut file = File::from(descriptor);
            assert_eq!(file.read(&mut bytes).await.unwrap(), 6);
        }
    });
}
