//! What a source can be ready for ([`Ready`]) and what a caller can wait for ([`Interest`]).
//!
//! Owns two small bit sets and nothing else. They must not know mio: the driver translates its
//! events into a [`Ready`], and the [readiness word](crate::scheduled_io) stores one.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// The readiness that the operating system has reported for a source.
///
/// A source is ready for reading if a read would not block: there are bytes to read, a connection
/// to accept, the end of the stream, or a pending error.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready(u8);

impl Ready {
    /// Nothing is ready.
    pub const EMPTY: Ready = Ready(0);
    /// A read would not block.
    pub const READABLE: Ready = Ready(1 << 0);
    /// A write would not block.
    pub const WRITABLE: Ready = Ready(1 << 1);
    /// The peer has stopped writing: after the buffered bytes, a read returns the end of the
    /// stream.
    pub const READ_CLOSED: Ready = Ready(1 << 2);
    /// The peer has stopped reading: a write fails.
    pub const WRITE_CLOSED: Ready = Ready(1 << 3);
    /// An error is pending.
    pub const ERROR: Ready = Ready(1 << 4);
    /// Urgent (out-of-band) data has arrived.
    pub const PRIORITY: Ready = Ready(1 << 5);

    pub(crate) const CLOSED: Ready = Ready(Self::READ_CLOSED.0 | Self::WRITE_CLOSED.0);
    pub(crate) const ALL: Ready = Ready(0x3f);

    /// Returns `true` if a read would not block. This includes a peer that has stopped writing.
    pub const fn is_readable(self) -> bool {
        self.intersects(Ready(Self::READABLE.0 | Self::READ_CLOSED.0))
    }

    /// Returns `true` if a write would not block. This includes a peer that has stopped reading.
    pub const fn is_writable(self) -> bool {
        self.intersects(Ready(Self::WRITABLE.0 | Self::WRITE_CLOSED.0))
    }

    /// Returns `true` if the peer has stopped writing.
    pub const fn is_read_closed(self) -> bool {
        self.intersects(Self::READ_CLOSED)
    }

    /// Returns `true` if the peer has stopped reading.
    pub const fn is_write_closed(self) -> bool {
        self.intersects(Self::WRITE_CLOSED)
    }

    /// Returns `true` if an error is pending.
    pub const fn is_error(self) -> bool {
        self.intersects(Self::ERROR)
    }

    /// Returns `true` if urgent data has arrived.
    pub const fn is_priority(self) -> bool {
        self.intersects(Self::PRIORITY)
    }

    /// Returns `true` if nothing is ready.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns `true` if this set contains readiness that `interest` waits for.
    pub const fn satisfies(self, interest: Interest) -> bool {
        self.intersects(interest.mask())
    }

    /// Returns the part of this set that `interest` waits for.
    pub const fn intersection(self, interest: Interest) -> Ready {
        Ready(self.0 & interest.mask().0)
    }

    pub(crate) const fn intersects(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn without(self, other: Ready) -> Ready {
        Ready(self.0 & !other.0)
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the interests that this set satisfies, as bits of an [`Interest`].
    pub(crate) const fn interests(self) -> u8 {
        let closed = (self.0 & Self::CLOSED.0) >> CLOSED_SHIFT;
        let priority = (self.0 & Self::READ_CLOSED.0) << PRIORITY_SHIFT;
        (self.0 | closed | priority) & Interest::ALL.0
    }

    /// Returns the set with these bits. Those above the sixth are not readiness and are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits & Self::ALL.0)
    }
}

/// The shift from a direction's bit to the bit of its closing.
const CLOSED_SHIFT: u32 = 2;

/// The shift from the closing of reading to the bit of urgent data, which does not come after it.
const PRIORITY_SHIFT: u32 = 3;

const _: () = assert!(
    Ready::READABLE.0 == Interest::READABLE.0
        && Ready::WRITABLE.0 == Interest::WRITABLE.0
        && Ready::ERROR.0 == Interest::ERROR.0
        && Ready::PRIORITY.0 == Interest::URGENT.0
        && Ready::READ_CLOSED.0 == Ready::READABLE.0 << CLOSED_SHIFT
        && Ready::WRITE_CLOSED.0 == Ready::WRITABLE.0 << CLOSED_SHIFT
        && Ready::PRIORITY.0 == Ready::READ_CLOSED.0 << PRIORITY_SHIFT,
    "the bits of the two sets correspond"
);

impl BitOr for Ready {
    type Output = Ready;

    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_bits("Ready", self.0, f)
    }
}

/// Writes the names of the bits, which the two sets share.
fn fmt_bits(set: &str, bits: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const NAMES: [&str; 6] = [
        "READABLE",
        "WRITABLE",
        "READ_CLOSED",
        "WRITE_CLOSED",
        "ERROR",
        "PRIORITY",
    ];
    write!(f, "{set}(")?;
    if bits == 0 {
        f.write_str("EMPTY")?;
    }
    let names = NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0);
    for (position, (_, name)) in names.enumerate() {
        if position > 0 {
            f.write_str(" | ")?;
        }
        f.write_str(name)?;
    }
    f.write_str(")")
}

/// What a caller waits for: any of one or more kinds of readiness.
///
/// The closing of a direction satisfies the interest in it, since a read or a write no longer
/// blocks then.
///
/// # Examples
///
/// ```
/// use framewise_io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable() && !both.is_error());
/// assert_eq!(both.remove(Interest::READABLE), Some(Interest::WRITABLE));
/// assert_eq!(both.remove(both), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Waits until a read would not block.
    pub const READABLE: Interest = Interest(1 << 0);
    /// Waits until a write would not block.
    pub const WRITABLE: Interest = Interest(1 << 1);
    /// Waits until an error is pending. All systems report errors of every registered source; what
    /// is an error depends on the source, such as a non-empty error queue of a socket on Linux.
    pub const ERROR: Interest = Interest(1 << 4);
    /// Waits until urgent (out-of-band) data has arrived, or the peer has stopped writing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub const PRIORITY: Interest = Self::URGENT;

    /// `PRIORITY` on all systems. Some never report it.
    const URGENT: Interest = Interest(1 << 5);
    const ALL: Interest =
        Interest(Self::READABLE.0 | Self::WRITABLE.0 | Self::ERROR.0 | Self::URGENT.0);

    /// All interests, one by one.
    pub(crate) const EACH: [Interest; 4] =
        [Self::READABLE, Self::WRITABLE, Self::ERROR, Self::URGENT];

    /// Returns the interest in all that either waits for.
    #[must_use]
    pub const fn add(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// Returns this interest without `other`, or `None` if nothing is left.
    #[must_use]
    pub const fn remove(self, other: Interest) -> Option<Interest> {
        Self::from_bits(self.0 & !other.0)
    }

    /// Returns `true` if both have a part in common.
    pub(crate) const fn overlaps(self, other: Interest) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns the bits, which are those of the [`Ready`] with the same name.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the interest with these [`bits`](Self::bits), or `None` if there are none. Other
    /// bits are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Option<Interest> {
        match bits & Self::ALL.0 {
            0 => None,
            bits => Some(Interest(bits)),
        }
    }

    /// Returns `true` if this includes reading.
    pub const fn is_readable(self) -> bool {
        self.0 & Self::READABLE.0 != 0
    }

    /// Returns `true` if this includes writing.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITABLE.0 != 0
    }

    /// Returns `true` if this includes errors.
    pub const fn is_error(self) -> bool {
        self.0 & Self::ERROR.0 != 0
    }

    /// Returns `true` if this includes urgent data.
    pub const fn is_priority(self) -> bool {
        self.0 & Self::URGENT.0 != 0
    }

    /// Returns the readiness that satisfies this interest.
    pub(crate) const fn mask(self) -> Ready {
        let closed = (self.0 & Self::URGENT.0) >> PRIORITY_SHIFT;
        Ready(self.blocked_mask().0 | closed)
    }

    /// Returns the readiness that does not hold if an operation of this interest would block.
    pub(crate) const fn blocked_mask(self) -> Ready {
        // A direction, and its closing two bits above. That urgent data cannot be received says
        // nothing about the closing, which a reader relies on.
        let directions = self.0 & (Self::READABLE.0 | Self::WRITABLE.0);
        Ready(self.0 | directions << CLOSED_SHIFT)
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Interest) {
        *self = self.add(other);
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_bits("Interest", self.0, f)
    }
}

/// One of the two directions of a source: each has its own slot for the waker of a poll function.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Reading, accepting.
    Read,
    /// Writing, connecting.
    Write,
}

impl Direction {
    /// Returns the interest in this direction alone.
    #[inline]
    pub const fn interest(self) -> Interest {
        match self {
            Direction::Read => Interest::READABLE,
            Direction::Write => Interest::WRITABLE,
        }
    }
}
