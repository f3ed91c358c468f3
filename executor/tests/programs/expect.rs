//! Places where a program is watched, what is allowed there, and what differs.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::Program;
use crate::variables::{Bindings, Seen};

/// What is watched of a statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// The beginning of its first block.
    Begin,
    /// The beginning of its second block.
    BeginSecond,
    /// What follows the statement.
    After,
    /// The destructor of a value in the block.
    Guard,
    /// The destructor of a value that a future, closure or stream owned from the beginning.
    Owned,
    /// The destructor of a task's output.
    Output,
    /// The end of a task or of a closure, as its awaiter or catcher sees it.
    Ended,
    /// The panic hook of the process.
    Hook,
    /// The frame in which a panic began, as told to whoever caught it.
    Frame,
    /// The receiver, when it has a message.
    Received,
    /// The frame that a message carries.
    Carried,
    /// The destructor of a message.
    Message,
    /// The destructor of what a message has in an envelope.
    Enveloped,
    /// The code of a waker that is called directly.
    Called,
    /// The code of a waker that a timer calls.
    Woken,
    /// Whether a finished task has let its frame go.
    Released,
}

impl Role {
    pub(crate) fn begin(index: usize) -> Self {
        if index == 0 {
            Role::Begin
        } else {
            Role::BeginSecond
        }
    }

    fn text(self) -> &'static str {
        match self {
            Role::Begin => "the begin of",
            Role::BeginSecond => "the begin of the second block of",
            Role::After => "after",
            Role::Guard => "the drop of the local of",
            Role::Owned => "the drop of what is owned by",
            Role::Output => "the drop of the output of",
            Role::Ended => "the awaiter or catcher of",
            Role::Hook => "the panic hook for",
            Role::Frame => "the frame told of",
            Role::Received => "the receiver of",
            Role::Carried => "the frame carried by a message of",
            Role::Message => "the drop of a message of",
            Role::Enveloped => "the drop of an envelope's content of",
            Role::Called => "the waker called by",
            Role::Woken => "the waker left with a timer by",
            Role::Released => "the value's end at",
        }
    }
}

/// A statement's number, and what is watched of it.
pub(crate) type Place = (u32, Role);

/// What is noted beside the variables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Note {
    Nothing,
    Done,
    Cancelled,
    /// By the panic of this statement.
    Panicked(u32),
    /// The value was still there.
    Kept,
    /// The unexpected.
    Strange,
}

/// One look at the variables.
pub(crate) type Look = (Seen, Note);

/// What the model says of a place.
struct Allowed {
    looks: BTreeSet<Look>,
    min: usize,
    max: usize,
    items: Vec<&'static str>,
}

/// What the model says of all places.
#[derive(Default)]
pub(crate) struct Expected(BTreeMap<Place, Allowed>);

impl Expected {
    /// One more look at `place`, which shows one of these; `certain` if it must come to it.
    pub(crate) fn add<'a>(
        &mut self,
        place: Place,
        item: &'static str,
        certain: bool,
        bindings: impl IntoIterator<Item = &'a Bindings>,
        notes: impl IntoIterator<Item = Note> + Clone,
    ) {
        let allowed = self.0.entry(place).or_insert_with(|| Allowed {
            looks: BTreeSet::new(),
            min: 0,
            max: 0,
            items: vec![item],
        });
        for seen in bindings.into_iter().map(Bindings::seen) {
            allowed
                .looks
                .extend(notes.clone().into_iter().map(|note| (seen, note)));
        }
        allowed.min += usize::from(certain);
        allowed.max += 1;
    }

    /// The place is about this item, too.
    pub(crate) fn also(&mut self, place: Place, item: &'static str) {
        if let Some(allowed) = self.0.get_mut(&place)
            && !allowed.items.contains(&item)
        {
            allowed.items.push(item);
        }
    }

    /// What of `seen` is not as it must be.
    pub(crate) fn compare(&self, program: &Program, seen: &[(Place, Look)]) -> Vec<String> {
        let mut by_place: BTreeMap<Place, Vec<Look>> = BTreeMap::new();
        for &(place, look) in seen {
            by_place.entry(place).or_default().push(look);
        }
        let places: BTreeSet<Place> = self.0.keys().chain(by_place.keys()).copied().collect();
        let mut complaints = Vec::new();
        for place in places {
            let looks = by_place.get(&place).map_or(&[][..], Vec::as_slice);
            let head = program
                .find(place.0)
                .map_or_else(String::new, |node| node.head());
            let at = format!("{} {head}", place.1.text());
            let Some(allowed) = self.0.get(&place) else {
                complaints.push(format!("{at}: this must not be reached, and saw {looks:?}"));
                continue;
            };
            complaints.extend(
                allowed.differs(looks).map(|how| {
                    format!("{at}: {how}\n    it is about {}", allowed.items.join("; "))
                }),
            );
        }
        complaints
    }
}

impl Allowed {
    fn differs(&self, looks: &[Look]) -> Option<String> {
        if let Some(wrong) = looks.iter().find(|look| !self.looks.contains(look)) {
            return Some(format!("expected {:?}, saw {wrong:?}", self.looks));
        }
        let count = looks.len();
        (count < self.min || count > self.max).then(|| {
            format!(
                "expected {} to {} times, came {count} times",
                self.min, self.max
            )
        })
    }
}
