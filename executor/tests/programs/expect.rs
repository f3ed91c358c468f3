//! The places where a program is observed, the allowed observations, and their differences.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::Program;
use crate::variables::Seen;
use crate::work::Reason;

/// What is observed of a statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// The start of its first block.
    Begin,
    /// The start of its second block.
    BeginSecond,
    /// The start of its third block.
    BeginThird,
    /// The code after the statement.
    After,
    /// The destructor of a value in the block.
    Guard,
    /// The destructor of a value that a future, closure or stream owned from the start.
    Owned,
    /// The destructor of a task's output.
    Output,
    /// The end of a task or closure, as its awaiter or catcher sees it.
    Ended,
    /// The end of the second task of a statement.
    EndedSecond,
    /// The panic hook of the process.
    Hook,
    /// The frame in which a panic began, as reported to the catcher.
    Frame,
    /// The receiver of a message.
    Received,
    /// The frame that a message carries.
    Carried,
    /// The destructor of a message.
    Message,
    /// The destructor of the part of a message with context.
    WithContext,
    /// The code of a waker that is called directly.
    Called,
    /// The code of a waker that a timer calls.
    Woken,
    /// The callback that is called when the work ends.
    OnCancel,
    /// An operation that fails if the work has ended.
    Obeyed,
    /// Shows whether a finished task has released its frame.
    Released,
}

impl Role {
    pub(crate) fn begin(index: usize) -> Self {
        match index {
            0 => Role::Begin,
            1 => Role::BeginSecond,
            _ => Role::BeginThird,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Role::Begin => "the begin of",
            Role::BeginSecond => "the begin of the second block of",
            Role::BeginThird => "the begin of the third block of",
            Role::After => "after",
            Role::Guard => "the drop of the local of",
            Role::Owned => "the drop of what is owned by",
            Role::Output => "the drop of the output of",
            Role::Ended => "the awaiter or catcher of",
            Role::EndedSecond => "the awaiter of the second task of",
            Role::Hook => "the panic hook for",
            Role::Frame => "the frame reported for",
            Role::Received => "the receiver of",
            Role::Carried => "the frame carried by a message of",
            Role::Message => "the drop of a message of",
            Role::WithContext => "the drop of the content with context of",
            Role::Called => "the waker called by",
            Role::Woken => "the waker left with a timer by",
            Role::OnCancel => "the callback of",
            Role::Obeyed => "an operation in",
            Role::Released => "the value's end at",
        }
    }
}

/// A statement's number, and its observed role.
pub(crate) type Place = (u32, Role);

/// A note that is recorded with the variables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Note {
    Nothing,
    Done,
    Cancelled,
    /// Ended by the panic of this statement.
    Panicked(u32),
    /// Failed, or never begun, because the work has ended.
    EndedBy(Reason),
    /// The value was still alive.
    Kept,
    /// Something unexpected.
    Strange,
}

/// One observation of the variables.
pub(crate) type Observation = (Seen, Note);

/// The observations that the model allows at a place.
struct Allowed {
    observations: BTreeSet<Observation>,
    min: usize,
    max: usize,
    items: Vec<&'static str>,
}

/// The allowed observations of all places.
#[derive(Default)]
pub(crate) struct Expected(BTreeMap<Place, Allowed>);

impl Expected {
    /// Adds one more observation at `place`, which shows one of these. With `certain`, it must
    /// happen.
    pub(crate) fn add(
        &mut self,
        place: Place,
        item: &'static str,
        certain: bool,
        seen: impl IntoIterator<Item = Seen>,
        notes: impl IntoIterator<Item = Note> + Clone,
    ) {
        let allowed = self.0.entry(place).or_insert_with(|| Allowed {
            observations: BTreeSet::new(),
            min: 0,
            max: 0,
            items: vec![item],
        });
        for seen in seen {
            allowed
                .observations
                .extend(notes.clone().into_iter().map(|note| (seen, note)));
        }
        allowed.min += usize::from(certain);
        allowed.max += 1;
    }

    /// Adds an item of the contract to the place.
    pub(crate) fn also(&mut self, place: Place, item: &'static str) {
        if let Some(allowed) = self.0.get_mut(&place)
            && !allowed.items.contains(&item)
        {
            allowed.items.push(item);
        }
    }

    /// Returns the differences between `seen` and the expectation.
    pub(crate) fn compare(&self, program: &Program, seen: &[(Place, Observation)]) -> Vec<String> {
        let mut by_place: BTreeMap<Place, Vec<Observation>> = BTreeMap::new();
        for &(place, observation) in seen {
            by_place.entry(place).or_default().push(observation);
        }
        let places: BTreeSet<Place> = self.0.keys().chain(by_place.keys()).copied().collect();
        let mut complaints = Vec::new();
        for place in places {
            let observations = by_place.get(&place).map_or(&[][..], Vec::as_slice);
            let head = program
                .find(place.0)
                .map_or_else(String::new, |node| node.head());
            let at = format!("{} {head}", place.1.text());
            let Some(allowed) = self.0.get(&place) else {
                complaints.push(format!(
                    "{at}: this must not be reached, and saw {observations:?}"
                ));
                continue;
            };
            complaints.extend(
                allowed.differs(observations).map(|how| {
                    format!("{at}: {how}\n    it is about {}", allowed.items.join("; "))
                }),
            );
        }
        complaints
    }
}

impl Allowed {
    fn differs(&self, observations: &[Observation]) -> Option<String> {
        if let Some(wrong) = observations
            .iter()
            .find(|seen| !self.observations.contains(seen))
        {
            return Some(format!("expected {:?}, saw {wrong:?}", self.observations));
        }
        let count = observations.len();
        (count < self.min || count > self.max).then(|| {
            format!(
                "expected {} to {} times, came {count} times",
                self.min, self.max
            )
        })
    }
}
