//! The standard streams. Each test runs itself in a process whose streams are pipes, where a
//! variable is set, and the code under test uses the process's own streams.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::env;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use framewise::io::{stderr, stdin, stdout};
use framewise::runtime::is_rt_shutdown_err;
use framewise::{ContextVar, spawn};
use framewise_test_support::{
    HangWatch, ID, at_once, give_up, occupy_pool, one_pool_thread, runtime,
};

const INSIDE: &str = "FRAMEWISE_STDIO";

/// Returns `true` in the process that [`start`] has started for a test.
fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Starts a test in its own process, whose output is what the test writes (and the harness's).
fn start(test: &str, errors: impl Into<Stdio>) -> (Child, HangWatch) {
    let watch = HangWatch::new("a standard stream");
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--quiet"])
        .env(INSIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .unwrap();
    (child, watch)
}

/// Waits for the process, and returns its output and errors.
fn finish(child: Child) -> (String, String) {
    let output = child.wait_with_output().unwrap();
    let texts = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{texts:?}");
    let [out, err] = texts;
    (out, err)
}

#[test]
fn what_comes_in_goes_out() {
    if is_inside() {
        return runtime(2).block_on(async {
            let (mut input, mut output, mut errors) = (stdin(), stdout(), stderr());
            assert_eq!((input.as_raw_fd(), output.as_fd().as_raw_fd()), (0, 1));
            assert_eq!(errors.as_raw_fd(), 2);
            let mut bytes = [0; 4];
            assert_eq!(input.read(&mut []).await.unwrap(), 0);
            loop {
                let count = input.read(&mut bytes).await.unwrap();
                if count == 0 {
                    break;
                }
                output.write_all(&bytes[..count]).await.unwrap();
                errors.write_all(b".").await.unwrap();
                assert_eq!(output.write(&[]).await.unwrap(), 0);
            }
            output.flush().await.unwrap();
            output.flush().await.unwrap();
            errors.flush().await.unwrap();
        });
    }
    let (mut child, _watch) = start("what_comes_in_goes_out", Stdio::piped());
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"hello world, without a line's end")
        .unwrap();
    drop(input);
    let (output, errors) = finish(child);
    assert!(
        output.contains("hello world, without a line's end"),
        "{output}"
    );
    assert!(errors.contains("........"), "{errors}");
}

#[test]
fn the_traits_of_tokio_and_of_futures_io() {
    if is_inside() {
        return runtime(2).block_on(async {
            let (mut input, mut output, mut errors) = (stdin(), stdout(), stderr());
            let mut bytes = [0; 3];
            tokio::io::AsyncReadExt::read_exact(&mut input, &mut bytes)
                .await
                .unwrap();
            let pieces = [&b"<"[..], &bytes, b">"].map(std::io::IoSlice::new);
            let written = tokio::io::AsyncWriteExt::write_vectored(&mut output, &pieces).await;
            assert_eq!(written.unwrap(), 5);
            tokio::io::AsyncWriteExt::shutdown(&mut output)
                .await
                .unwrap();
            let mut rest = Vec::new();
            futures::AsyncReadExt::read_to_end(&mut input, &mut rest)
                .await
                .unwrap();
            futures::AsyncWriteExt::write_all(&mut errors, &rest)
                .await
                .unwrap();
            futures::AsyncWriteExt::close(&mut errors).await.unwrap();
        });
    }
    let (mut child, _watch) = start("the_traits_of_tokio_and_of_futures_io", Stdio::piped());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"onetwothree")
        .unwrap();
    let (output, errors) = finish(child);
    assert!(output.contains("<one>"), "{output}");
    assert!(errors.contains("twothree"), "{errors}");
}

/// The parent writes when it hears that the read was dropped.
#[test]
fn c48_a_dropped_read_loses_nothing_and_keeps_no_frame() {
    static REQUEST: ContextVar<Arc<u8>> = ContextVar::new("request");
    if is_inside() {
        let runtime = runtime(2);
        let value = Arc::new(7);
        let mut input = stdin();
        REQUEST.run(Arc::clone(&value), || {
            let _entered = runtime.enter();
            let mut bytes = [0; 8];
            give_up(input.read(&mut bytes));
        });
        assert_eq!(Arc::strong_count(&value), 1);
        let task = runtime.spawn(ID.scope(5, async move {
            let answers = spawn(async {
                let mut output = stdout();
                output.write_all(b"dropped\n").await.unwrap();
                output.flush().await.unwrap();
            });
            answers.await.unwrap();
            let mut bytes = [0; 2];
            assert_eq!(input.read(&mut bytes).await.unwrap(), 2);
            assert_eq!(&bytes, b"he");
            assert_eq!(input.read(&mut [0; 64]).await.unwrap(), 3);
            assert_eq!(ID.get(), Some(5));
        }));
        return runtime.block_on(task).unwrap();
    }
    let name = "c48_a_dropped_read_loses_nothing_and_keeps_no_frame";
    let (mut child, _watch) = start(name, Stdio::inherit());
    let mut heard = Vec::new();
    while !heard.ends_with(b"dropped\n") {
        let mut byte = [0];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut byte)
            .unwrap();
        heard.extend(byte);
    }
    child.stdin.as_mut().unwrap().write_all(b"hello").unwrap();
    finish(child);
}

#[test]
fn what_was_accepted_is_written_although_the_runtime_ends() {
    if is_inside() {
        let runtime = one_pool_thread(1);
        let (release, _) = occupy_pool(&runtime);
        let handle = runtime.handle().clone();
        let mut errors = stderr();
        {
            let _entered = handle.enter();
            assert_eq!(at_once(errors.write(b"accepted")).unwrap(), 8);
            // The next ones wait, and take nothing.
            give_up(errors.write(b"lost"));
            give_up(errors.write_all(b"lost"));
            give_up(errors.flush());
        }
        runtime.shutdown_background();
        {
            let _entered = handle.enter();
            at_once(errors.write(b"lost")).unwrap_err();
            let error = at_once(errors.write(b"lost")).unwrap_err();
            assert!(is_rt_shutdown_err(&error), "{error}");
            let error = at_once(stdin().read(&mut [0; 8])).unwrap_err();
            assert!(is_rt_shutdown_err(&error), "{error}");
        }
        let error = at_once(stdout().write(b"lost")).unwrap_err();
        assert!(error.to_string().contains("no runtime here"), "{error}");
        return drop(release);
    }
    let name = "what_was_accepted_is_written_although_the_runtime_ends";
    let (child, _watch) = start(name, Stdio::piped());
    let (output, errors) = finish(child);
    assert!(errors.contains("accepted"), "{errors}");
    assert!(!errors.contains("lost") && !output.contains("lost"));
}

/// Of a `write_all` that is dropped, the piece that was accepted is written.
#[test]
fn a_dropped_write_all_has_written_some() {
    const PIECE: usize = 2 << 20;
    if is_inside() {
        let runtime = one_pool_thread(1);
        let (release, _) = occupy_pool(&runtime);
        let mut errors = stderr();
        {
            let _entered = runtime.enter();
            let bytes = vec![b'+'; PIECE + 1];
            give_up(errors.write_all(&bytes));
        }
        drop(release);
        return runtime.block_on(errors.flush()).unwrap();
    }
    let (child, _watch) = start("a_dropped_write_all_has_written_some", Stdio::piped());
    let (_, errors) = finish(child);
    assert_eq!(errors.matches('+').count(), PIECE);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_of_the_next_operation() {
    if is_inside() {
        return runtime(1).block_on(async {
            let mut errors = stderr();
            errors.write_all(b"accepted").await.unwrap();
            let error = errors.flush().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            errors.flush().await.unwrap();
            errors.write_all(b"accepted").await.unwrap();
            let error = errors.write(b"not accepted").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        });
    }
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (child, _watch) = start("a_full_disk_is_an_error_of_the_next_operation", full);
    finish(child);
}
