//! Deriving a frame from another one: plan the masks, allocate once, fill.
//!
//! Values are moved into their cells and slots are copied, which runs no user code. Only
//! [`next_id`](current::next_id) may, rarely: it discards stale records of panics, and drops values
//! with them. It does not unwind.
//!
//! The flags of a frame are its parent's and those of its new bindings. Where a binding may have
//! been removed, the mirrored one is computed again.

use std::alloc::{self, Layout};
use std::mem::size_of;
use std::ptr;

use framewise_sync::atomic::{AtomicU32, AtomicUsize};

use crate::Frame;
use crate::block::Block;
use crate::current;
use crate::frame_stats::BindLocation;
use crate::key_group::{KeyGroup, Slot};
use crate::lifetime_check::LifetimeCheck;
use crate::mirror::{self, MIRRORED};
use crate::new_bindings::{Masks, NewBindings};
use crate::tables::{fill_tables, tables_size};
use crate::writer::{Area, Writer, share_slot};

/// Plans a group from the kept keys of `old` and the new bindings.
#[inline(always)]
pub(crate) fn plan(old: &KeyGroup, kept: u64, added: Masks) -> KeyGroup {
    let mut group = KeyGroup {
        inline: old.inline & kept | added.inline,
        not_inherited: old.not_inherited & kept | added.not_inherited,
        ..KeyGroup::EMPTY
    };
    group.set_present(kept | added.own);
    group
}

/// Copies the slots `kept` of `old` to a new group.
///
/// # Safety
///
/// Both have the slots of `kept`; `old` belongs to a live frame, and `new` is being built.
#[inline(always)]
pub(crate) unsafe fn copy_slots(new: *const KeyGroup, old: *const KeyGroup, kept: u64) {
    let mut rest = kept;
    while rest != 0 {
        let bit = rest.trailing_zeros();
        rest &= rest - 1;
        // SAFETY: the caller's promise.
        unsafe {
            let to = KeyGroup::slots(new).add((*new).position(bit));
            let from = KeyGroup::slots(old).add((*old).position(bit));
            share_slot(to, from, (*old).inline >> bit & 1 == 1);
        }
    }
}

/// Makes a frame with the bindings of `parent`, except those that tasks do not inherit if `strip`
/// is set, and with the new bindings; `bind_location` is the call that asks for it. Also returns
/// the values that a later new binding replaced.
///
/// # Safety
///
/// `parent` is null or a live frame's.
#[inline]
pub(crate) unsafe fn derive<A: NewBindings>(
    parent: *const Block,
    strip: bool,
    bindings: A,
    bind_location: BindLocation,
) -> (Frame, A::Replaced) {
    // SAFETY: the parent is alive (the caller's promise), so its masks can be read.
    let (old, id, tables, flags) = unsafe {
        if parent.is_null() {
            (KeyGroup::EMPTY, 0, 0, 0)
        } else {
            (*parent).lifetime.read();
            let Block {
                id, tables, flags, ..
            } = *parent;
            (*Block::group(parent), id, u32::from(tables), flags)
        }
    };
    let added = bindings.masks(0);
    let kept = kept(&old, strip, added);
    let group = plan(&old, kept, added);
    let tables = tables.max(bindings.tables());
    let marks = bindings.marks();
    if marks.are_declared() {
        bindings.enlist();
    }
    let flags = flags | marks.flags();

    let mut head = size_of::<Block>() + group.width() * size_of::<Slot>();
    if tables != 0 {
        head += Block::table_pointers_size(tables);
        // SAFETY: as above.
        head += unsafe { tables_size(parent, strip, tables, &bindings) };
    }
    let area = bindings.cells(Area {
        size: 0,
        align: align_of::<Block>(),
    });
    let cells_at = head.next_multiple_of(area.align);
    let layout = Layout::from_size_align(cells_at + area.size, area.align)
        .expect("values that fit into memory fit into one frame");

    // SAFETY: the size is not zero, a header is in it.
    let block = unsafe { alloc::alloc(layout) }.cast::<Block>();
    if block.is_null() {
        alloc::handle_alloc_error(layout);
    }
    // SAFETY: the memory is ours, large enough for everything planned, and nothing below panics.
    unsafe {
        block.write(Block {
            id: current::next_id(),
            parent: id,
            count: AtomicUsize::new(1),
            parts: AtomicU32::new(0),
            tables: tables as u16,
            flags,
            layout,
            next: ptr::null_mut(),
            lifetime: LifetimeCheck::new(),
            memory: LifetimeCheck::new(),
            bind_location: bind_location.begin(),
            group,
        });
        if kept != 0 {
            copy_slots(Block::group(block), Block::group(parent), kept);
        }
        let mut parts = 1;
        if tables != 0 {
            parts += fill_tables(block, parent, strip, &bindings);
        }
        let mut writer = Writer {
            block,
            cells: block.cast::<u8>().add(cells_at),
            area: Area { size: 0, align: 1 },
            parts,
        };
        let replaced = bindings.fill(&mut writer);
        (*block).parts = AtomicU32::new(writer.parts);
        if (strip || A::REMOVES) && flags & MIRRORED != 0 {
            (*block).flags = mirror::flags_of(block);
        }
        (Frame::from_raw(block), replaced)
    }
}

/// Returns the keys of an old group that the new one takes over.
#[inline(always)]
pub(crate) fn kept(old: &KeyGroup, strip: bool, added: Masks) -> u64 {
    old.present & !added.changed() & if strip { !old.not_inherited } else { !0 }
}
