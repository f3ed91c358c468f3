//! [`Child`]: a process that was started.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Output};
use std::task::{Context, Poll};

use framewise_context::{control, coop};

use super::exit::Exit;
use super::orphan;
use super::{ChildStderr, ChildStdin, ChildStdout};

/// A process that [`Command::spawn`](super::Command::spawn) has started.
///
/// Dropping it does not kill the process, but [sees to its
/// collection](super#a-child-that-is-dropped-is-not-killed).
///
/// # Examples
///
/// ```
/// use framewise::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn()?;
///     assert!(child.id().is_some());
///     assert_eq!(child.wait().await?.code(), Some(3));
///     assert_eq!(child.id(), None);
///     Ok(())
/// })
/// # }
/// ```
pub struct Child {
    state: State,
    kill_on_drop: bool,
    /// The pipe to the standard input, if it was configured as
    /// [`piped`](std::process::Stdio::piped) and not taken.
    pub stdin: Option<ChildStdin>,
    /// The pipe from the standard output, if it was configured as
    /// [`piped`](std::process::Stdio::piped) and not taken.
    pub stdout: Option<ChildStdout>,
    /// The pipe from the standard error, if it was configured as
    /// [`piped`](std::process::Stdio::piped) and not taken.
    pub stderr: Option<ChildStderr>,
}

enum State {
    Running(Exit),
    /// The exit was collected: the system may give its id to another process.
    Ended(ExitStatus),
}

/// Reads an optional pipe to its end. (Both kinds of pipes have the method `read`, and no trait.)
macro_rules! read_to_end {
    ($pipe:expr) => {{
        let pipe = $pipe;
        async move {
            let (mut all, mut len) = (Vec::new(), 0);
            if let Some(pipe) = pipe {
                loop {
                    if all.len() == len {
                        all.resize((2 * len).max(CHUNK), 0);
                    }
                    match pipe.read(&mut all[len..]).await? {
                        0 => break,
                        count => len += count,
                    }
                }
            }
            all.truncate(len);
            Ok(all)
        }
    }};
}

/// How many bytes the first read of a pipe asks for.
const CHUNK: usize = 8 * 1024;

impl Child {
    /// Makes a child without pipes.
    pub(super) fn new(exit: Exit, kill_on_drop: bool) -> Self {
        Self {
            state: State::Running(exit),
            kill_on_drop,
            stdin: None,
            stdout: None,
            stderr: None,
        }
    }

    pub(super) fn set_kill_on_drop(&mut self, kill_on_drop: bool) {
        self.kill_on_drop = kill_on_drop;
    }

    /// Returns the process id, or `None` after a wait has returned the status, or failed with
    /// `ECHILD`: the id may belong to another process then.
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running(exit) => exit.id(),
            State::Ended(_) => None,
        }
    }

    /// Begins to kill the process (by SIGKILL), without waiting for its exit. Does nothing after a
    /// wait has returned the status, or failed with `ECHILD`.
    ///
    /// # Errors
    ///
    /// Fails with the system's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.start_kill()?;
    ///     assert!(!child.wait().await?.success());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn start_kill(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Running(exit) => exit.kill(),
            State::Ended(_) => Ok(()),
        }
    }

    /// Kills the process (by SIGKILL), and waits for its exit.
    ///
    /// # Errors
    ///
    /// See [`start_kill`](Self::start_kill) and [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// Safe: if the future was polled, the process gets the signal.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     child.kill().await?;
    ///     assert_eq!(child.id(), None);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await?;
        Ok(())
    }

    /// Waits until the process ends, and returns its status; later calls return it again.
    ///
    /// The standard input's pipe is closed first, if it was not taken: a process that reads it to
    /// its end would never end. Any runtime can wait, also another one than that which started the
    /// process, and after that one's end.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, with `ECHILD` if other code has taken the exit, and if the
    /// runtime is shutting down.
    ///
    /// # Cancel safety
    ///
    /// Safe: the status is not lost.
    ///
    /// # Frame
    ///
    /// The awaiting task's. When the future is dropped, the child keeps nothing of it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use framewise::process::Command;
    /// use framewise::time::timeout;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     let limit = Duration::from_millis(1);
    ///     if timeout(limit, child.wait()).await.is_err() {
    ///         child.kill().await?;
    ///     }
    ///     assert!(!child.wait().await?.success());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        poll_fn(control::poll_check).await?;
        drop(self.stdin.take());
        let status = match &mut self.state {
            State::Running(exit) => exit.wait().await?,
            State::Ended(status) => *status,
        };
        self.state = State::Ended(status);
        poll_fn(coop::poll_spend).await;
        Ok(status)
    }

    /// Returns the status if the process has ended, without waiting. The standard input's pipe is
    /// left open.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, and with `ECHILD` if other code has taken the exit.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("sleep").arg("1000").spawn()?;
    ///     assert_eq!(child.try_wait()?, None);
    ///     child.kill().await
    /// })
    /// # }
    /// ```
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = match &mut self.state {
            State::Running(exit) => exit.try_wait()?,
            State::Ended(status) => Some(*status),
        };
        if let Some(status) = status {
            self.state = State::Ended(status);
        }
        Ok(status)
    }

    /// Waits until the process ends, and reads what it writes meanwhile. Returns both.
    ///
    /// Output that was not configured as [`piped`](std::process::Stdio::piped), or whose pipe was
    /// taken, is empty. The pipes are read to their ends, which come when every process that has
    /// inherited them has closed them.
    ///
    /// # Errors
    ///
    /// See [`wait`](Self::wait). Fails with the system's error at reading.
    ///
    /// # Cancel safety
    ///
    /// Not safe: the child is dropped with the future, and what was read is lost.
    ///
    /// # Frame
    ///
    /// The awaiting task's.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let child = Command::new("echo").arg("hello").stdout(Stdio::piped()).spawn()?;
    ///     let output = child.wait_with_output().await?;
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let stdout = read_to_end!(self.stdout.take());
        let stderr = read_to_end!(self.stderr.take());
        let (status, stdout, stderr) = try_join(self.wait(), stdout, stderr).await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let ended = State::Ended(ExitStatus::default());
        if let State::Running(mut exit) = mem::replace(&mut self.state, ended) {
            if self.kill_on_drop {
                // There is no caller to return an error to.
                let _ = exit.kill();
            }
            orphan::adopt(exit);
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("id", &self.id())
            .field("kill_on_drop", &self.kill_on_drop)
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish()
    }
}

/// Awaits three futures, or the first error.
async fn try_join<A, B, C>(
    a: impl Future<Output = io::Result<A>>,
    b: impl Future<Output = io::Result<B>>,
    c: impl Future<Output = io::Result<C>>,
) -> io::Result<(A, B, C)> {
    let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
    let (mut of_a, mut of_b, mut of_c) = (None, None, None);
    poll_fn(|cx| {
        poll_into(&mut of_a, a.as_mut(), cx)?;
        poll_into(&mut of_b, b.as_mut(), cx)?;
        poll_into(&mut of_c, c.as_mut(), cx)?;
        if of_a.is_none() || of_b.is_none() || of_c.is_none() {
            return Poll::Pending;
        }
        let (a, b, c) = (of_a.take(), of_b.take(), of_c.take());
        let joined = a.zip(b).zip(c).map(|((a, b), c)| (a, b, c));
        Poll::Ready(Ok(joined.expect("all three are ready")))
    })
    .await
}

/// Polls a future that has no result yet.
fn poll_into<T>(
    result: &mut Option<T>,
    future: Pin<&mut impl Future<Output = io::Result<T>>>,
    cx: &mut Context<'_>,
) -> io::Result<()> {
    if result.is_none()
        && let Poll::Ready(ready) = future.poll(cx)
    {
        *result = Some(ready?);
    }
    Ok(())
}
