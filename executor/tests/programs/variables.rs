//! The variables that programs bind, their observed values, and values that report their drop.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, Once};

use framewise::context::{BindingList, Bindings as Binding, without};
use framewise::runtime::Handle;
use framewise::{ContextVar, DefaultVar, Frame, bind};

use crate::real::run::Run;
use crate::work::WorkSeen;

static NUMBER: ContextVar<u64> = ContextVar::new("number").mirrored(
    |value| entered(&NUMBER_TOLD, *value),
    |value| left(&NUMBER_TOLD, *value),
);
static SHARED: ContextVar<Value> = ContextVar::new("shared").mirrored(
    |value| entered(&SHARED_TOLD, value.name),
    |value| left(&SHARED_TOLD, value.name),
);
static LIMIT: DefaultVar<u64> = DefaultVar::new("limit", LIMIT_DEFAULT);
static TOKEN: ContextVar<Value> = ContextVar::new("token").not_inherited();
static FAR: ContextVar<Value> = ContextVar::new("far");
static FAR_TOKEN: ContextVar<u64> = ContextVar::new("far_token").not_inherited();
static HANDED: ContextVar<u64> = ContextVar::new("handed").inherit_with(handed_over);

const LIMIT_DEFAULT: u64 = 3;

/// What is added to the value of `HANDED` for each task; it is handed over once.
const GENERATION: u64 = 1_000_000;

/// What a task gets of `HANDED`.
fn handed_over(value: &u64) -> Option<u64> {
    (*value < GENERATION).then_some(value + GENERATION)
}

thread_local! {
    /// What the callbacks of the mirrored variables told this thread.
    static NUMBER_TOLD: Cell<Option<u64>> = const { Cell::new(None) };
    static SHARED_TOLD: Cell<Option<u64>> = const { Cell::new(None) };
}

type Told = std::thread::LocalKey<Cell<Option<u64>>>;

/// What a thread was told if a value was entered or left twice.
const BROKEN: Option<u64> = Some(u64::MAX);

fn entered(told: &'static Told, value: u64) {
    told.set(match told.get() {
        None => Some(value),
        Some(_) => BROKEN,
    });
}

fn left(told: &'static Told, value: u64) {
    told.set(if told.get() == Some(value) {
        None
    } else {
        BROKEN
    });
}

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
    pub(crate) const HANDED: Var = Var(6);

    /// Plain or counted, inherited or not, mirrored or not, with a default or without, inline in
    /// the frame or in a second-level table.
    pub(crate) const ALL: &'static [Var] = &[
        Self::NUMBER,
        Self::SHARED,
        Self::LIMIT,
        Self::TOKEN,
        Self::FAR,
        Self::FAR_TOKEN,
        Self::HANDED,
    ];

    /// The variables whose values report their drop.
    pub(crate) const COUNTED: &'static [Var] = &[Self::SHARED, Self::TOKEN, Self::FAR];

    pub(crate) fn name(self) -> &'static str {
        let names = [
            "number",
            "shared",
            "limit",
            "token",
            "far",
            "far_token",
            "handed",
        ];
        names[usize::from(self.0)]
    }

    /// Returns what a task gets of the value.
    pub(crate) fn inherited(self, value: u64) -> Option<u64> {
        match self {
            Self::TOKEN | Self::FAR_TOKEN => None,
            Self::HANDED => handed_over(&value),
            _ => Some(value),
        }
    }

    pub(crate) fn default(self) -> Option<u64> {
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
            5 => FAR_TOKEN.get(),
            _ => HANDED.get(),
        }
    }
}

/// The values of all variables at one moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seen {
    pub(crate) values: [Option<u64>; 7],
    /// What the callbacks of the mirrored variables told the thread: C-93.
    pub(crate) told: [Option<u64>; 2],
    /// What the frame says of the end of its work.
    pub(crate) work: WorkSeen,
}

impl Seen {
    /// Reads the variables in the current frame.
    pub(crate) fn now() -> Self {
        Self {
            values: std::array::from_fn(|index| Var::ALL[index].read()),
            told: [NUMBER_TOLD.get(), SHARED_TOLD.get()],
            work: WorkSeen::now(),
        }
    }

    /// Returns `true` if the variables are the same. Work can end meanwhile.
    fn has_values_of(&self, other: &Self) -> bool {
        (self.values, self.told) == (other.values, other.told)
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut any = false;
        for (var, value) in Var::ALL.iter().zip(self.values) {
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
        if !any {
            f.write_str("nothing bound")?;
        }
        if !self.work.is_none() {
            write!(f, " ({:?})", self.work)?;
        }
        if self.told != [self.values[0], self.values[1]] {
            write!(f, " (C-93: the thread was told {:?})", self.told)?;
        }
        Ok(())
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
        if inside != Some(1) || !before.has_values_of(&Seen::now()) {
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
            5 => Made::Plain(&FAR_TOKEN, name),
            _ => Made::Plain(&HANDED, name),
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

/// Calls `then` with a list that removes the variables.
fn list_without(vars: &[Var], then: impl UseList) {
    fn and(list: Binding<impl BindingList + Send + 'static>, vars: &[Var], then: impl UseList) {
        let Some((var, rest)) = vars.split_first() else {
            return then.call(list);
        };
        assert!(rest.is_empty(), "a statement has two bindings at most");
        match var.0 {
            0 => then.call(list.without(&NUMBER)),
            1 => then.call(list.without(&SHARED)),
            2 => then.call(list.without(&LIMIT)),
            3 => then.call(list.without(&TOKEN)),
            4 => then.call(list.without(&FAR)),
            5 => then.call(list.without(&FAR_TOKEN)),
            _ => then.call(list.without(&HANDED)),
        }
    }
    let rest = &vars[1..];
    match vars[0].0 {
        0 => and(without(&NUMBER), rest, then),
        1 => and(without(&SHARED), rest, then),
        2 => and(without(&LIMIT), rest, then),
        3 => and(without(&TOKEN), rest, then),
        4 => and(without(&FAR), rest, then),
        5 => and(without(&FAR_TOKEN), rest, then),
        _ => and(without(&HANDED), rest, then),
    }
}

/// A use of a list of any type.
trait UseList {
    fn call<L: BindingList + Send + 'static>(self, list: Binding<L>);
}

/// Runs `body` without the variables.
pub(crate) fn run_without(vars: &[Var], body: impl FnOnce()) {
    struct Run<F>(F);
    impl<F: FnOnce()> UseList for Run<F> {
        fn call<L: BindingList + Send + 'static>(self, list: Binding<L>) {
            list.run(self.0);
        }
    }
    list_without(vars, Run(body));
}

/// Wraps a future in a scope without the variables.
pub(crate) fn scoped_without<'a, F: Future<Output = ()> + Send + 'a>(
    vars: &[Var],
    future: F,
) -> futures::future::BoxFuture<'a, ()> {
    struct Wrap<'o, 'a, F>(F, &'o mut Option<futures::future::BoxFuture<'a, ()>>);
    impl<'a, F: Future<Output = ()> + Send + 'a> UseList for Wrap<'_, 'a, F> {
        fn call<L: BindingList + Send + 'static>(self, list: Binding<L>) {
            *self.1 = Some(Box::pin(list.scope(self.0)));
        }
    }
    let mut scoped = None;
    list_without(vars, Wrap(future, &mut scoped));
    scoped.expect("the list was used")
}
