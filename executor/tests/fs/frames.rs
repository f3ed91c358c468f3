//! Frames: operations are awaited in their tasks' frames, and no call keeps one.

use std::io::SeekFrom;
use std::sync::Arc;
use std::task::Waker;

use framewise::ContextVar;
use framewise::fs;
use framewise_test_support::{ID, everywhere};

use crate::{Directory, open};

#[test]
fn c51_after_an_operation_the_frame_is_the_awaiting_tasks() {
    everywhere(|runtime, id| {
        let directory = Directory::new();
        let path = directory.file("hello");
        let task = runtime.spawn(async move {
            let outer = ID.get();
            let inner = ID.scope(7, async {
                let mut file = open(&path).await;
                let mut seen = vec![ID.get()];
                file.read(&mut [0; 2]).await.unwrap();
                seen.push(ID.get());
                file.write_all(b"1").await.unwrap();
                file.flush().await.unwrap();
                seen.push(ID.get());
                file.seek(SeekFrom::Start(0)).await.unwrap();
                file.sync_all().await.unwrap();
                fs::metadata(&path).await.unwrap();
                seen.push(ID.get());
                seen
            });
            (outer, inner.await, ID.get())
        });
        let (outer, seen, after) = runtime.block_on(task).unwrap();
        assert_eq!((outer, after), (id, id));
        assert_eq!(seen, [Some(7); 4]);
    });
}

/// C-48, C-90: a call that the system does not end keeps no frame of a task that has given it up;
/// here the read of an empty pipe.
#[cfg(unix)]
#[test]
fn c48_a_call_that_does_not_end_keeps_no_frame() {
    use std::os::fd::OwnedFd;
    use std::pin::pin;

    static REQUEST: ContextVar<Arc<u8>> = ContextVar::new("request");
    everywhere(|runtime, _| {
        let (reads, writes) = std::io::pipe().unwrap();
        let mut file = fs::File::from(OwnedFd::from(reads));
        let value = Arc::new(7);
        REQUEST.run(Arc::clone(&value), || {
            let _entered = runtime.enter();
            let mut bytes = [0; 8];
            let mut read = pin!(file.read(&mut bytes));
            assert!(framewise_test_support::poll_once(&mut read, Waker::noop()).is_pending());
        });
        assert_eq!(Arc::strong_count(&value), 1);
        drop(writes);
        assert_eq!(runtime.block_on(file.read(&mut [0; 8])).unwrap(), 0);
    });
}
