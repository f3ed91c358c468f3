//! Real servers for the tests: each is started in a directory of its own and killed at the end.
//! Where the program is not installed, the test is skipped and says so: `test.sh` counts the lines.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio, id};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a server may take to start.
const LIMIT: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub(crate) struct Service {
    process: Child,
    directory: PathBuf,
    /// The port of redis; `PostgreSQL` has a Unix socket in the directory.
    pub(crate) port: u16,
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Service {
    /// Returns the server's directory.
    pub(crate) fn directory(&self) -> &str {
        self.directory.to_str().unwrap()
    }

    /// Kills the server, and starts it again in its place.
    pub(crate) fn restart(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.process = redis_command(&self.directory, self.port).spawn().unwrap();
        self.wait_until(|service| answers_ping(service.port));
    }

    fn wait_until(&mut self, is_up: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_up(self) {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at once: {ended:?}");
            assert!(started.elapsed() < LIMIT, "the server did not start");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Says that a test is skipped, past the test harness, which keeps what a passing test prints.
fn skip(program: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {program} is not installed");
}

fn directory(name: &str) -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("framewise-{name}-{}-{number}", id()));
    fs::create_dir(&directory).unwrap();
    directory
}

fn find(program: &str, elsewhere: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(elsewhere.iter().cloned())
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

fn redis_command(directory: &Path, port: u16) -> Command {
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(directory)
        .stdout(Stdio::null());
    command
}

fn answers_ping(port: u16) -> bool {
    use std::io::Read;
    let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let mut answer = [0; 7];
    stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == *b"+PONG\r\n"
}

/// Starts redis on a free port.
pub(crate) fn redis() -> Option<Service> {
    if find("redis-server", &[]).is_none() {
        skip("redis-server");
        return None;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let directory = directory("redis");
    let process = redis_command(&directory, port).spawn().unwrap();
    let mut service = Service {
        process,
        directory,
        port,
    };
    service.wait_until(|service| answers_ping(service.port));
    Some(service)
}

/// Returns the user and group numbers that `PostgreSQL` may run with: it refuses to run as root.
fn postgres_user() -> Option<(u32, u32)> {
    let number = |flag| {
        let output = Command::new("id").args([flag, "postgres"]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let own = Command::new("id").arg("-u").output().ok()?;
    if own.stdout.trim_ascii() != b"0" {
        return None;
    }
    Some((number("-u")?, number("-g")?))
}

/// Starts `PostgreSQL` with a new cluster and a Unix socket, for the user `tests`.
pub(crate) fn postgres() -> Option<Service> {
    // Debian keeps the programs of each version apart.
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let elsewhere: Vec<_> = versions
        .filter_map(Result::ok)
        .map(|version| version.path().join("bin"))
        .collect();
    let (Some(initdb), Some(postgres)) = (find("initdb", &elsewhere), find("postgres", &elsewhere))
    else {
        skip("PostgreSQL");
        return None;
    };
    let directory = directory("postgres");
    let user = postgres_user();
    if let Some((user, group)) = user {
        chown(&directory, Some(user), Some(group)).unwrap();
    }
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let command = |program: &Path| {
        let mut command = Command::new(program);
        command
            .current_dir(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        command
    };
    let data = directory.join("data");
    let made = command(&initdb)
        .args(["--auth=trust", "--username=tests", "--no-sync", "-D"])
        .arg(&data)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb failed: {made:?}");
    let process = command(&postgres)
        .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
        .arg(&directory)
        .arg("-D")
        .arg(&data)
        .spawn()
        .unwrap();
    let mut service = Service {
        process,
        directory,
        port: 5432,
    };
    // The last line of this file is there when the server takes connections.
    service.wait_until(|service| {
        let state = fs::read_to_string(service.directory.join("data/postmaster.pid"));
        state.is_ok_and(|state| state.trim_end().ends_with("ready"))
    });
    Some(service)
}
