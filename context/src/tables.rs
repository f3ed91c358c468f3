//! The second-level tables of a new frame: keys beyond the first 64.
//!
//! A new frame shares with its parent each table that it does not change. A table that it changes
//! is copied into the new frame's own block.

use std::mem::size_of;
use std::ptr;

use framewise_sync::atomic::AtomicUsize;

use crate::block::{Block, Table};
use crate::derive::{copy_slots, kept, plan};
use crate::key_group::{KeyGroup, Slot};
use crate::lifetime_check::LifetimeCheck;
use crate::new_bindings::NewBindings;
use crate::release::raise;

/// What the new frame does with table `number`.
enum TablePlan {
    None,
    Shared(*mut Table),
    New { group: KeyGroup, kept: u64 },
}

/// # Safety
///
/// `parent` is null or a live frame's.
unsafe fn plan_table<A: NewBindings>(
    parent: *const Block,
    strip: bool,
    number: u32,
    bindings: &A,
) -> TablePlan {
    // SAFETY: the caller's promise, and rule 3 for the table.
    let (table, old) = unsafe {
        let table = Block::table(parent, number);
        (
            table,
            if table.is_null() {
                KeyGroup::EMPTY
            } else {
                (*table).group
            },
        )
    };
    let added = bindings.masks(number);
    let kept = kept(&old, strip, added);
    // A removed key needs a table of the frame's own, in which to remember it.
    if added.changed() == 0 && kept == 0 {
        TablePlan::None
    } else if kept == old.present && added.changed() == 0 {
        TablePlan::Shared(table)
    } else {
        TablePlan::New {
            group: plan(&old, kept, added),
            kept,
        }
    }
}

/// Returns the size of the tables that the new frame makes itself.
///
/// # Safety
///
/// `parent` is null or a live frame's.
#[cold]
#[inline(never)]
pub(crate) unsafe fn tables_size<A: NewBindings>(
    parent: *const Block,
    strip: bool,
    tables: u32,
    bindings: &A,
) -> usize {
    let made = |number| {
        // SAFETY: the caller's promise.
        match unsafe { plan_table(parent, strip, number, bindings) } {
            TablePlan::New { group, .. } => size_of::<Table>() + group.width() * size_of::<Slot>(),
            TablePlan::None | TablePlan::Shared(_) => 0,
        }
    };
    (1..=tables).map(made).sum()
}

/// Writes the pointers to tables and the tables that the new frame makes itself; returns the number
/// of these.
///
/// # Safety
///
/// `block` is being built from `parent` and these bindings.
#[cold]
#[inline(never)]
pub(crate) unsafe fn fill_tables<A: NewBindings>(
    block: *mut Block,
    parent: *const Block,
    strip: bool,
    bindings: &A,
) -> u32 {
    // SAFETY: this makes the same plan as `tables_size`, so everything fits. Shared tables are
    // alive, because the parent is.
    unsafe {
        let tables = u32::from((*block).tables);
        let pointers = Block::table_pointers(block);
        let mut place = pointers
            .cast::<u8>()
            .add(Block::table_pointers_size(tables));
        let mut made = 0;
        for number in 1..=tables {
            let table = match plan_table(parent, strip, number, bindings) {
                TablePlan::None => ptr::null_mut(),
                TablePlan::Shared(table) => {
                    (*table).lifetime.read();
                    raise(&(*table).count);
                    table
                }
                TablePlan::New { group, kept } => {
                    let table = place.cast::<Table>();
                    place = place.add(size_of::<Table>() + group.width() * size_of::<Slot>());
                    table.write(Table {
                        count: AtomicUsize::new(1),
                        owner: block,
                        lifetime: LifetimeCheck::new(),
                        group,
                    });
                    if kept != 0 {
                        copy_slots(
                            &raw const (*table).group,
                            Block::group_of(parent, number),
                            kept,
                        );
                    }
                    made += 1;
                    table
                }
            };
            pointers.add(number as usize - 1).write(table);
        }
        made
    }
}
