//! Reuses the stacks of a model's threads, since mapping them takes much of a model's time.
//!
//! loom maps, guards and unmaps a new stack for each thread of each execution. This module keeps a
//! stack that is unmapped, with its guard page, and returns it for the next mapping of that size.
//! It keeps nothing else: an unmapping of other memory than a stack of this thread goes to the
//! system.
//!
//! It replaces two functions of the C library, only in the test executables and on the systems
//! below. On others, models take longer.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};

/// The number of stacks that a thread may use or keep: those of the current execution and of the
/// last.
const KNOWN: usize = 16;

const MAP_STACK: c_int = 0x20000;

#[cfg(target_arch = "x86_64")]
const SYS_MMAP: c_long = 9;
#[cfg(target_arch = "x86_64")]
const SYS_MUNMAP: c_long = 11;
#[cfg(target_arch = "aarch64")]
const SYS_MMAP: c_long = 222;
#[cfg(target_arch = "aarch64")]
const SYS_MUNMAP: c_long = 215;

/// A stack that this module mapped: its address, its length, and `true` if it is in use.
#[derive(Clone, Copy)]
struct Stack {
    start: usize,
    length: usize,
    in_use: bool,
}

thread_local! {
    /// A length of 0 is a free entry. The value needs no drop and no allocation, so it is usable
    /// throughout a thread's life.
    static STACKS: [Cell<Stack>; KNOWN] = const {
        [const {
            Cell::new(Stack {
                start: 0,
                length: 0,
                in_use: false,
            })
        }; KNOWN]
    };
}

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

/// Makes the linker use the functions below instead of the C library's.
pub(crate) fn keep() {
    std::hint::black_box((mmap as *const (), munmap as *const ()));
}

/// Like the C library's `mmap`, but returns a kept stack for a stack's mapping, if there is one.
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    address: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: i64,
) -> *mut c_void {
    let is_stack = address.is_null() && flags & MAP_STACK != 0 && length != 0;
    if is_stack && let Some(start) = take_kept(length) {
        return start as *mut c_void;
    }
    // SAFETY: the system call behind the function, with the caller's arguments. It sets errno like
    // the function.
    let start = unsafe { syscall(SYS_MMAP, address, length, protection, flags, file, offset) };
    if is_stack && start != -1 {
        remember(start as usize, length);
    }
    start as *mut c_void
}

/// Like the C library's `munmap`, but keeps a stack.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(address: *mut c_void, length: usize) -> c_int {
    if keep_stack(address.addr(), length) {
        return 0;
    }
    // SAFETY: like in `mmap`.
    unsafe { syscall(SYS_MUNMAP, address, length) as c_int }
}

fn take_kept(length: usize) -> Option<usize> {
    STACKS.with(|stacks| {
        let is_kept = |stack: &&Cell<Stack>| !stack.get().in_use && stack.get().length == length;
        let stack = stacks.iter().find(is_kept)?;
        let found = stack.get();
        stack.set(Stack {
            in_use: true,
            ..found
        });
        Some(found.start)
    })
}

fn remember(start: usize, length: usize) {
    STACKS.with(|stacks| {
        if let Some(free) = stacks.iter().find(|stack| stack.get().length == 0) {
            free.set(Stack {
                start,
                length,
                in_use: true,
            });
        }
    });
}

/// Keeps the stack. Returns `true` if this thread has mapped it.
fn keep_stack(start: usize, length: usize) -> bool {
    STACKS.with(|stacks| {
        let is_it = |stack: &&Cell<Stack>| {
            let stack = stack.get();
            (stack.start, stack.length, stack.in_use) == (start, length, true)
        };
        let Some(stack) = stacks.iter().find(is_it) else {
            return false;
        };
        stack.set(Stack {
            in_use: false,
            ..stack.get()
        });
        true
    })
}
