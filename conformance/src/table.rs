//! Several reports side by side, as Markdown.

use std::collections::BTreeMap;
use std::fmt;

use crate::check_result::Failure;
use crate::item::Item;
use crate::report::{ItemState, Outcome, Report};

/// The maximum length of an item's text in a row.
const TEXT_MAX: usize = 64;

/// Reports side by side. `Display` writes it as Markdown: a row for each item of the contract, a
/// column for each report, and below it why an item failed or does not apply.
///
/// The same findings make the same text, so that a test can compare it with a file.
///
/// # Examples
///
/// ```
/// # use framewise_conformance::{BoxFuture, Executor, LocalBoxFuture};
/// use framewise_conformance::context::Frame;
/// use framewise_conformance::{Suite, Table};
/// use futures::executor::{ThreadPool, block_on};
///
/// struct Pool(ThreadPool);
///
/// impl Executor for Pool {
///     fn spawn(&self, task: BoxFuture<'static, ()>) {
///         self.0.spawn_ok(Frame::current().inherited().scope(task));
///     }
///
///     fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
///         block_on(future);
///     }
/// }
///
/// let pool = || Pool(ThreadPool::new().unwrap());
/// let report = Suite::executor("my pool", pool).only(&[25, 26]).run();
/// let table = Table::of(&[report]).to_string();
/// assert!(table.contains("| C-25 | Captured when `spawn` is called"));
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    reports: Vec<Report>,
}

impl Table {
    /// Makes the table of these reports, in this order.
    pub fn of(reports: &[Report]) -> Self {
        Self {
            reports: reports.to_vec(),
        }
    }

    /// Returns the items that at least one of the reports is about.
    fn items(&self) -> impl Iterator<Item = Item> {
        Item::all().filter(|&item| {
            self.reports
                .iter()
                .any(|report| report.state(item) != ItemState::Unchecked)
        })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| | What the contract says |")?;
        for report in &self.reports {
            write!(f, " {} |", report.subject())?;
        }
        write!(f, "\n|---|---|{}\n", "---|".repeat(self.reports.len()))?;
        for item in self.items() {
            write!(f, "| {item} | {} |", short(&item.text()))?;
            for report in &self.reports {
                write!(f, " {} |", cell(report.state(item)))?;
            }
            writeln!(f)?;
        }
        write!(f, "| | **held, of the items that apply** |")?;
        for report in &self.reports {
            let held = report.items(ItemState::Held).len();
            let failed = report.items(ItemState::Failed).len();
            write!(f, " {held} of {} |", held + failed)?;
        }
        writeln!(f)?;
        self.reports
            .iter()
            .try_for_each(|report| reasons(f, report))
    }
}

fn cell(state: ItemState) -> &'static str {
    match state {
        ItemState::Held => "held",
        ItemState::Failed => "**FAILED**",
        ItemState::NotApplicable => "–",
        ItemState::Unchecked => "",
    }
}

/// Writes, below the table, each cause with the items that it broke, and what does not apply.
fn reasons(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let (failed, missing) = (failed_by_cause(report), missing_by_reason(report));
    if failed.is_empty() && missing.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n## {}\n", report.subject())?;
    for (cause, items) in failed {
        writeln!(f, "- {}: {cause}", list(&items))?;
    }
    for (reason, items) in missing {
        writeln!(f, "- – {}: not applicable, {reason}", list(&items))?;
    }
    Ok(())
}

type Reasons = Vec<(String, Vec<Item>)>;

/// Returns one cause per item, the first that is known. The report has what the item's other checks
/// and start frames saw.
fn failed_by_cause(report: &Report) -> Reasons {
    by_reason(report.items(ItemState::Failed).into_iter().map(|item| {
        let failures = || report.failures().filter(|(found, _)| found.item == item);
        let known = failures().find(|(_, failure)| !failure.cause.is_empty());
        let shown = known.or_else(|| failures().next());
        (
            shown.map_or_else(String::new, |(_, failure)| likely(failure)),
            item,
        )
    }))
}

/// Returns why items do not apply at all: each item's first reason.
fn missing_by_reason(report: &Report) -> Reasons {
    let missing = report.items(ItemState::NotApplicable).into_iter();
    by_reason(missing.filter_map(|item| {
        let why = report.of(item).find_map(|found| match &found.outcome {
            Outcome::NotApplicable(why) => Some(why.clone()),
            _ => None,
        })?;
        Some((why, item))
    }))
}

/// Groups the items by reason, ordered by the first item of each.
fn by_reason(found: impl Iterator<Item = (String, Item)>) -> Reasons {
    let mut items: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for (reason, item) in found {
        let items = items.entry(reason).or_default();
        if !items.contains(&item) {
            items.push(item);
        }
    }
    let mut reasons: Reasons = items.into_iter().collect();
    reasons.iter_mut().for_each(|(_, items)| items.sort());
    reasons.sort_by(|(a, a_items), (b, b_items)| (a_items, a).cmp(&(b_items, b)));
    reasons
}

/// Returns the likely cause or, if the check knows none, what was expected and seen.
fn likely(failure: &Failure) -> String {
    if failure.cause.is_empty() {
        format!("expected {}, seen {}", failure.expected, failure.seen)
    } else {
        failure.cause.clone()
    }
}

fn list(items: &[Item]) -> String {
    let names: Vec<_> = items.iter().map(Item::to_string).collect();
    names.join(", ")
}

/// Returns the beginning of an item's text, cut between words and not within code.
fn short(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let whole = |text: &str| text.matches('`').count().is_multiple_of(2);
    let mut end = text.len();
    while end > TEXT_MAX || !whole(&text[..end]) {
        match text[..end].rfind(' ') {
            Some(space) => end = space,
            None => break,
        }
    }
    let cut = text[..end].trim_end_matches([',', ';', ':']);
    let dots = if end < text.len() { " …" } else { "" };
    format!("{cut}{dots}").replace('|', "\\|")
}

#[cfg(test)]
mod tests;
