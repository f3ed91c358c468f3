//! [`Command`]: what to start, and how.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child as StdChild, Command as StdCommand, ExitStatus, Output, Stdio};
use std::sync::Arc;

use framewise_io::IoHandle;

use super::exit::Exit;
use super::{Child, ChildStderr, ChildStdin, ChildStdout, orphan};
use crate::runtime::enter;
use crate::scheduler::spawner::Spawner;

/// A builder of processes: `std`'s [`Command`](StdCommand), whose children are awaited.
///
/// Starting a process (`fork` and `exec`, or what the system has for both) is done on the calling
/// thread, like in `std`.
///
/// # Examples
///
/// ```
/// use framewise::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// framewise::block_on(async {
///     let output = Command::new("sh")
///         .args(["-c", "echo $GREETING"])
///         .env("GREETING", "hello")
///         .output()
///         .await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: StdCommand,
    kill_on_drop: bool,
}

impl Command {
    /// Creates a command for `program`: without arguments, in this process's environment and
    /// directory, and with its standard streams ([`output`](Self::output) sets two of them).
    ///
    /// A program whose name has no slash is looked up in `PATH`.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command::from(StdCommand::new(program))
    }

    /// Returns `std`'s command.
    pub fn as_std(&self) -> &StdCommand {
        &self.std
    }

    /// Returns `std`'s command, for settings that this type has no method for.
    pub fn as_std_mut(&mut self) -> &mut StdCommand {
        &mut self.std
    }

    /// Converts to `std`'s command. [`kill_on_drop`](Self::kill_on_drop) is lost.
    pub fn into_std(self) -> StdCommand {
        self.std
    }

    /// Adds an argument.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let output = Command::new("echo").arg("a b").arg("c").output().await?;
    ///     assert_eq!(output.stdout, b"a b c\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets the name by which the process is called, its argument zero. The default is the program.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg0(arg);
        self
    }

    /// Sets a variable of the environment.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut command = Command::new("sh");
    ///     command.env("GREETING", "hello").args(["-c", "echo $GREETING"]);
    ///     assert_eq!(command.output().await?.stdout, b"hello\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn env<K, V>(&mut self, key: K, value: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, value);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, variables: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(variables);
        self
    }

    /// Removes a variable of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Removes all variables of the environment, those of this process too.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// Sets the directory in which the process starts. If the program is a relative path with a
    /// slash, whether it is looked up there depends on the system.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let output = Command::new("pwd").current_dir("/").output().await?;
    ///     assert_eq!(output.stdout, b"/\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn current_dir<P: AsRef<Path>>(&mut self, directory: P) -> &mut Command {
        self.std.current_dir(directory);
        self
    }

    /// Sets the standard input. [`Stdio::piped`] gives [`Child::stdin`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut command = Command::new("cat");
    ///     let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    ///     let input = child.stdin.take().expect("it was configured");
    ///     input.write_all(b"hello").await?;
    ///     drop(input); // the end of what the child reads
    ///     assert_eq!(child.wait_with_output().await?.stdout, b"hello");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn stdin<T: Into<Stdio>>(&mut self, config: T) -> &mut Command {
        self.std.stdin(config);
        self
    }

    /// Sets the standard output. [`Stdio::piped`] gives [`Child::stdout`].
    pub fn stdout<T: Into<Stdio>>(&mut self, config: T) -> &mut Command {
        self.std.stdout(config);
        self
    }

    /// Sets the standard error. [`Stdio::piped`] gives [`Child::stderr`].
    pub fn stderr<T: Into<Stdio>>(&mut self, config: T) -> &mut Command {
        self.std.stderr(config);
        self
    }

    /// Sets whether dropping the [`Child`] before its exit is known kills the process. The default
    /// is `false`.
    ///
    /// Processes that the child has started are not killed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::Stdio;
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("sleep")
    ///         .arg("1000")
    ///         .stdout(Stdio::piped())
    ///         .kill_on_drop(true)
    ///         .spawn()?;
    ///     let output = child.stdout.take().expect("it was configured");
    ///     drop(child);
    ///     assert_eq!(output.read(&mut [0]).await?, 0); // the end
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Returns what [`kill_on_drop`](Self::kill_on_drop) has set.
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// Sets the user of the process.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// Sets the group of the process.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// Sets the process group: zero puts the process into a new one.
    pub fn process_group(&mut self, group: i32) -> &mut Command {
        self.std.process_group(group);
        self
    }

    /// Has `call` run in the child, between `fork` and `exec`.
    ///
    /// # Safety
    ///
    /// See `std`'s [`pre_exec`](CommandExt::pre_exec): the child is a copy of one thread of this
    /// process. `call` may use what is async-signal-safe, and nothing of this runtime.
    ///
    /// # Frame
    ///
    /// That of the code that starts the process.
    pub unsafe fn pre_exec<F>(&mut self, call: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller guarantees the same.
        unsafe { self.std.pre_exec(call) };
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// Fails with the system's error, for example with `NotFound` if there is no such program.
    /// Fails outside of a runtime, and in a seeded run: nothing is started then. If the runtime
    /// cannot register the pipes, for example because it is shutting down, the process is killed.
    ///
    /// # Frame
    ///
    /// The child keeps nothing of the frame that is current here.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("true").spawn()?;
    ///     assert!(child.wait().await?.success());
    ///     let error = Command::new("/no/such/program").spawn().unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(StdCommand::spawn)
    }

    /// Like [`spawn`](Self::spawn), by a function that is given `std`'s command.
    ///
    /// The child must be one that this process waits for: not waited for yet, and of no other
    /// process.
    ///
    /// # Errors
    ///
    /// See [`spawn`](Self::spawn). Fails with the function's error.
    ///
    /// # Examples
    ///
    /// ```
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let mut child = Command::new("true").spawn_with(|command| {
    ///         println!("starting {command:?}");
    ///         command.spawn()
    ///     })?;
    ///     assert!(child.wait().await?.success());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut StdCommand) -> io::Result<StdChild>,
    ) -> io::Result<Child> {
        // Before there is a process.
        IoHandle::for_io()?;
        let home = enter::current().ok_or_else(|| io::Error::other("there is no runtime here"))?;
        orphan::collect_left();
        let process = with(&mut self.std)?;
        self.adopt(process, home)
    }

    /// Makes a started process one of the runtime's.
    fn adopt(&self, mut process: StdChild, home: Arc<Spawner>) -> io::Result<Child> {
        let stdin = process.stdin.take();
        let stdout = process.stdout.take();
        let stderr = process.stderr.take();
        // Killed if it cannot be returned.
        let mut child = Child::new(Exit::new(process, home), true);
        child.stdin = stdin.map(ChildStdin::from_std).transpose()?;
        child.stdout = stdout.map(ChildStdout::from_std).transpose()?;
        child.stderr = stderr.map(ChildStderr::from_std).transpose()?;
        child.set_kill_on_drop(self.kill_on_drop);
        Ok(child)
    }

    /// Starts the process, and waits for its exit. It is started by the call, before the future is
    /// polled.
    ///
    /// Standard streams that are [`piped`](Stdio::piped) are closed at once.
    ///
    /// # Errors
    ///
    /// See [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Cancel safety
    ///
    /// Not safe: the child is dropped with the future.
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
    ///     let status = Command::new("sh").args(["-c", "exit 3"]).status().await?;
    ///     assert_eq!(status.code(), Some(3));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            child.stdin = None;
            child.stdout = None;
            child.stderr = None;
            child.wait().await
        }
    }

    /// Starts the process, waits for its exit, and reads its standard output and error, which it
    /// sets to [`piped`](Stdio::piped). It is started by the call, before the future is polled.
    ///
    /// # Errors
    ///
    /// See [`spawn`](Self::spawn) and [`Child::wait_with_output`].
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
    /// use framewise::process::Command;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// framewise::block_on(async {
    ///     let output = Command::new("echo").arg("hello").output().await?;
    ///     assert_eq!(output.stdout, b"hello\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

/// A command whose children are not killed when they are dropped.
impl From<StdCommand> for Command {
    fn from(std: StdCommand) -> Command {
        Command {
            std,
            kill_on_drop: false,
        }
    }
}
