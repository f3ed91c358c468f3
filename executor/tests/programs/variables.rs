//! The variables that programs bind, their observed values, and values that report their drop.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Once};

use framewise::runtime::Handle;
use framewise::{ContextVar, DefaultVar, Frame, bind};

use crate::real::run::Run;

static NUMBER: ContextVar<u64> = ContextVar::new("number");
static SHARED: ContextVar<Value> = ContextVar::new("shared");
static LIMIT: DefaultVar<u64> = DefaultVar::new("limit", LIMIT_DEFAULT);
static TOKEN: ContextVar<Value> = ContextVar::new("token").not_inherited();
static FAR: ContextVar<Value> = ContextVar::new("far");
static FAR_TOKEN: ContextVar<u64> = ContextVar::new("far_token").not_inherited();

const LIMIT_DEFAULT: u64 = 3;

/// Padding between the near and the far variables, so that the far ones are in a frame's
/// second-level tables.
static BETWEEN: [ContextVar<u64>; 70] = [const { ContextVar::new("between") }; 70];

/// Assigns the variables' keys in the order of their declaration.
pub(crate) fn assign_keys() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let run = Run::detached();
        let touch = |var: Var| Made::new(&run, var, 0, false).bind_one(|| ());
        Var::ALL[..4].iter().copied().for_each(touch);
        for var in &BETWEEN {
            var.run(0, || ());
        }
        Var::ALL[4..].iter().copied().for_each(touch);
    });
}

/// A variable, as index in [`Var::ALL`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Var(u8);

impl Var {
    pub(crate) const NUMBER: Var = Var(0);
    pub(crate) const SHARED: Var = Var(1);
    pub(crate) const LIMIT: Var = Var(2);
    pub(crate) const TOKEN: Var = Var(3);
    pub(crate) const FAR: Var = Var(4);
    pub(crate) const FAR_TOKEN: Var = Var(5);

    /// Plain or counted, inherited or not, with a default or without, inline in the frame or in a
    /// second-level table.
    pub(crate) const ALL: &'static [Var] = &[
        Self::NUMBER,
        Self::SHARED,
        Self::LIMIT,
        Self::TOKEN,
        Self::FAR,
        Self::FAR_TOKEN,
    ];

    /// The variables whose values report their drop.
    pub(crate) const COUNTED: &'static [Var] = &[Self::SHARED, Self::TOKEN, Self::FAR];

    pub(crate) fn name(self) -> &'static str {
        ["number", "shared", "limit", "token", "far", "far_token"][usize::from(self.0)]
    }

    fn is_inherited(self) -> bool {
        self != Self::TOKEN && self != Self::FAR_TOKEN
    }

    fn default(self) -> Option<u64> {
        (self == Self::LIMIT).then_some(LIMIT_DEFAULT)
    }

    fn read(self) -> Option<u64> {
        let value = |value: Option<&Value>| value.map(|value| value.name);
        match self.0 {
            0 => NUMBER.get(),
            1 => SHARED.with(value),
            2 => Some(LIMIT.get()),
            3 => TOKEN.with(value),
            4 => FAR.with(value),
            _ => FAR_TOKEN.get(),
        }
    }
}

/// The values of all variables at one moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen([Option<u64>; 6]);

impl Seen {
    /// Reads the variables in the current frame.
    pub(crate) fn now() -> Self {
        Self(std::array::from_fn(|index| Var::ALL[index].read()))
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for (var, value) in Var::ALL.iter().zip(self.0) {
            if value == var.default() {
                continue;
            }
            if any {
                f.write_str(" ")?;
            }
            any = true;
            match value {
                Some(value) => write!(f, "{}={value}", var.name())?,
                None => write!(f, "{}=nothing", var.name())?,
            }
        }
        if any {
            Ok(())
        } else {
            f.write_str("nothing bound")
        }
    }
}

/// The model of a frame: only its bindings.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Bindings(BTreeMap<Var, u64>);

impl Bindings {
    pub(crate) fn with(&self, var: Var, value: u64) -> Self {
        let mut more = self.clone();
        more.0.insert(var, value);
        more
    }

    /// Returns the bindings that a spawned task inherits.
    pub(crate) fn inherited(&self) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(var, _)| var.is_inherited())
                .map(|(&k, &v)| (k, v))
                .collect(),
        )
    }

    /// Returns the values that are observed with these bindings.
    pub(crate) fn seen(&self) -> Seen {
        let read = |var: &Var| self.0.get(var).copied().or(var.default());
        Seen(std::array::from_fn(|index| read(&Var::ALL[index])))
    }
}

/// A value that is counted in its program's run and observes the variables when it is dropped.
pub(crate) struct Value {
    pub(crate) name: u64,
    serial: u64,
    run: Arc<Run>,
    /// The frame in which the value was created, if the value holds it.
    _made_in: Option<Frame>,
    /// Its destructor spawns a task.
    spawns: bool,
}

impl Drop for Value {
    fn drop(&mut self) {
        for var in [&SHARED, &TOKEN, &FAR] {
            let own =
                |value: Option<&Value>| value.is_some_and(|value| value.serial == self.serial);
            if var.with(own) {
                self.run
                    .complain(format!("C-76: {} is dropped in its own frame", self.name));
            }
        }
        let before = Seen::now();
        let inside = NUMBER.run(1, || NUMBER.get());
        if inside != Some(1) || Seen::now() != before {
            self.run.complain(format!(
                "C-76: run in the drop of {} changed the frame",
                self.name
            ));
        }
        if self.spawns
            && let Ok(handle) = Handle::try_current()
        {
            let held = self.run.busy();
            let task = handle.spawn(async move { drop(held) });
            self.run.track(task.abort_handle());
        }
        self.run.value_dropped(self.serial);
    }
}

/// A value for a variable, before it is bound.
pub(crate) enum Made {
    Plain(&'static ContextVar<u64>, u64),
    Counted(&'static ContextVar<Value>, Value),
}

impl Made {
    pub(crate) fn new(run: &Arc<Run>, var: Var, name: u64, chained: bool) -> Self {
        let value = || Value {
            name,
            serial: run.value_made(),
            run: Arc::clone(run),
            _made_in: chained.then(Frame::current),
            spawns: chained,
        };
        match var.0 {
            0 => Made::Plain(&NUMBER, name),
            1 => Made::Counted(&SHARED, value()),
            2 => Made::Plain(&LIMIT, name),
            3 => Made::Counted(&TOKEN, value()),
            4 => Made::Counted(&FAR, value()),
            _ => Made::Plain(&FAR_TOKEN, name),
        }
    }

    /// Returns the serial number of a counted value, which identifies it in [`Run`].
    pub(crate) fn serial(&self) -> Option<u64> {
        match self {
            Made::Plain(..) => None,
            Made::Counted(_, value) => Some(value.serial),
        }
    }

    pub(crate) fn bind_one<R>(self, body: impl FnOnce() -> R) -> R {
        match self {
            Made::Plain(var, value) => var.run(value, body),
            Made::Counted(var, value) => var.run(value, body),
        }
    }
}

/// Calls a macro with the list of bindings, for all types of its one or two values.
macro_rules! with_list {
    ($made:expr, $bindings:ident => $use:expr) => {{
        use Made::{Counted, Plain};
        let mut made: Vec<Made> = $made;
        let second = if made.len() > 1 { made.pop() } else { None };
        match (made.pop().expect("a list of bindings is not empty"), second) {
            (Plain(a, x), None) => {
                let $bindings = bind(a, x);
                $use
            }
            (Counted(a, x), None) => {
                let $bindings = bind(a, x);
                $use
            }
            (Plain(a, x), Some(Plain(b, y))) => {
                let $bindings = bind(a, x).and(b, y);
                $use
            }
            (Plain(a, x), Some(Counted(b, y))) => {
                let $bindings = bind(a, x).and(b, y);
                $use
            }
            (Counted(a, x), Some(Plain(b, y))) => {
                let $bindings = bind(a, x).and(b, y);
                $use
            }
            (Counted(a, x), Some(Counted(b, y))) => {
                let $bindings = bind(a, x).and(b, y);
                $use
            }
        }
    }};
}

/// Runs `body` with the values bound. Without values, just calls it.
pub(crate) fn run_under<R>(made: Vec<Made>, body: impl FnOnce() -> R) -> R {
    if made.is_empty() {
        return body();
    }
    with_list!(made, bindings => bindings.run(body))
}

/// Wraps a future in a scope of the values. Without values, returns the future.
pub(crate) fn scoped<'a, F: Future<Output = ()> + Send + 'a>(
    made: Vec<Made>,
    future: F,
) -> futures::future::BoxFuture<'a, ()> {
    if made.is_empty() {
        return Box::pin(future);
    }
    with_list!(made, bindings => Box::pin(bindings.scope(future)))
}

/// Wraps a stream in a scope of the values.
pub(crate) fn scoped_stream<'a, S: futures::Stream<Item = ()> + Send + 'a>(
    made: Vec<Made>,
    stream: S,
) -> futures::stream::BoxStream<'a, ()> {
    with_list!(made, bindings => Box::pin(bindings.scope_stream(stream)))
}
