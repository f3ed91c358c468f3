//! framewise, as its users use it, with nothing wrapped.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use framewise::net::{Interest, ReadyCallback, TcpListener, TcpStream};
use framewise::runtime::{Builder, Runtime};
use framewise::task::{self, LocalSet};
use framewise::time;
use framewise_conformance::{
    Blocking, BoxFuture, BoxStream, CallbackHandle, Duplex, Ended, Executor, JoinHandle, Joining,
    Listener, Local, LocalBoxFuture, Net, Output, PanicHook, Shutdown, Timers, UnhandledPanics,
};
use futures::stream;

/// A runtime with that many workers, or a current-thread runtime.
pub(crate) struct Framewise {
    workers: usize,
    is_current_thread: bool,
    runtime: Mutex<Option<Arc<Runtime>>>,
    handle: framewise::runtime::Handle,
    hook: Arc<Mutex<Option<PanicHook>>>,
}

impl Framewise {
    pub(crate) fn new(workers: usize) -> Self {
        Self::build(workers, Builder::new().worker_threads(workers))
    }

    #[allow(dead_code, reason = "not each suite has this subject")]
    pub(crate) fn current_thread() -> Self {
        Self {
            is_current_thread: true,
            ..Self::build(1, Builder::new_current_thread())
        }
    }

    fn build(workers: usize, builder: Builder) -> Self {
        let hook = Arc::<Mutex<Option<PanicHook>>>::default();
        let own_hook = Arc::clone(&hook);
        let runtime = builder
            .max_blocking_threads(BLOCKING_THREADS)
            .on_unhandled_panic(move |error| {
                let hook = own_hook
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if let Some(hook) = hook {
                    hook(error.frame().cloned());
                }
            })
            .build()
            .expect("a runtime can be started");
        Self {
            workers,
            is_current_thread: false,
            handle: runtime.handle().clone(),
            runtime: Mutex::new(Some(Arc::new(runtime))),
            hook,
        }
    }
}

const BLOCKING_THREADS: usize = 16;

impl Executor for Framewise {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(self.handle.spawn(task));
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        let set = LocalSet::new();
        let future = set.run_until(future);
        // The runtime's own `block_on` drives it, if it is a current-thread one.
        let runtime = Option::clone(&self.runtime.lock().unwrap_or_else(PoisonError::into_inner));
        match runtime {
            Some(runtime) => runtime.block_on(future),
            None => self.handle.block_on(future),
        }
    }

    fn spawn_root(&self, task: BoxFuture<'static, ()>) {
        drop(self.handle.spawn_root(task));
    }

    fn workers(&self) -> usize {
        self.workers
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

    fn panic_hook(&self) -> Option<&dyn UnhandledPanics> {
        Some(self)
    }

    fn shutdown(&self) -> Option<&dyn Shutdown> {
        Some(self)
    }
}

impl Joining for Framewise {
    fn spawn_joinable(&self, task: BoxFuture<'static, Output>) -> Box<dyn JoinHandle> {
        Box::new(Joined(self.handle.spawn(task)))
    }
}

struct Joined(framewise::JoinHandle<Output>);

impl JoinHandle for Joined {
    fn join(self: Box<Self>) -> BoxFuture<'static, Result<Output, Ended>> {
        Box::pin(async {
            self.0.await.map_err(|error| {
                let frame = error.frame().cloned();
                Ended {
                    panic: error.try_into_panic().ok(),
                    frame,
                }
            })
        })
    }

    fn abort(&mut self) -> bool {
        self.0.abort();
        true
    }
}

impl Local for Framewise {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        drop(task::spawn_local(task));
    }
}

impl Timers for Framewise {
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

    fn set_timeout(
        &self,
        duration: Duration,
        callback: Box<dyn FnOnce() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        Some(Arc::new(Timer(time::set_timeout(duration, callback))))
    }

    fn set_interval(
        &self,
        period: Duration,
        callback: Box<dyn FnMut() + Send>,
    ) -> Option<Arc<dyn CallbackHandle>> {
        Some(Arc::new(Timer(time::set_interval(period, callback))))
    }
}

struct Timer(time::TimerCallback);

impl CallbackHandle for Timer {
    fn cancel(&self) {
        self.0.cancel();
    }
}

impl Blocking for Framewise {
    fn spawn_blocking(&self, call: Box<dyn FnOnce() -> Output + Send>) -> Box<dyn JoinHandle> {
        Box::new(Joined(self.handle.spawn_blocking(call)))
    }

    fn threads_max(&self) -> Option<usize> {
        Some(BLOCKING_THREADS)
    }

    fn block_in_place(&self, call: &mut dyn FnMut()) -> bool {
        // It panics on the thread that drives.
        if !self.is_current_thread {
            task::block_in_place(call);
        }
        !self.is_current_thread
    }
}

impl Net for Framewise {
    fn listen(&self) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            Ok(Box::new(Accepts { listener, address }) as Box<dyn Listener>)
        })
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Duplex>>> {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Duplex>) })
    }

    fn on_readable(
        &self,
        address: SocketAddr,
        mut callback: Box<dyn FnMut() + Send>,
    ) -> Option<BoxFuture<'static, io::Result<Arc<dyn CallbackHandle>>>> {
        Some(Box::pin(async move {
            let stream = Arc::new(TcpStream::connect(address).await?);
            let reader = Arc::downgrade(&stream);
            let registered = stream.on_ready(Interest::READABLE, move |_| {
                // Calls may be spurious: call back only for data that arrived.
                let Some(stream) = reader.upgrade() else {
                    return;
                };
                while matches!(stream.try_read(&mut [0; 64]), Ok(1..)) {
                    callback();
                }
            })?;
            Ok(Arc::new(Reading {
                registered,
                _stream: stream,
            }) as Arc<dyn CallbackHandle>)
        }))
    }
}

struct Reading {
    registered: ReadyCallback,
    _stream: Arc<TcpStream>,
}

impl CallbackHandle for Reading {
    fn cancel(&self) {
        self.registered.cancel();
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
        Box::pin(async { Ok(Box::new(self.listener.accept().await?.0) as Box<dyn Duplex>) })
    }
}

impl UnhandledPanics for Framewise {
    fn set_hook(&self, hook: PanicHook) {
        *self.hook.lock().unwrap_or_else(PoisonError::into_inner) = Some(hook);
    }
}

impl Shutdown for Framewise {
    fn shut_down(&self) {
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(runtime);
    }
}
