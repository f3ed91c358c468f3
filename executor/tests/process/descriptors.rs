//! Descriptors of processes, which not every Linux gives; and who else hears of an exit.

use std::env;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command as StdCommand, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use framewise::process::Child;
use framewise_test_support::{give_up, runtime};

use crate::{both_ways, in_own_process, sh, waiting};

/// Runs `body` on a thread for which, and for whose threads, the system call `pidfd_open` fails.
pub(crate) fn without(errno: i32, body: impl Fn() + Sync) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            forbid(libc::SYS_pidfd_open, errno);
            assert_eq!(open(std::process::id()).unwrap_err(), errno);
            body();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Has a system call fail from now on, on this thread and in those that it starts.
fn forbid(call: libc::c_long, errno: i32) {
    let statement = |code: u32, k: u32, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf,
        k,
    };
    let mut filter = [
        // Loads the call's number, the first field.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        // If it is another one, skips the next.
        statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(call).unwrap(),
            1,
        ),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | errno.cast_unsigned(),
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program lives during the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        );
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Opens a descriptor of a process.
fn open(id: u32) -> Result<OwnedFd, i32> {
    // SAFETY: the call takes two numbers, and returns a new descriptor.
    let descriptor = unsafe { libc::syscall(libc::SYS_pidfd_open, id, 0) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error().raw_os_error().unwrap());
    }
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(descriptor).unwrap()) })
}

#[test]
fn a_sandbox_may_forbid_the_descriptor() {
    for errno in [libc::EPERM, libc::EACCES, libc::EMFILE] {
        without(errno, || {
            let runtime = runtime(2);
            runtime.block_on(async {
                assert_eq!(sh("exit 3").status().await.unwrap().code(), Some(3));
                assert!(waiting().wait().await.unwrap().success());
            });
        });
    }
}

/// The handler of SIGCHLD that a program has is called, and with descriptors stays the only one.
#[test]
fn a_programs_own_handler_of_sigchld_is_called() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: libc::c_int) {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    fn handler() -> usize {
        // SAFETY: a null action is not installed; the old one is written.
        unsafe {
            let mut old: libc::sigaction = std::mem::zeroed();
            assert_eq!(
                libc::sigaction(libc::SIGCHLD, std::ptr::null(), &raw mut old),
                0
            );
            old.sa_sigaction
        }
    }
    in_own_process(
        "descriptors::a_programs_own_handler_of_sigchld_is_called",
        || {
            let own = count as extern "C" fn(libc::c_int) as usize;
            // SAFETY: the handler only adds to an atomic.
            unsafe { libc::signal(libc::SIGCHLD, own) };
            let mut before = 0;
            let mut assert_called = || {
                assert!(CALLS.load(Ordering::Relaxed) > before);
                before = CALLS.load(Ordering::Relaxed);
            };
            let runtime = runtime(1);
            runtime.block_on(async { assert!(waiting().wait().await.unwrap().success()) });
            assert_called();
            assert_eq!(handler(), own, "a descriptor needs no handler");
            drop(runtime);
            without(libc::ENOSYS, || {
                let runtime = framewise_test_support::runtime(1);
                runtime.block_on(async { assert!(waiting().wait().await.unwrap().success()) });
            });
            assert_called();
            assert_ne!(handler(), own, "the handler calls this one");
        },
    );
}

/// The system reports no exit to a program that ignores SIGCHLD: waiting ends with its error.
#[test]
fn with_sigchld_ignored_the_wait_ends_with_an_error() {
    in_own_process(
        "descriptors::with_sigchld_ignored_the_wait_ends_with_an_error",
        || {
            // SAFETY: no handler is installed.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
            let runtime = runtime(1);
            runtime.block_on(async {
                let error = waiting().wait().await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
            });
        },
    );
}

const TRACED: &str = "FRAMEWISE_TRACED";

/// Traces the process that the variable names until its own input ends. Not a test of its own: see
/// below.
#[test]
fn tracer() {
    let Ok(traced) = env::var(TRACED) else { return };
    let id: libc::pid_t = traced.parse().unwrap();
    // SAFETY: the calls take numbers; `waitpid` writes no status.
    unsafe {
        assert_eq!(
            libc::ptrace(libc::PTRACE_SEIZE, id, 0, 0),
            0,
            "{}",
            std::io::Error::last_os_error()
        );
        std::io::stderr().write_all(b"traces\n").unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(libc::waitpid(id, std::ptr::null_mut(), 0), id);
    }
}

/// A process that is traced has ended, but its parent cannot collect it before its tracer does: the
/// wait neither ends, nor spins, nor misses the second event.
#[test]
fn the_exit_of_a_traced_process_comes_from_its_tracer() {
    both_ways(|runtime| {
        runtime.block_on(async {
            let mut child = {
                let mut command = sh("read line");
                command.stdin(Stdio::piped());
                // SAFETY: a system call, hence async-signal-safe. It lets any process trace this.
                unsafe {
                    command.pre_exec(|| {
                        libc::prctl(libc::PR_SET_PTRACER, libc::c_ulong::MAX);
                        Ok(())
                    });
                }
                command.spawn().unwrap()
            };
            let mut tracer = StdCommand::new(env::current_exe().unwrap())
                .args(["--exact", "descriptors::tracer", "--nocapture"])
                .env(TRACED, child.id().unwrap().to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut traces = [0; 7];
            tracer
                .stderr
                .as_mut()
                .unwrap()
                .read_exact(&mut traces)
                .unwrap();
            assert_eq!(&traces, b"traces\n");
            let input = child.stdin.take().unwrap();
            assert_is_pending(&mut child);
            drop(input);
            wait_until_zombie(child.id().unwrap());
            // The wait sees the first event, and that there is nothing to collect yet.
            for _ in 0..3 {
                assert_is_pending(&mut child);
            }
            drop(tracer.stdin.take());
            child.wait().await.unwrap();
            assert!(tracer.wait().unwrap().success());
        });
    });
}

fn assert_is_pending(child: &mut Child) {
    give_up(child.wait());
}

/// Waits until a process has ended. The system's file about it says so in the field that follows
/// the name.
fn wait_until_zombie(id: u32) {
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        if stat.rsplit_once(") ").unwrap().1.starts_with('Z') {
            return;
        }
        std::thread::yield_now();
    }
}
