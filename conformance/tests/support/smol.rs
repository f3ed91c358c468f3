//! smol's parts: async-executor on two threads, async-io, blocking; wrapped or bare.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_executor::{LocalExecutor, Task};
use async_io::{Async, Timer};
use framewise_conformance::{
    Blocking, BoxFuture, BoxStream, Duplex, Executor, JoinHandle, Joining, Listener, Local,
    LocalBoxFuture, Net, Output, Shutdown, Timers,
};
use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::{FutureExt, StreamExt};

use crate::support::wrapping::Wrapping;
use crate::support::wrapping::joining::{Cancelling, Joined};

/// An executor that two threads run.
pub(crate) struct Smol {
    wrapping: Wrapping,
    running: Mutex<Option<Running>>,
}

const WORKERS: usize = 2;

type Tasks = async_executor::Executor<'static>;

struct Running {
    tasks: Arc<Tasks>,
    threads: Vec<thread::JoinHandle<()>>,
    /// The threads stop when it is dropped.
    stop: oneshot::Sender<()>,
}

impl Running {
    fn start() -> Self {
        let tasks = Arc::new(Tasks::new());
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = stopped.map(drop).shared();
        let thread = |_| {
            let (tasks, stopped) = (Arc::clone(&tasks), stopped.clone());
            thread::spawn(move || {
                let run = || async_io::block_on(tasks.run(stopped.clone()));
                // Like smol's own threads: goes on after a task's panic.
                while catch_unwind(AssertUnwindSafe(run)).is_err() {}
            })
        };
        Self {
            threads: (0..WORKERS).map(thread).collect(),
            tasks,
            stop,
        }
    }
}

impl Smol {
    pub(crate) fn new(wrapping: Wrapping) -> Self {
        Self {
            wrapping,
            running: Mutex::new(Some(Running::start())),
        }
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> Option<Arc<Tasks>> {
        let running = self.running();
        running.as_ref().map(|running| Arc::clone(&running.tasks))
    }
}

thread_local! {
    /// The executor of this thread's local tasks while it is in `block_on`.
    static LOCAL: RefCell<Option<Rc<LocalExecutor<'static>>>> = const { RefCell::new(None) };
}

/// Restores the previous value of `LOCAL`.
struct Restore(Option<Rc<LocalExecutor<'static>>>);

impl Drop for Restore {
    fn drop(&mut self) {
        LOCAL.set(self.0.take());
    }
}

impl Executor for Smol {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // After shutdown the task is dropped.
        if let Some(tasks) = self.tasks() {
            tasks.spawn(self.wrapping.task(task)).detach();
        }
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        let local = Rc::new(LocalExecutor::new());
        let _restore = Restore(LOCAL.replace(Some(Rc::clone(&local))));
        async_io::block_on(local.run(future));
    }

    fn workers(&self) -> usize {
        WORKERS
    }

    fn survives_panicking_destructors(&self) -> bool {
        // async-task aborts the process.
        false
    }

    fn joining(&self) -> Option<&dyn Joining> {
        Some(self)
    }

    fn local(&self) -> Option<&dyn Local> {
        Some(self)
    }

    fn timers(&self) -> Option<&dyn Timers> {
        Some(self)
    }

    fn blocking(&self) -> Option<&dyn Blocking> {
        Some(self)
    }

    fn net(&self) -> Option<&dyn Net> {
        Some(self)
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        Some(self)
    }
}

impl Joining for Smol {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        let tasks = self.tasks().expect("it has not been shut down");
        Joined::boxed(tasks.spawn(self.wrapping.task(task)))
    }
}

impl Cancelling for Task<Output> {
    fn detach(self) {
        Task::detach(self);
    }
}

impl Local for Smol {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        let local = LOCAL.with_borrow(Option::clone);
        let local = local.expect("called by a future that `block_on` runs");
        local.spawn(self.wrapping.local(task)).detach();
    }
}

impl Timers for Smol {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            Timer::after(duration).await;
        })
    }

    fn timeout(
        &self,
        duration: Duration,
        future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, bool>> {
        Some(Box::pin(async move {
            let limit = Timer::after(duration);
            matches!(select(future, limit).await, Either::Left(_))
        }))
    }

    fn interval(&self, period: Duration) -> Option<BoxStream<'static, ()>> {
        Some(Box::pin(StreamExt::map(Timer::interval(period), drop)))
    }
}

impl Blocking for Smol {
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle> {
        Joined::boxed(blocking::unblock(self.wrapping.call(call)))
    }
}

impl Net for Smol {
    fn listen(&self) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async {
            let listener = Async::<TcpListener>::bind((Ipv4Addr::LOCALHOST, 0))?;
            let address = listener.get_ref().local_addr()?;
            Ok(Box::new(Accepts { listener, address }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        Box::pin(async move {
            let stream = Async::<TcpStream>::connect(address).await?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
    }
}

struct Accepts {
    listener: Async<TcpListener>,
    address: SocketAddr,
}

impl Listener for Accepts {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>> {
        Box::pin(async { Ok(Box::new(self.listener.accept().await?.0) as Box<dyn Duplex>) })
    }
}

impl Shutdown for Smol {
    fn shut_down(&self) {
        let running = self.running().take();
        if let Some(Running {
            tasks,
            threads,
            stop,
        }) = running
        {
            drop(stop);
            for thread in threads {
                thread.join().expect("its loop catches panics");
            }
            // Drops the remaining tasks.
            drop(tasks);
        }
    }
}
