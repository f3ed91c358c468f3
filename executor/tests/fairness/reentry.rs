//! Wakers and destructors that call back into the runtime.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use framewise::net::Interest;
use framewise::time::{Instant, set_interval, set_timeout, sleep};
use framewise::{ContextVar, spawn};
use framewise_test_support::{DropCall, ID, call_waker, on_drop, on_workers, pause, poll_once};

use crate::{TICK, connection};

/// Calls back into all parts of the runtime.
fn call_back(abort: Option<&framewise::task::AbortHandle>, wakers: &Mutex<Vec<Waker>>) {
    let timer = set_timeout(Duration::from_secs(3_600), || ());
    drop(spawn(sleep(TICK)));
    drop(framewise::spawn_blocking(|| ()));
    if let Some(abort) = abort {
        abort.abort();
    }
    let wakers: Vec<_> = wakers.lock().unwrap().drain(..).collect();
    wakers.iter().for_each(Waker::wake_by_ref);
    let mut asleep = sleep(Duration::from_secs(3_600));
    assert!(poll_once(&mut asleep, Waker::noop()).is_pending());
    asleep.reset(Instant::now() + TICK);
    timer.cancel();
}

/// "User code under a lock", tokio 1886, 8529, 8552 and others: foreign wakers that call back when
/// timers, sockets and joined tasks wake, clone or drop them.
#[test]
fn wakers_that_call_back_into_the_runtime_meet_no_lock() {
    on_workers(|runtime| {
        let _entered = runtime.enter();
        let (stream, mut peer) = runtime.block_on(connection());
        for _ in 0..50 {
            let handle = runtime.handle().clone();
            let (called, is_called) = mpsc::channel();
            let called = Mutex::new(called);
            let (parked, is_parked) = mpsc::channel();
            let parked_task = runtime.spawn(pause(move |own| parked.send(own.clone()).unwrap()));
            let own = is_parked.recv().unwrap();
            let wakers = Arc::new(Mutex::new(vec![own.clone(), own]));
            let abort = parked_task.abort_handle();
            let at_drop = {
                let (handle, wakers) = (handle.clone(), Arc::clone(&wakers));
                on_drop(move || {
                    let _entered = handle.enter();
                    call_back(None, &wakers);
                })
            };
            let waker = call_waker(move || {
                let _keep = &at_drop;
                let _entered = handle.enter();
                call_back(Some(&abort), &wakers);
                let _ = called.lock().unwrap().send(());
            });
            // A timer that fires, a timer that is cancelled, a timer whose waker is replaced; a
            // socket; a joined task, a detached task, and a task whose join waker is replaced.
            let hour = Duration::from_secs(3_600);
            let (mut fires, mut cancelled, mut replaced) = (sleep(hour), sleep(hour), sleep(hour));
            assert!(poll_once(&mut fires, &waker).is_pending());
            assert!(poll_once(&mut cancelled, &waker).is_pending());
            assert!(ID.run(1, || poll_once(&mut replaced, &waker)).is_pending());
            assert!(ID.run(2, || poll_once(&mut replaced, &waker)).is_pending());
            assert!(poll_once(&mut replaced, Waker::noop()).is_pending());
            drop(cancelled);
            let mut joined = runtime.spawn(sleep(hour));
            let mut swapped = runtime.spawn(sleep(hour));
            let mut detached = runtime.spawn(sleep(TICK));
            assert!(poll_once(&mut joined, &waker).is_pending());
            assert!(poll_once(&mut swapped, &waker).is_pending());
            assert!(poll_once(&mut swapped, Waker::noop()).is_pending());
            let _ = poll_once(&mut detached, &waker);
            drop(detached);
            let mut cx = std::task::Context::from_waker(&waker);
            if stream.poll_read_ready(&mut cx).is_pending() {
                peer.write_all(b"a").unwrap();
                is_called.recv().unwrap();
            }
            let mut byte = [0];
            while let Ok(1) = stream.try_read(&mut byte) {}
            fires.reset(Instant::now() + TICK);
            is_called.recv().unwrap();
            joined.abort();
            is_called.recv().unwrap();
            swapped.abort();
            drop(waker);
            drop((fires, replaced, parked_task));
        }
    });
}

/// The same for destructors: of futures, outputs, values of frames and callbacks, for all kinds of
/// drops.
#[test]
fn destructors_that_call_back_into_the_runtime_meet_no_lock() {
    static CALL: ContextVar<DropCall> = ContextVar::new("call");

    on_workers(|runtime| {
        for _ in 0..20 {
            let count = Arc::new(AtomicUsize::new(0));
            let bomb = || {
                let (handle, count) = (runtime.handle().clone(), Arc::clone(&count));
                on_drop(move || {
                    let _entered = handle.enter();
                    call_back(None, &Mutex::default());
                    count.fetch_add(1, Ordering::SeqCst);
                })
            };
            let _entered = runtime.enter();
            let (a, b, c, d, e) = (bomb(), bomb(), bomb(), bomb(), bomb());
            // A future that is ready, an output, a frame's value, an aborted task, a queued call.
            let tasks = [
                runtime.spawn(async move { drop(a) }),
                CALL.run(b, || runtime.spawn(async {})),
                runtime.spawn(async move {
                    let _c = c;
                    std::future::pending::<()>().await;
                }),
            ];
            drop(runtime.spawn(async move { d }));
            tasks[2].abort();
            let call = runtime.spawn_blocking(move || drop(e));
            // Callbacks that have fired, that are cancelled from outside, and that cancel
            // themselves.
            let (f, g, h) = (bomb(), bomb(), bomb());
            set_timeout(TICK, move || drop(f));
            set_timeout(Duration::MAX, move || drop(g)).cancel();
            let own: Arc<Mutex<Option<framewise::time::TimerCallback>>> = Arc::default();
            let slot = Arc::clone(&own);
            let repeated = set_interval(TICK, move || {
                let _h = &h;
                if let Some(own) = slot.lock().unwrap().take() {
                    own.cancel();
                }
            });
            *own.lock().unwrap() = Some(repeated);
            // A socket's callback, cancelled and dropped with its socket.
            let (stream, peer) = runtime.block_on(connection());
            let (i, j) = (bomb(), bomb());
            let cancelled = stream
                .on_ready(Interest::READABLE, move |_| {
                    let _i = &i;
                })
                .unwrap();
            let left = stream
                .on_ready(Interest::WRITABLE, move |_| {
                    let _j = &j;
                })
                .unwrap();
            cancelled.cancel();
            drop((stream, peer, left));
            runtime.block_on(async {
                for task in tasks {
                    let _ = task.await;
                }
                call.await.unwrap();
            });
            while count.load(Ordering::SeqCst) < 10 {
                thread::yield_now();
            }
        }
    });
}
