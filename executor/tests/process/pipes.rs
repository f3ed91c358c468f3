//! The pipes of a child, by their own methods and by each family of I/O traits.

use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command as StdCommand, Stdio};

use framewise::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use framewise_test_support::{give_up, on_workers, runtime};

use crate::{both_ways, sh};

fn echo() -> Child {
    let mut cat = Command::new("cat");
    cat.stdin(Stdio::piped()).stdout(Stdio::piped());
    cat.spawn().unwrap()
}

#[test]
fn what_is_written_comes_back() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = echo();
            let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
            let mut bytes = [0; 5];
            for _ in 0..3 {
                give_up(output.read(&mut bytes));
                input.write_all(b"hello").await.unwrap();
                output.read_exact(&mut bytes).await.unwrap();
                assert_eq!(&bytes, b"hello");
            }
            drop(input);
            assert_eq!(output.read(&mut bytes).await.unwrap(), 0);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn the_traits_of_tokio() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    runtime(2).block_on(async {
        let mut child = echo();
        let mut input = child.stdin.take().unwrap();
        AsyncWriteExt::write_all(&mut input, b"hello ")
            .await
            .unwrap();
        let buffers = [IoSlice::new(b"wor"), IoSlice::new(b"ld")];
        assert!(tokio::io::AsyncWrite::is_write_vectored(&input));
        let written = AsyncWriteExt::write_vectored(&mut input, &buffers).await;
        assert_eq!(written.unwrap(), 5);
        AsyncWriteExt::flush(&mut input).await.unwrap();
        AsyncWriteExt::shutdown(&mut input).await.unwrap();
        drop(input);
        let mut read = String::new();
        let mut output = child.stdout.take().unwrap();
        AsyncReadExt::read_to_string(&mut output, &mut read)
            .await
            .unwrap();
        assert_eq!(read, "hello world");

        let mut child = sh("echo error >&2").stderr(Stdio::piped()).spawn().unwrap();
        let mut error = child.stderr.take().unwrap();
        let mut read = Vec::new();
        AsyncReadExt::read_to_end(&mut error, &mut read)
            .await
            .unwrap();
        assert_eq!(read, b"error\n");
    });
}

#[test]
fn the_traits_of_futures_io() {
    use futures::{AsyncReadExt, AsyncWriteExt};
    runtime(2).block_on(async {
        let mut child = echo();
        let mut input = child.stdin.take().unwrap();
        AsyncWriteExt::write_all(&mut input, b"hello")
            .await
            .unwrap();
        AsyncWriteExt::close(&mut input).await.unwrap();
        drop(input);
        let mut read = Vec::new();
        let mut output = child.stdout.take().unwrap();
        AsyncReadExt::read_to_end(&mut output, &mut read)
            .await
            .unwrap();
        assert_eq!(read, b"hello");
    });
}

#[test]
fn hypers_traits() {
    fn is_read<T: hyper::rt::Read>() {}
    fn is_write<T: hyper::rt::Write>() {}
    is_read::<ChildStdout>();
    is_read::<ChildStderr>();
    is_write::<ChildStdin>();
}

#[test]
fn output_that_fills_the_pipes_is_read_meanwhile() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let script = "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; exit 6";
            let output = sh(script).output().await.unwrap();
            assert_eq!(output.stdout, vec![0; 300_000]);
            assert_eq!(output.stderr, vec![0; 200_000]);
            assert_eq!(output.status.code(), Some(6));
            // What was not piped, or was taken, is empty.
            let mut child = sh("echo 1; echo 2 >&2")
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let _taken = child.stdout.take();
            let output = child.wait_with_output().await.unwrap();
            assert!(output.stdout.is_empty() && output.stderr.is_empty());
        });
    });
}

#[test]
fn a_write_to_a_child_that_was_killed_fails() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = Command::new("sleep")
                .arg("1000")
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let input = child.stdin.take().unwrap();
            let writer = framewise::spawn(async move {
                loop {
                    if let Err(error) = input.write_all(&[0; 8192]).await {
                        return error.kind();
                    }
                }
            });
            child.kill().await.unwrap();
            assert_eq!(writer.await.unwrap(), std::io::ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn a_pipe_becomes_the_stream_of_another_child() {
    on_workers(|runtime| {
        runtime.block_on(async {
            let mut echo = sh("echo hello").stdout(Stdio::piped()).spawn().unwrap();
            let hello: Stdio = echo.stdout.take().unwrap().try_into().unwrap();
            let upper = Command::new("tr")
                .args(["a-z", "A-Z"])
                .stdin(hello)
                .output();
            assert_eq!(upper.await.unwrap().stdout, b"HELLO\n");
            assert!(echo.wait().await.unwrap().success());
        });
    });
}

#[test]
fn pipes_convert_from_and_to_stds() {
    runtime(1).block_on(async {
        let mut child = StdCommand::new("sh")
            .args(["-c", "cat; echo error >&2"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap();
        let output = ChildStdout::from_std(child.stdout.take().unwrap()).unwrap();
        let error = ChildStderr::from_std(child.stderr.take().unwrap()).unwrap();
        assert_eq!(input.as_fd().as_raw_fd(), input.as_raw_fd());
        assert!(format!("{output:?}").contains("Receiver"), "{output:?}");
        input.write_all(b"hello").await.unwrap();
        // A blocking descriptor again.
        drop(input.into_owned_fd().unwrap());
        let mut read = String::new();
        let mut file = std::fs::File::from(output.into_owned_fd().unwrap());
        file.read_to_string(&mut read).unwrap();
        assert_eq!(read, "hello");
        let mut bytes = [0; 6];
        error.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"error\n");
        assert!(child.wait().unwrap().success());
    });
    let mut child = StdCommand::new("true")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let error = ChildStdin::from_std(child.stdin.take().unwrap()).unwrap_err();
    assert!(error.to_string().contains("within a runtime"), "{error}");
    child.wait().unwrap();
}
