//! Stacks that are used again, since half of a model's time goes into mapping them.
//!
//! loom gives each thread of each execution a stack of its own, which it maps, guards and unmaps:
//! hundreds of thousands of times a model. Here the stacks that were unmapped are kept, guard page
//! and all, and the next mapping of that size gets one. Nothing else is kept: what was not mapped
//! as a stack by this thread goes to the system.
//!
//! This stands in the place of two functions of the C library, for the test executables and for
//! the systems below only. Elsewhere models take longer.

use std::cell::Cell;
use std::ffi::{c_int, c_long, c_void};

/// Stacks that a thread may have in use or keep: of the execution that runs, and of the one before.
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

/// A stack that was mapped here: where, how long, and whether it is in use.
#[derive(Clone, Copy)]
struct Stack {
    start: usize,
    length: usize,
    in_use: bool,
}

thread_local! {
    /// A length of 0 is a free place. Nothing here is dropped or allocated, so this can be used at
    /// any time in a thread's life.
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

/// Has the linker take the functions below, and not the C library's.
pub(crate) fn keep() {
    std::hint::black_box((mmap as *const (), munmap as *const ()));
}

/// The C library's function of that name, for stacks: one that was unmapped, if there is one.
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
    // SAFETY: the system call behind the function, with the caller's arguments. It sets errno as the
    // function does.
    let start = unsafe { syscall(SYS_MMAP, address, length, protection, flags, file, offset) };
    if is_stack && start != -1 {
        remember(start as usize, length);
    }
    start as *mut c_void
}

/// The C library's function of that name. A stack is kept.
#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(address: *mut c_void, length: usize) -> c_int {
    if keep_stack(address.addr(), length) {
        return 0;
    }
    // SAFETY: as in `mmap`.
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

/// Whether it is a stack that this thread has mapped.
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
