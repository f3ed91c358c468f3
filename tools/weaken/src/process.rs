//! The processes in which tests run: environment, timeout, and temporary files.
//!
//! Knows nothing about mutants or models.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::VARIABLE;
use crate::runs;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    Failed,
    TimedOut,
}

/// The variable with the number of seconds after which a model is cut off and fails.
pub(crate) const SECONDS: &str = "FRAMEWISE_SECONDS";

/// The variable that removes a model's preemption bound.
pub(crate) const UNBOUNDED: &str = "FRAMEWISE_UNBOUNDED";

/// The timeout of a test without a mutation.
pub(crate) const UNMUTATED_TIMEOUT: Duration = Duration::from_secs(3600);

/// The name of a temporary file, which is removed on drop.
pub(crate) struct Temporary(pub(crate) String);

impl Temporary {
    pub(crate) fn new(name: &str, kind: &str) -> Self {
        let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
        let name: String = name.chars().map(plain).collect();
        let name = format!("framewise-weaken-{}-{name}.{kind}", std::process::id());
        Self(
            std::env::temp_dir()
                .join(name)
                .to_string_lossy()
                .into_owned(),
        )
    }

    /// Returns the file's content, or an empty text if there is no file.
    pub(crate) fn read(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Returns the command for one test of an executable. It inherits no variable of the protocol from
/// this process: a model that is cut off by an inherited limit would look like a model that detects
/// a mutant.
pub(crate) fn test(mut executable: Command, test: &str) -> Command {
    executable
        .args(["--exact", test, "--test-threads", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for variable in [VARIABLE, runs::VARIABLE, SECONDS, UNBOUNDED] {
        executable.env_remove(variable);
    }
    executable
}

/// Runs the process and waits for its end. Kills it after the timeout. If it did not pass, also
/// kills the processes that it started.
pub(crate) fn wait(mut command: Command, limit: Duration) -> io::Result<Ended> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let ended = wait_for(&mut child, limit)?;
    if ended != Ended::Passed && cfg!(unix) {
        let group = format!("-{}", child.id());
        // `kill` usually reports that the group has no process left.
        let mut kill = Command::new("kill");
        kill.args(["-KILL", "--", &group]).stderr(Stdio::null());
        kill.status()?;
    }
    Ok(ended)
}

fn wait_for(child: &mut Child, limit: Duration) -> io::Result<Ended> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(match status.success() {
                true => Ended::Passed,
                false => Ended::Failed,
            });
        }
        if begun.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::TimedOut);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_killed_after_the_timeout() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        assert_eq!(wait(command, Duration::ZERO).unwrap(), Ended::TimedOut);
    }

    #[test]
    fn the_exit_status_decides() {
        for (program, ended) in [("true", Ended::Passed), ("false", Ended::Failed)] {
            assert_eq!(
                wait(Command::new(program), UNMUTATED_TIMEOUT).unwrap(),
                ended
            );
        }
    }
}
