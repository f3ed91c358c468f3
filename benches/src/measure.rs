//! Measurements of the system: processor time and resident memory; and quantiles.

use std::fs;
use std::io;
use std::time::Duration;

/// Returns the processor time of all threads of this process.
pub fn process_time() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Returns the processor time of this thread.
pub fn thread_time() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn clock(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is valid for writing a timespec and outlives the call.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "the system has this clock");
    let nanoseconds =
        u32::try_from(time.tv_nsec).expect("the nanoseconds of a timespec are below one second");
    Duration::new(time.tv_sec.unsigned_abs(), nanoseconds)
}

/// Returns the resident memory of this process in bytes.
///
/// # Errors
///
/// Fails if there is no `/proc/self/statm`.
pub fn resident() -> io::Result<u64> {
    let pages = fs::read_to_string("/proc/self/statm")?
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .ok_or(io::ErrorKind::InvalidData)?;
    // SAFETY: sysconf only reads a setting.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * page.unsigned_abs())
}

/// Raises the limit of file descriptors to the hard limit, and returns it.
///
/// # Errors
///
/// Fails with the system's error.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for reading and writing an rlimit and outlives both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(limit.rlim_cur)
}

/// Sorts the values and returns the quantile at that fraction (0.5 is the median).
///
/// # Panics
///
/// Panics if there is no value.
pub fn quantile(values: &mut [f64], fraction: f64) -> f64 {
    assert!(!values.is_empty(), "there must be a value");
    values.sort_by(f64::total_cmp);
    let last = values.len() - 1;
    let place = fraction * last as f64;
    let (low, high) = (
        values[place.floor() as usize],
        values[place.ceil() as usize],
    );
    low + (high - low) * place.fract()
}
