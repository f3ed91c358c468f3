//! Selects the mutant to run. Each choice calls it; it reads the environment once.

use std::ffi::OsString;
use std::io::Write as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The number of the mutant, or one of the three constants below.
static CHOSEN: AtomicU32 = AtomicU32::new(UNREAD);
const UNREAD: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;
/// No mutant; record the mutants whose choices are reached.
const RECORD: u32 = u32::MAX - 2;

static REACHED: [AtomicU64; 128] = [const { AtomicU64::new(0) }; 128];

#[unsafe(no_mangle)]
extern "Rust" fn framewise_mutant_is(number: u32) -> bool {
    // Ordering: Relaxed, for all operations of this file. Each thread computes the same value, and
    // no other memory is published.
    let mut chosen = CHOSEN.load(Ordering::Relaxed);
    if chosen == UNREAD {
        chosen = read();
        CHOSEN.store(chosen, Ordering::Relaxed);
    }
    if chosen == RECORD {
        record(number);
    }
    chosen == number
}

#[cold]
fn read() -> u32 {
    if record_file().is_some() {
        return RECORD;
    }
    let chosen = std::env::var("FRAMEWISE_MUTANT").ok();
    chosen.and_then(|number| number.parse().ok()).unwrap_or(NONE)
}

fn record_file() -> Option<OsString> {
    std::env::var_os("FRAMEWISE_MUTANTS_REACHED")
}

fn record(number: u32) {
    let (word, bit) = (number as usize / 64, 1 << (number % 64));
    if REACHED[word].load(Ordering::Relaxed) & bit == 0
        && REACHED[word].fetch_or(bit, Ordering::Relaxed) & bit == 0
        && let Some(path) = record_file()
        && let Ok(mut file) = std::fs::File::options().append(true).create(true).open(path)
    {
        let _ = file.write_all(format!("{number}\n").as_bytes());
    }
}
