//! The rows of files, directories and standard streams: calls on the blocking pool, which has one
//! thread here, and that one is occupied.

use std::cell::RefCell;
use std::io::SeekFrom;
use std::sync::mpsc;
use std::time::Duration;

use framewise::deadline;
use framewise::fs::{self, File};
use framewise::io::stdout;
use framewise::runtime::{Builder, Runtime};
use framewise::task::JoinHandle;

use crate::MS;
use crate::obeys::Row;

fn runtime() -> Runtime {
    let builder = Builder::new_multi_thread().worker_threads(1);
    builder.max_blocking_threads(1).build().unwrap()
}

/// What occupies the pool's only thread.
struct Occupied(mpsc::Sender<()>, JoinHandle<()>);

impl Occupied {
    fn new() -> Self {
        let (release, released) = mpsc::channel();
        let call = framewise::spawn_blocking(move || {
            // Until the sender is dropped.
            released.recv().unwrap_err();
        });
        Self(release, call)
    }

    async fn release(self) {
        drop(self.0);
        self.1.await.unwrap();
    }
}

/// Checks rows, each with an occupied pool.
macro_rules! rows {
    ($($name:literal: $wait:expr;)+) => {$({
        let occupied = Occupied::new();
        let allow = async || occupied.release().await;
        Row { name: $name, wait: $wait, allow, limit: 5 * MS }.check().await;
    })+};
}

#[test]
#[expect(clippy::await_holding_refcell_ref, reason = "there is one task")]
fn c99_files_directories_and_streams() {
    let directory = std::env::temp_dir().join(format!("framewise-files-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = &directory.join("file");
    std::fs::write(path, "contents").unwrap();
    runtime().block_on(async {
        rows! {
            "fs::read": async || fs::read(path).await.map(drop);
            "fs::metadata": async || fs::metadata(path).await.map(drop);
            "fs::read_dir": async || fs::read_dir(&directory).await.map(drop);
            "File::open": async || File::open(path).await.map(drop);
        }
        let file = || async { RefCell::new(File::open(path).await.unwrap()) };
        let (one, other, third) = (file().await, file().await, file().await);
        rows! {
            "File::read": async || one.borrow_mut().read(&mut [0]).await.map(drop);
            "File::seek": async || other.borrow_mut().seek(SeekFrom::Start(1)).await.map(drop);
            "File::metadata": async || third.borrow().metadata().await.map(drop);
        }
        let written = RefCell::new(File::create(directory.join("written")).await.unwrap());
        let occupied = Occupied::new();
        // The first write is taken at once, and the next operation waits for it.
        written.borrow_mut().write_all(b"x").await.unwrap();
        let row = Row {
            name: "File::flush",
            wait: async || written.borrow_mut().flush().await,
            allow: async || occupied.release().await,
            limit: 5 * MS,
        };
        row.check().await;

        let output = RefCell::new(stdout());
        let occupied = Occupied::new();
        output.borrow_mut().write_all(b"\n").await.unwrap();
        let row = Row {
            name: "Stdout::flush",
            wait: async || output.borrow_mut().flush().await,
            allow: async || occupied.release().await,
            limit: 5 * MS,
        };
        row.check().await;
    });
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
pub(crate) fn c99_what_a_file_has_begun_is_finished_and_nothing_is_lost() {
    let path = std::env::temp_dir().join(format!("framewise-begun-{}", std::process::id()));
    runtime().block_on(async {
        let mut file = File::create(&path).await.unwrap();
        let occupied = Occupied::new();
        file.write_all(b"one ").await.unwrap();
        let limited = deadline::within(5 * MS, file.write_all(b"lost "));
        assert!(deadline::is(&limited.await.unwrap_err()));
        // It has begun nothing, and the write before it was not given up.
        occupied.release().await;
        file.write_all(b"two").await.unwrap();
        file.flush().await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"one two");

        let mut file = File::open(&path).await.unwrap();
        let occupied = Occupied::new();
        let mut bytes = [0; 8];
        let limited = deadline::within(5 * MS, file.read(&mut bytes));
        assert!(deadline::is(&limited.await.unwrap_err()));
        occupied.release().await;
        let count = file.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..count], b"one two");

        let occupied = Occupied::new();
        let conversion = deadline::within(Duration::ZERO, file.into_std());
        let releasing = framewise::spawn(occupied.release());
        let mut std = conversion.await;
        releasing.await.unwrap();
        assert_eq!(std::io::Seek::stream_position(&mut std).unwrap(), 7);
    });
    std::fs::remove_file(path).unwrap();
}
