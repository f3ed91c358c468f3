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

    /// Returns the directions in which this set ends a wait, as bits of an [`Interest`].
    pub(crate) const fn directions(self) -> u8 {
        (self.0 | self.0 >> CLOSED_SHIFT) & (Interest::READABLE.0 | Interest::WRITABLE.0)
    }

    /// Returns the set with these bits. Those above the sixth are not readiness and are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Ready {
        Ready(bits & Self::ALL.0)
    }
}

/// The shift from a direction's bit to the bit of its closing.
const CLOSED_SHIFT: u32 = 2;

const _: () = assert!(
    Ready::READABLE.0 == Interest::READABLE.0
        && Ready::WRITABLE.0 == Interest::WRITABLE.0
        && Ready::READ_CLOSED.0 == Ready::READABLE.0 << CLOSED_SHIFT
        && Ready::WRITE_CLOSED.0 == Ready::WRITABLE.0 << CLOSED_SHIFT,
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
        const NAMES: [&str; 6] = [
            "READABLE",
            "WRITABLE",
            "READ_CLOSED",
            "WRITE_CLOSED",
            "ERROR",
            "PRIORITY",
        ];
        if self.is_empty() {
            return f.write_str("Ready(EMPTY)");
        }
        let set = NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 & (1 << bit) != 0);
        f.write_str("Ready(")?;
        for (position, (_, name)) in set.enumerate() {
            if position > 0 {
                f.write_str(" | ")?;
            }
            f.write_str(name)?;
        }
        f.write_str(")")
    }
}

/// What a caller waits for: reading, writing, or either.
///
/// The closing of a direction satisfies the interest in it, since a read or a write no longer
/// blocks then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

impl Interest {
    /// Waits until a read would not block.
    pub const READABLE: Interest = Interest(1);
    /// Waits until a write would not block.
    pub const WRITABLE: Interest = Interest(2);

    /// Returns the interest in the directions of both.
    #[must_use]
    pub const fn or(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }

    /// Returns `true` if both contain a common direction.
    pub(crate) const fn overlaps(self, other: Interest) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns one bit for each direction; the lowest is reading.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the interest with these [`bits`](Self::bits), or `None` if the lower two are zero.
    /// Those above are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Option<Interest> {
        match bits & (Self::READABLE.0 | Self::WRITABLE.0) {
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

    /// Returns the readiness that satisfies this interest.
    pub(crate) const fn mask(self) -> Ready {
        // A direction, and its closing two bits above.
        Ready(self.0 | self.0 << CLOSED_SHIFT)
    }
}

impl BitOr for Interest {
    type Output = Interest;

    fn bitor(self, other: Interest) -> Interest {
        self.or(other)
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_readable(), self.is_writable()) {
            (true, true) => "Interest(READABLE | WRITABLE)",
            (true, false) => "Interest(READABLE)",
            _ => "Interest(WRITABLE)",
        })
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
