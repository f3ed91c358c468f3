//! [`Allocator`]: counts the bytes that each key has allocated and not freed.
//!
//! Owns the header in front of each block, which names the shard that the block was counted in. So
//! a block that is freed in another frame or on another thread is taken off the key that allocated
//! it. What the shard is, and how long it lives, is in `tally.rs` and `key_table.rs`: a tally whose
//! bytes are not zero is never freed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::size_of;
use std::ptr;

use framewise_sync::statics::{AtomicU32, Ordering};

use super::meter;
use super::tally::Shard;

/// Not zero once an [`Allocator`] has allocated.
static IS_INSTALLED: AtomicU32 = AtomicU32::new(0);

/// Returns `true` if blocks may refer to shards.
pub(super) fn is_installed() -> bool {
    // Ordering: Relaxed. A thread that has allocated under a tally has set it before, and the
    // tally's last holder received the tally through synchronization.
    IS_INSTALLED.load(Ordering::Relaxed) != 0
}

/// The least space in front of a block: the pointer to the shard, with the alignment that blocks
/// have anyway.
const HEADER: usize = 2 * size_of::<usize>();

/// An allocator that counts, for accounting, the bytes that each key has allocated and not freed.
///
/// It is opt-in: install it as the global allocator, around the one that allocates. Without it a
/// [`Usage`](super::Usage) has no [`bytes`](super::Usage::bytes).
///
/// What a task, a blocking call or a scope allocates is counted for its key, and is taken off that
/// key when it is freed, on whatever thread and in whatever frame. A block that is reallocated
/// stays with the key that allocated it. Threads that do not belong to a runtime with an
/// [account](crate::runtime::Builder::account) are not counted, and neither is what accounting
/// itself allocates.
///
/// # What it costs
///
/// Each block is larger by 16 bytes, or by its alignment if that is larger. Counting costs one
/// atomic addition on a counter of the worker, and freeing one subtraction. A key that has bytes
/// when its runtime ends keeps its counters for the rest of the process: a few hundred bytes for
/// each worker.
///
/// What the runtime keeps for itself, such as a queue that grows, is counted for the key in whose
/// poll it grew.
///
/// # Examples
///
/// ```
/// use framewise::{ContextVar, account, runtime::Builder};
///
/// #[global_allocator]
/// static GLOBAL: account::Allocator = account::Allocator::system();
///
/// static TENANT: ContextVar<&'static str> = ContextVar::new("tenant");
///
/// # fn main() -> std::io::Result<()> {
/// let tenants = account::by(&TENANT);
/// let runtime = Builder::new().account(&tenants).build()?;
/// let kept = TENANT.run("ada", || runtime.spawn(async { vec![0_u8; 1 << 20] }));
/// let kept = runtime.block_on(kept)?;
/// let ada = tenants.snapshot().get(&"ada").cloned().expect("it had a task");
/// assert!(ada.bytes().expect("the allocator is installed") >= kept.len() as u64);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Allocator<A = System>(A);

impl Allocator {
    /// Wraps the system's allocator.
    pub const fn system() -> Self {
        Self(System)
    }
}

impl<A> Allocator<A> {
    /// Wraps an allocator.
    pub const fn new(inner: A) -> Self {
        Self(inner)
    }
}

/// Returns the layout of a block with its header, and the size of the header.
fn with_header(layout: Layout) -> Option<(Layout, usize)> {
    let header = HEADER.max(layout.align());
    let size = layout.size().checked_add(header)?;
    let align = layout.align().max(size_of::<usize>());
    Some((Layout::from_size_align(size, align).ok()?, header))
}

/// Writes the header of a new block, and counts it. Returns the pointer for the user.
///
/// # Safety
///
/// `base` is null, or a new block with a header of this size.
#[inline]
unsafe fn begin(base: *mut u8, header: usize, size: usize) -> *mut u8 {
    if base.is_null() {
        return base;
    }
    // Ordering: Relaxed. See `is_installed`.
    if IS_INSTALLED.load(Ordering::Relaxed) == 0 {
        // Ordering: Relaxed. See `is_installed`.
        IS_INSTALLED.store(1, Ordering::Relaxed);
    }
    let shard = meter::allocating_shard();
    // SAFETY: the header is in the block, and its last word is aligned: both the block and the
    // header's size are multiples of a word.
    unsafe {
        let user = base.add(header);
        user.cast::<*const Shard>().sub(1).write(shard);
        // SAFETY: the shard is that of a meter's current tally, which is alive (M2).
        if let Some(shard) = shard.as_ref() {
            shard.allocated(size as u64);
        }
        user
    }
}

/// Returns the shard of a block.
///
/// # Safety
///
/// `user` is a block that [`begin`] returned and that is not freed.
unsafe fn shard_of(user: *mut u8) -> *const Shard {
    // SAFETY: by the contract, the header is in front.
    unsafe { user.cast::<*const Shard>().sub(1).read() }
}

// SAFETY: blocks are those of the inner allocator, each with a header in front that keeps the
// alignment: the header's size is a multiple of it. Layouts are computed from the caller's alone,
// so they are the same when a block is freed. No function unwinds or allocates.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((whole, header)) = with_header(layout) else {
            return ptr::null_mut();
        };
        // SAFETY: the size is not zero, and the block is new.
        unsafe { begin(self.0.alloc(whole), header, layout.size()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some((whole, header)) = with_header(layout) else {
            return ptr::null_mut();
        };
        // SAFETY: like in `alloc`.
        unsafe { begin(self.0.alloc_zeroed(whole), header, layout.size()) }
    }

    unsafe fn dealloc(&self, user: *mut u8, layout: Layout) {
        let Some((whole, header)) = with_header(layout) else {
            unreachable!("a block has a layout that could be allocated")
        };
        // SAFETY: the caller's promise: the block came from here with this layout. A shard with
        // bytes is alive, and this block's are among them until the subtraction.
        unsafe {
            if let Some(shard) = shard_of(user).as_ref() {
                shard.freed(layout.size() as u64);
            }
            self.0.dealloc(user.sub(header), whole);
        }
    }

    unsafe fn realloc(&self, user: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new = Layout::from_size_align(new_size, layout.align());
        let (Some((old, header)), Some((new, _))) =
            (with_header(layout), new.ok().and_then(with_header))
        else {
            return ptr::null_mut();
        };
        // SAFETY: the caller's promise, like in `dealloc`; the header's size depends on the
        // alignment only, which stays, and its content moves with the block.
        unsafe {
            let base = self.0.realloc(user.sub(header), old, new.size());
            if base.is_null() {
                return base;
            }
            let user = base.add(header);
            if let Some(shard) = shard_of(user).as_ref() {
                let (old, new) = (layout.size() as u64, new_size as u64);
                if new >= old {
                    shard.allocated(new - old);
                } else {
                    // The rest of the block's bytes keep the shard: a block is never empty.
                    shard.freed(old - new);
                }
            }
            user
        }
    }
}
