//! The processes in which tests run: their environment, their end, and their files.
//!
//! Knows nothing of what they are for.

use std::fs;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::VARIABLE;
use crate::runs;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    Failed,
    TimedOut,
}

/// The variable by which a model is cut off, and fails, after so many seconds.
pub(crate) const SECONDS: &str = "FRAMEWISE_SECONDS";

/// The variable by which a model has no preemption bound.
pub(crate) const UNBOUNDED: &str = "FRAMEWISE_UNBOUNDED";

/// How long a test may take that is not mutated.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3600);

/// A file's name. The file goes with it.
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

    /// What was written, if something was.
    pub(crate) fn read(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The process of one test of an executable. Nothing but what is asked for comes from our own environment: a model that was
/// cut off there would look like one that notices.
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

/// Waits for the process, or ends it; where it did not pass, the processes that it started end, too.
pub(crate) fn wait(mut command: Command, limit: Duration) -> io::Result<Ended> {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn()?;
    let ended = wait_for(&mut child, limit)?;
    if ended != Ended::Passed && cfg!(unix) {
        let group = format!("-{}", child.id());
        // Most often nothing is left of the group.
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
    fn a_process_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        assert_eq!(wait(command, Duration::ZERO).unwrap(), Ended::TimedOut);
    }

    #[test]
    fn a_process_tells_by_its_status() {
        for (program, ended) in [("true", Ended::Passed), ("false", Ended::Failed)] {
            assert_eq!(wait(Command::new(program), PATIENCE).unwrap(), ended);
        }
    }
}
