//! tokio's multi-threaded runtime, as its users use it: by the functions of
//! `framewise_context::tokio`, or bare.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use framewise_conformance::{
    Blocking, BoxFuture, BoxStream, Duplex, Ended, Executor, JoinHandle, Joining, Listener, Local,
    LocalBoxFuture, Net, Output, Shutdown, Timers,
};
use framewise_context::tokio as context;
use futures::stream;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{self, LocalSet};
use tokio::time;
use tokio_util::compat::TokioAsyncReadCompatExt;

use crate::support::wrapping::Wrapping;

/// A runtime with two workers.
pub(crate) struct Tokio {
    wrapping: Wrapping,
    runtime: Mutex<Option<Runtime>>,
    handle: Handle,
}

const WORKERS: usize = 2;
const BLOCKING_THREADS: usize = 4;

impl Tokio {
    pub(crate) fn new(wrapping: Wrapping) -> Self {
        Self::with_builder(Builder::new_multi_thread(), wrapping)
    }

    /// A runtime whose hooks carry the frames of bare tasks.
    #[cfg(tokio_unstable)]
    pub(crate) fn with_hooks() -> Self {
        let mut builder = Builder::new_multi_thread();
        context::install(&mut builder);
        Self::with_builder(builder, Wrapping::Bare)
    }

    fn with_builder(mut builder: Builder, wrapping: Wrapping) -> Self {
        let runtime = builder
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_all()
            .build()
            .expect("a runtime can be started");
        Self {
            wrapping,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(runtime)),
        }
    }

    fn start<T: Send + 'static>(&self, task: BoxFuture<'static, T>) -> task::JoinHandle<T> {
        match self.wrapping {
            Wrapping::Wrapped => context::spawn_on(task, &self.handle),
            Wrapping::Bare => self.handle.spawn(task),
        }
    }

    fn runtime(&self) -> Option<Runtime> {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.take()
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        // A task may hold the last reference, and must not wait for its own end.
        if let Some(runtime) = self.runtime() {
            runtime.shutdown_background();
        }
    }
}

impl Executor for Tokio {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.start(task));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.handle.block_on(LocalSet::new().run_until(future));
    }

    fn workers(&self) -> usize {
        WORKERS
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

impl Joining for Tokio {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        Box::new(Joined(self.start(task)))
    }
}

struct Joined(task::JoinHandle<Output>);

impl JoinHandle for Joined {
    fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>> {
        Box::pin(async {
            self.0.await.map_err(|error| Ended {
                panic: error.try_into_panic().ok(),
                frame: None,
            })
        })
    }

    fn abort(&mut self) -> bool {
        self.0.abort();
        true
    }
}

impl Local for Tokio {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        drop(match self.wrapping {
            Wrapping::Wrapped => context::spawn_local(task),
            Wrapping::Bare => task::spawn_local(task),
        });
    }
}

impl Timers for Tokio {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(time::sleep(duration))
    }

    fn timeout(
        &self,
        duration: Duration,
        future: BoxFuture<'static, ()>,
    ) -> Option<BoxFuture<'static, bool>> {
        Some(Box::pin(async move {
            time::timeout(duration, future).await.is_ok()
        }))
    }

    fn interval(&self, period: Duration) -> Option<BoxStream<'static, ()>> {
        Some(Box::pin(stream::unfold(
            time::interval(period),
            |mut ticks| async {
                ticks.tick().await;
                Some(((), ticks))
            },
        )))
    }
}

impl Blocking for Tokio {
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle> {
        let _entered = self.handle.enter();
        Box::new(Joined(match self.wrapping {
            Wrapping::Wrapped => context::spawn_blocking(call),
            Wrapping::Bare => task::spawn_blocking(call),
        }))
    }

    fn threads_max(&self) -> Option<usize> {
        Some(BLOCKING_THREADS)
    }

    fn block_in_place(&self, call: &mut dyn FnMut()) -> bool {
        task::block_in_place(call);
        true
    }
}

impl Net for Tokio {
    fn listen(&self) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            Ok(Box::new(Accepts { listener, address }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::new(stream.compat()) as Box<dyn Duplex>)
        })
    }
}

struct Accepts {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener for Accepts {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn accept(&self) -> BoxFuture<'_, io::Result<Box<dyn Duplex>>> {
        Box::pin(async {
            let (stream, _) = self.listener.accept().await?;
            Ok(Box::new(stream.compat()) as Box<dyn Duplex>)
        })
    }
}

impl Shutdown for Tokio {
    fn shut_down(&self) {
        drop(self.runtime());
    }
}
