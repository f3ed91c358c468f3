//! A kernel for models: an event queue like epoll's, with an eventfd and timers.
//!
//! Owns what an operating system promises about events, as plain data behind one lock, so that a
//! model pays for one lock per operation. It must not know the driver.
//!
//! - Each registration has at most one event in the queue. Readiness that is [raised](Peer::raise)
//!   before the event is fetched is added to it; readiness that is raised later makes a new event
//!   (edge-triggered).
//! - An event carries the token of the registration. Deregistering removes it from the queue, but
//!   an event that was fetched stays with the thread that fetched it. The number of a closed
//!   descriptor goes to the next one that is opened.
//! - A source that is already ready when it is registered has an event at once.
//! - The waker saturates: many writes are one event until it is fetched, and it is never read.
//! - Time does not pass until a model [lets it](Kernel::let_time_pass). Then every timeout expires
//!   at once. So a model chooses: never, from the start, or at some moment by a thread of its own.
//!   (If the facade's timed waits expire by themselves, as shuttle's do, so do these, and with one
//!   of them all timers that are set.)
//!
//! It is stricter than epoll in one way: an event reports what was raised and not fetched yet, and
//! never what else would not block at the time of the fetch. And it orders more than a system must:
//! a thread that fetches an event observes what was done before it was raised.

use std::io;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use framewise_sync::{Arc, Condvar, Mutex};
pub(crate) use mio::{Interest, Token};

use crate::ready::Ready;

/// The kernel of one driver.
#[derive(Clone)]
pub struct Kernel(Arc<KernelShared>);

struct KernelShared {
    state: Mutex<KernelState>,
    changed: Condvar,
}

#[derive(Default)]
struct KernelState {
    /// The open descriptors, by number.
    files: Vec<Option<File>>,
    /// The number of descriptors ever opened: the identity of the next one.
    opened: usize,
    queue: Vec<Event>,
    /// The timers that are set and have not fired.
    armed: Vec<Token>,
    time_is_out: bool,
    /// The time of the clock, in ages. One passes whenever timers fire and, once time passes, at
    /// each read of the clock.
    ages: u32,
    is_late: bool,
    wakes: usize,
    timer_settings: usize,
}

struct File {
    identity: usize,
    token: Option<Token>,
    /// The readiness that was raised while it was not registered.
    before: Ready,
}

impl KernelState {
    /// Reports an edge: adds it to the event in the queue, or makes one.
    fn edge(&mut self, token: Token, ready: Ready) {
        match self.queue.iter_mut().find(|event| event.token == token) {
            Some(event) => event.ready |= ready,
            None => self.queue.push(Event { token, ready }),
        }
    }

    /// Fires all timers that are set.
    fn fire_timers(&mut self) {
        self.ages += 1;
        for token in std::mem::take(&mut self.armed) {
            self.edge(token, Ready::READABLE);
        }
    }

    fn forget(&mut self, token: Token) {
        self.queue.retain(|event| event.token != token);
    }

    /// Opens a descriptor with the lowest free number, like Unix. Returns the number and the
    /// identity.
    fn open(&mut self) -> (usize, usize) {
        let identity = self.opened;
        self.opened += 1;
        let file = Some(File {
            identity,
            token: None,
            before: Ready::EMPTY,
        });
        let number = match self.files.iter().position(Option::is_none) {
            Some(number) => {
                self.files[number] = file;
                number
            }
            None => {
                self.files.push(file);
                self.files.len() - 1
            }
        };
        (number, identity)
    }

    fn deregister(&mut self, number: usize) -> Option<Token> {
        let token = self.files[number].as_mut()?.token.take()?;
        if !self.is_late {
            self.forget(token);
        }
        Some(token)
    }
}

impl Kernel {
    fn new() -> Self {
        Self(Arc::new(KernelShared {
            state: Mutex::new(KernelState::default()),
            changed: Condvar::new(),
        }))
    }

    /// Lets time pass: all current timeouts expire, and all later ones at once.
    pub fn let_time_pass(&self) {
        let mut state = self.0.state.lock();
        state.time_is_out = true;
        state.fire_timers();
        self.0.changed.notify_one();
    }

    /// From now on, keeps events of deregistered sources in the queue. No system does that for
    /// long, but some report an event that they had begun to report.
    pub fn report_late(&self) {
        self.0.state.lock().is_late = true;
    }

    /// Returns how often the waker was written to, a system call each.
    pub fn wakes(&self) -> usize {
        self.0.state.lock().wakes
    }

    /// Returns how often a timer was set, a system call each.
    pub fn timer_settings(&self) -> usize {
        self.0.state.lock().timer_settings
    }

    /// Opens a source and its other end.
    pub fn open(&self) -> (Descriptor, Peer) {
        let (number, identity) = self.0.state.lock().open();
        let peer = Peer {
            kernel: self.clone(),
            number,
            identity,
        };
        let kernel = self.clone();
        (Descriptor { kernel, number }, peer)
    }

    fn wait(&self, events: &mut Events, timeout: Option<Duration>) {
        let mut state = self.0.state.lock();
        while state.queue.is_empty()
            && timeout.is_none_or(|timeout| !timeout.is_zero() && !state.time_is_out)
        {
            if timeout.is_none() && state.armed.is_empty() {
                state = self.0.changed.wait(state);
                continue;
            }
            let is_late;
            let limit = timeout.unwrap_or(Duration::MAX);
            (state, is_late) = self.0.changed.wait_timeout(state, limit);
            if is_late {
                state.fire_timers();
                if timeout.is_some() {
                    break;
                }
            }
        }
        let fetched = state.queue.len().min(events.capacity);
        events.fetched.clear();
        events.fetched.extend(state.queue.drain(..fetched));
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel").finish_non_exhaustive()
    }
}

/// An open source. Dropping it closes it.
#[derive(Debug)]
pub struct Descriptor {
    kernel: Kernel,
    number: usize,
}

impl Descriptor {
    /// Returns its number, which a later descriptor gets after this one is closed.
    pub fn number(&self) -> usize {
        self.number
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let mut state = self.kernel.0.state.lock();
        state.deregister(self.number);
        state.files[self.number] = None;
    }
}

/// The other end of a source, which raises readiness.
#[derive(Clone, Debug)]
pub struct Peer {
    kernel: Kernel,
    number: usize,
    identity: usize,
}

impl Peer {
    /// Raises readiness of the source. Has no effect if the source is closed.
    pub fn raise(&self, ready: Ready) {
        let mut state = self.kernel.0.state.lock();
        let file = state.files[self.number].as_mut();
        let Some(file) = file.filter(|file| file.identity == self.identity) else {
            return;
        };
        match file.token {
            Some(token) => {
                state.edge(token, ready);
                self.kernel.0.changed.notify_one();
            }
            None => file.before |= ready,
        }
    }
}

/// Like [`mio::Poll`].
pub(crate) struct Poll {
    registry: Registry,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            registry: Registry(Kernel::new()),
        })
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn poll(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        self.registry.0.wait(events, timeout);
        Ok(())
    }
}

/// Like [`mio::Registry`].
pub struct Registry(Kernel);

impl Registry {
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.clone()))
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.0
    }

    pub(crate) fn register(
        &self,
        source: &mut impl Source,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        source.register(self, token, interests)
    }

    pub(crate) fn deregister(&self, source: &mut impl Source) -> io::Result<()> {
        source.deregister(self)
    }
}

/// Like [`mio::event::Source`], without what the driver does not use.
pub trait Source {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()>;

    fn deregister(&mut self, registry: &Registry) -> io::Result<()>;
}

impl Source for Descriptor {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        _interests: Interest,
    ) -> io::Result<()> {
        let kernel = &registry.0.0;
        let mut state = kernel.state.lock();
        let file = state.files[self.number].as_mut();
        let file = file.expect("the descriptor is open until it is dropped");
        if file.token.replace(token).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let before = std::mem::take(&mut file.before);
        if !before.is_empty() {
            state.edge(token, before);
            kernel.changed.notify_one();
        }
        Ok(())
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        let token = registry.0.0.state.lock().deregister(self.number);
        token.map(drop).ok_or(io::ErrorKind::NotFound.into())
    }
}

/// Real sockets cannot be registered with this kernel.
macro_rules! unsupported {
    ($($socket:ty),+) => {
        $(impl Source for $socket {
            fn register(
                &mut self,
                _registry: &Registry,
                _token: Token,
                _interests: Interest,
            ) -> io::Result<()> {
                Err(io::ErrorKind::Unsupported.into())
            }

            fn deregister(&mut self, _registry: &Registry) -> io::Result<()> {
                Err(io::ErrorKind::Unsupported.into())
            }
        })+
    };
}

unsupported!(
    mio::net::TcpStream,
    mio::net::TcpListener,
    mio::net::UdpSocket
);
#[cfg(unix)]
unsupported!(
    mio::net::UnixStream,
    mio::net::UnixListener,
    mio::net::UnixDatagram,
    mio::unix::pipe::Sender,
    mio::unix::pipe::Receiver,
    mio::unix::SourceFd<'_>
);

/// Like [`mio::Events`].
pub(crate) struct Events {
    fetched: Vec<Event>,
    capacity: usize,
}

impl Events {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            fetched: Vec::new(),
            capacity,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.fetched.iter()
    }
}

/// Like [`mio::event::Event`].
pub(crate) struct Event {
    token: Token,
    ready: Ready,
}

impl Event {
    pub(crate) fn token(&self) -> Token {
        self.token
    }

    pub(crate) fn is_readable(&self) -> bool {
        self.ready.intersects(Ready::READABLE)
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.ready.intersects(Ready::WRITABLE)
    }

    pub(crate) fn is_read_closed(&self) -> bool {
        self.ready.is_read_closed()
    }

    pub(crate) fn is_write_closed(&self) -> bool {
        self.ready.is_write_closed()
    }

    pub(crate) fn is_error(&self) -> bool {
        self.ready.is_error()
    }

    pub(crate) fn is_priority(&self) -> bool {
        self.ready.is_priority()
    }
}

/// Like [`mio::Waker`]: an eventfd.
#[derive(Debug)]
pub(crate) struct Waker {
    kernel: Kernel,
    token: Token,
}

impl Waker {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let kernel = registry.0.clone();
        Ok(Self { kernel, token })
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        let mut state = self.kernel.0.state.lock();
        state.wakes += 1;
        state.edge(self.token, Ready::READABLE);
        self.kernel.0.changed.notify_one();
        Ok(())
    }
}

/// A timer that fires when the model lets time pass.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct TimerDescriptor {
    kernel: Kernel,
    token: Token,
}

#[cfg(target_os = "linux")]
impl TimerDescriptor {
    pub(crate) fn open(registry: &Registry, token: Token) -> io::Result<Self> {
        let kernel = registry.0.clone();
        Ok(Self { kernel, token })
    }

    /// Returns the time. Once time passes, every timer that was set before this call has expired.
    pub(crate) fn now(&self) -> Instant {
        const AGE: Duration = Duration::from_secs(60 * 60 * 24 * 365);
        static BEGINNING: OnceLock<Instant> = OnceLock::new();
        let mut state = self.kernel.0.state.lock();
        state.ages += u32::from(state.time_is_out);
        *BEGINNING.get_or_init(Instant::now) + AGE * state.ages
    }

    /// Sets the timer. Discards what it was set to before, and an expiry that was not fetched.
    pub(crate) fn set(&self, _timeout: Duration) -> io::Result<()> {
        let mut state = self.kernel.0.state.lock();
        state.timer_settings += 1;
        state.forget(self.token);
        if state.time_is_out {
            state.edge(self.token, Ready::READABLE);
            self.kernel.0.changed.notify_one();
        } else if !state.armed.contains(&self.token) {
            state.armed.push(self.token);
            // A thread that waits without a timeout now waits for this, if waits expire.
            #[cfg(framewise_shuttle)]
            self.kernel.0.changed.notify_one();
        }
        Ok(())
    }
}
