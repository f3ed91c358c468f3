//! The I/O traits of tokio and of futures-io.

use std::fs as std_fs;
use std::io::{IoSlice, SeekFrom};

use framewise_test_support::on_workers;

use crate::{Directory, open};

#[test]
fn the_traits_of_tokio() {
    use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.file("");
        runtime.block_on(async {
            let mut file = open(&path).await;
            let buffers = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
            assert!(tokio::io::AsyncWrite::is_write_vectored(&file));
            let count = AsyncWriteExt::write_vectored(&mut file, &buffers).await;
            assert_eq!(count.unwrap(), 11);
            AsyncWriteExt::write_all(&mut file, b"!").await.unwrap();
            AsyncWriteExt::shutdown(&mut file).await.unwrap();
            assert_eq!(std_fs::read(&path).unwrap(), b"hello world!");
            AsyncSeekExt::rewind(&mut file).await.unwrap();
            let mut read = String::new();
            let count = AsyncReadExt::read_to_string(&mut file, &mut read).await;
            assert_eq!((count.unwrap(), &*read), (12, "hello world!"));
            assert_eq!(
                AsyncSeekExt::seek(&mut file, SeekFrom::Current(-6))
                    .await
                    .unwrap(),
                6
            );
            let mut word = [0; 5];
            AsyncReadExt::read_exact(&mut file, &mut word)
                .await
                .unwrap();
            assert_eq!(&word, b"world");

            // Through a buffered reader, which writes past its buffer.
            let mut buffered = BufReader::new(open(&directory.file("")).await);
            AsyncWriteExt::write_all(&mut buffered, b"hello world")
                .await
                .unwrap();
            let position = AsyncSeekExt::seek(&mut buffered, SeekFrom::Current(-5)).await;
            assert_eq!(position.unwrap(), 6);
            let mut rest = Vec::new();
            AsyncReadExt::read_to_end(&mut buffered, &mut rest)
                .await
                .unwrap();
            assert_eq!(rest, b"world");
        });
    });
}

#[test]
fn the_traits_of_futures_io() {
    use futures::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
    on_workers(|runtime| {
        let directory = Directory::new();
        let path = directory.file("");
        runtime.block_on(async {
            let mut file = open(&path).await;
            let buffers = [IoSlice::new(b"hello "), IoSlice::new(b"world")];
            let count = AsyncWriteExt::write_vectored(&mut file, &buffers).await;
            assert_eq!(count.unwrap(), 11);
            AsyncWriteExt::flush(&mut file).await.unwrap();
            assert_eq!(
                AsyncSeekExt::seek(&mut file, SeekFrom::Start(6))
                    .await
                    .unwrap(),
                6
            );
            let mut rest = Vec::new();
            AsyncReadExt::read_to_end(&mut file, &mut rest)
                .await
                .unwrap();
            assert_eq!(rest, b"world");
            AsyncWriteExt::write_all(&mut file, b"!").await.unwrap();
            AsyncWriteExt::close(&mut file).await.unwrap();
            assert_eq!(std_fs::read(&path).unwrap(), b"hello world!");
        });
    });
}
