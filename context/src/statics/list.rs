//! A list that only grows at its end: of the variables with a role.
//!
//! Reading takes no lock. A thread that appends waits, at most, for another thread that appends; no
//! user code runs meanwhile. Entries are never freed: there are at most as many as variables.

use framewise_sync::statics::OnceLock;

/// A link of the list: an entry and the next link, or the end.
pub(crate) struct List<E: 'static>(OnceLock<Box<Entry<E>>>);

struct Entry<E: 'static> {
    value: E,
    next: List<E>,
}

impl<E: Send + Sync + 'static> List<E> {
    /// Makes an empty list.
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Appends a value, unless the list has one that is `same`.
    pub(crate) fn append(&'static self, value: E, same: impl Fn(&E, &E) -> bool) {
        let mut link = self;
        let mut value = Some(value);
        loop {
            let entry = link.0.get_or_init(|| {
                Box::new(Entry {
                    value: value.take().expect("it is appended once"),
                    next: List::new(),
                })
            });
            match &value {
                Some(new) if !same(&entry.value, new) => link = &entry.next,
                _ => return,
            }
        }
    }

    /// Iterates over the list.
    pub(crate) fn iter(&'static self) -> impl Iterator<Item = &'static E> {
        let mut link = self;
        std::iter::from_fn(move || {
            let entry = link.0.get()?;
            link = &entry.next;
            Some(&entry.value)
        })
    }

    /// Calls `visit` with each entry, the last one first.
    pub(crate) fn for_each_reversed(&'static self, visit: &mut dyn FnMut(&'static E)) {
        if let Some(entry) = self.0.get() {
            entry.next.for_each_reversed(visit);
            visit(&entry.value);
        }
    }
}
