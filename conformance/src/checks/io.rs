//! Contract, "Wakes, time, I/O": C-50, C-56 and C-59, as far as they are about I/O.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use framewise_context::{Frame, bind};
use futures::channel::oneshot;
use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::time_io::{LOST_AT_A_WAKE, NOT_CARRIED, THE_DRIVERS, never};
use crate::check_context::CheckContext;
use crate::check_result::{CheckError, CheckResult, Failure, ensure, expect, expect_entries};
use crate::executor::{BoxFuture, Duplex, Executor, Listener};
use crate::support::{DropTracker, ID, KEPT, Log, eventually, logging_waker};

/// The checks of this chapter.
#[doc(hidden)]
#[macro_export]
macro_rules! __io_checks {
    ({ $($callback:tt)* } $arguments:tt) => {
        $($callback)*! { $arguments io:
            c50_a_socket_calls_a_waker_in_the_frame_that_registered_it
            c56_a_pooled_socket_used_by_a_second_request_sees_the_second
            c59_an_accept_loop_and_its_connections_see_their_own_frames
        }
    };
}

pub(super) type Connection = Box<dyn Duplex>;

pub(super) fn listen(
    executor: &Arc<dyn Executor>,
) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
    executor.net().expect("the check requires I/O").listen()
}

fn connect(
    executor: &Arc<dyn Executor>,
    address: SocketAddr,
) -> BoxFuture<'static, io::Result<Connection>> {
    executor
        .net()
        .expect("the check requires I/O")
        .connect(address)
}

/// Returns the failure of an I/O error, which is not about frames.
pub(super) fn refused(error: io::Error) -> CheckError {
    Failure::new("TCP on the loopback device", error.to_string(), "").into()
}

/// Both ends of a connection.
pub(super) async fn connection(
    executor: &Arc<dyn Executor>,
) -> Result<(Connection, Connection), CheckError> {
    let listener = listen(executor).await.map_err(refused)?;
    let (near, far) = futures::join!(connect(executor, listener.address()), listener.accept());
    Ok((near.map_err(refused)?, far.map_err(refused)?))
}

pub(crate) fn c50_a_socket_calls_a_waker_in_the_frame_that_registered_it(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let frame = |id| ID.run(id, Frame::current);
    for (what, first, last, id) in [
        ("registered under 10", None, frame(10), Some(10)),
        (
            "registered under 11, then 12",
            Some(frame(11)),
            frame(12),
            Some(12),
        ),
        ("registered at the root", None, Frame::root(), None),
    ] {
        let seen = check.block_on(called_by_a_socket(check.executor(), first, &last))?;
        expect(
            &format!("ID in a waker that a socket calls, {what}"),
            id,
            seen,
            &[
                (None, THE_DRIVERS),
                (
                    check.id(),
                    "called in the frame of the thread that drives the sockets",
                ),
                (
                    Some(11),
                    "the frame stays the one of the first registration by the same waker",
                ),
            ],
        )?;
    }
    Ok(())
}

/// Returns `ID` in an external waker that a socket calls; `last` registers it, perhaps after
/// `first`.
async fn called_by_a_socket(
    executor: &Arc<dyn Executor>,
    first: Option<Frame>,
    last: &Frame,
) -> Result<Option<u64>, CheckError> {
    let (mut near, mut far) = connection(executor).await?;
    let (waker, log) = logging_waker();
    for frame in first.iter().chain([last]) {
        let pending = frame.run(|| reads_nothing(&mut near, &waker));
        ensure(
            pending,
            "a read waits where nothing was sent",
            "it is ready",
            "",
        )?;
    }
    far.write_all(b"a").await.map_err(refused)?;
    eventually(|| !log.entries().is_empty()).await;
    let called = log.find("woken");
    called.ok_or_else(|| never("a socket calls the waker that it was polled with"))
}

pub(super) fn reads_nothing(stream: &mut Connection, waker: &Waker) -> bool {
    let cx = &mut Context::from_waker(waker);
    Pin::new(stream).poll_read(cx, &mut [0]).is_pending()
}

fn in_pool(pool: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers each byte with its successor, until the peer closes.
async fn answer(mut stream: Connection) {
    let mut byte = [0];
    while stream.read_exact(&mut byte).await.is_ok() {
        byte[0] += 1;
        if stream.write_all(&byte).await.is_err() {
            break;
        }
    }
}

pub(crate) fn c56_a_pooled_socket_used_by_a_second_request_sees_the_second(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let (near, far) = check.block_on(connection(check.executor()))?;
    let server = check.spawn_root(answer(far));
    let pool = Arc::new(Mutex::new(Some(near)));
    for number in [10, 11, 12] {
        let request = {
            let pool = Arc::clone(&pool);
            async move {
                let log = Log::new();
                let Some(mut stream) = in_pool(&pool).take() else {
                    return log;
                };
                for byte in 0..3 {
                    if stream.write_all(&[byte]).await.is_err() {
                        return log;
                    }
                    log.record("after a write to a pooled socket");
                    let mut answer = [0];
                    if stream.read_exact(&mut answer).await.is_err() || answer != [byte + 1] {
                        return log;
                    }
                    log.record("after a read from a pooled socket");
                }
                *in_pool(&pool) = Some(stream);
                log
            }
        };
        let (token, tracker) = DropTracker::new();
        let frame = bind(&ID, number).and(&KEPT, token).frame();
        let log = if number == 12 {
            // With the waker of block_on instead of a task's.
            check.block_on(frame.clone().scope(request))
        } else {
            let request = frame.run(|| check.spawn(request));
            check.block_on(request.output())?
        };
        drop(frame);
        ensure(
            check.block_on(eventually(|| tracker.is_dropped())),
            "a request's values are freed at its end, though the socket that it used lives on",
            &format!("the values of the request under {number} are still held"),
            "the socket keeps the last waker, and the frame in which it was registered: release              both when the wait is over",
        )?;
        let both = [
            ("after a write to a pooled socket", Some(number)),
            ("after a read from a pooled socket", Some(number)),
        ];
        expect_entries(
            &log.entries(),
            &both.repeat(3),
            &[
                (None, LOST_AT_A_WAKE),
                (
                    Some(number - 1),
                    "the frame of the socket's last user is kept",
                ),
                (Some(10), "the frame of the socket's first user is kept"),
                (check.id(), "polled in the frame of the thread that drives"),
            ],
        )?;
    }
    drop(in_pool(&pool).take());
    check.block_on(server.output())
}

/// Accepts two connections, and serves each in its own frame: 20 and 21.
async fn serve(check: CheckContext, log: Log, address: oneshot::Sender<SocketAddr>) -> CheckResult {
    let listener = listen(check.executor()).await.map_err(refused)?;
    // The client may have been dropped: then no connection comes.
    let _ = address.send(listener.address());
    for number in [20, 21] {
        let mut stream = listener.accept().await.map_err(refused)?;
        log.record("in the accept loop, after accept");
        let serves = async move {
            let mut byte = [0];
            stream.read_exact(&mut byte).await.map_err(refused)?;
            let seen = ID.get();
            stream
                .write_all(&[seen.unwrap_or(0) as u8])
                .await
                .map_err(refused)
        };
        ID.run(number, || check.spawn(serves)).output().await??;
        log.record("in the accept loop, after a connection");
    }
    Ok(())
}

pub(crate) fn c59_an_accept_loop_and_its_connections_see_their_own_frames(
    check: &CheckContext,
) -> CheckResult {
    check.net()?;
    let (server_log, client_log) = (Log::new(), Log::new());
    let (sender, address) = oneshot::channel();
    let server = ID.run(10, || {
        check.spawn(serve(check.clone(), server_log.clone(), sender))
    });
    let client = {
        let (executor, log) = (Arc::clone(check.executor()), client_log.clone());
        async move {
            let address = address.await.map_err(|_| never("a listener listens"))?;
            let mut served = Vec::new();
            for _ in 0..2 {
                let mut stream = connect(&executor, address).await.map_err(refused)?;
                log.record("in the client, after connect");
                stream.write_all(&[1]).await.map_err(refused)?;
                let mut byte = [0];
                stream.read_exact(&mut byte).await.map_err(refused)?;
                log.record("in the client, after a read");
                served.push(byte[0]);
            }
            Ok::<_, CheckError>(served)
        }
    };
    let served = check.block_on(async {
        let client = ID.run(30, || check.spawn(client));
        let served = client.output().await??;
        server.output().await??;
        Ok::<_, CheckError>(served)
    })?;
    let causes = [
        (
            None,
            "the frame is lost where the socket wakes the task, or none is carried (C-25)",
        ),
        (
            Some(20),
            "the frame of the connection that was served is left behind",
        ),
        (
            Some(21),
            "the frame of the connection that was served is left behind",
        ),
        (check.id(), "polled in the frame of the thread that drives"),
    ];
    let (accepted, served_one) = (
        "in the accept loop, after accept",
        "in the accept loop, after a connection",
    );
    let loops = [(accepted, Some(10)), (served_one, Some(10))].repeat(2);
    expect_entries(&server_log.entries(), &loops, &causes)?;
    let (connected, read) = (
        "in the client, after connect",
        "in the client, after a read",
    );
    let client = [(connected, Some(30)), (read, Some(30))].repeat(2);
    expect_entries(&client_log.entries(), &client, &causes)?;
    expect(
        "ID in the tasks that serve a connection, spawned under 20 and 21 (0: unbound)",
        vec![20, 21],
        served,
        &[
            (vec![0, 0], NOT_CARRIED),
            (
                vec![10, 10],
                "the accept loop's frame is captured, not the current one",
            ),
        ],
    )
}
