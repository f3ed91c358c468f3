//! The two variables that every request binds, and the values that they may have.
//!
//! They are bound in one place (a layer, by `web::identify`; and by `recover` for orders of an
//! earlier run) and read by the log, by the price client and by the store. No other code knows
//! which request it works for, and no code passes them on.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use framewise::ContextVar;

/// The request that the current work belongs to.
pub(crate) static REQUEST_ID: ContextVar<Arc<str>> = ContextVar::new("request_id");

/// The tenant that the current work belongs to.
pub(crate) static TENANT: ContextVar<Arc<str>> = ContextVar::new("tenant");

/// The tenant of a request that names none.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// What an id or a tenant must be, in words for the client.
pub(crate) const NAME_RULE: &str = "1 to 64 letters, digits, dots, colons, hyphens or underscores";

/// Returns `true` if `value` may be bound as a request's id or tenant: it goes into headers and log
/// lines unchanged.
pub(crate) fn is_name(value: &[u8]) -> bool {
    (1..=64).contains(&value.len())
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-_".contains(byte))
}

/// Returns a new request id: unique in this process, and random enough to differ from the ids of an
/// earlier one.
pub(crate) fn new_request_id() -> Arc<str> {
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Ordering: Relaxed. The number only has to be unique; it publishes nothing.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{:012x}-{number}", *RUN >> 16).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_differ_and_keep_the_rule() {
        let (one, two) = (new_request_id(), new_request_id());
        assert_ne!(one, two);
        assert!(is_name(one.as_bytes()) && is_name(two.as_bytes()));
    }

    #[test]
    fn names_that_would_spoil_a_log_line_are_not_names() {
        for bad in ["", "a b", "a\nb", "a\"b", "é", &"x".repeat(65)] {
            assert!(!is_name(bad.as_bytes()), "{bad:?}");
        }
        assert!(is_name("r-1:2.3_4".as_bytes()) && is_name("x".repeat(64).as_bytes()));
    }
}
