//! The protocol between this command and the facade (`framewise_sync`, under `framewise_loom`): one
//! environment variable, and the lines of a record.

use std::collections::HashSet;

/// The variable that makes a test process record its sites or weaken one.
pub(crate) const VARIABLE: &str = "FRAMEWISE_SITES";

/// A site that a model reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reached {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) operation: String,
    pub(crate) orderings: Vec<String>,
}

/// Returns the variable's value for a process that records its sites.
pub(crate) fn record(file: &str) -> String {
    format!("record {file}")
}

/// Returns the variable's value for a process with one weakened operation.
pub(crate) fn mutate(place: &str, change: &str) -> String {
    format!("mutate {place} {change}")
}

/// Parses the lines of a record. Skips malformed lines.
pub(crate) fn parse(record: &str) -> HashSet<Reached> {
    record.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Reached> {
    let mut fields = line.split('\t').skip(1);
    Some(Reached {
        file: fields.next()?.to_owned(),
        line: fields.next()?.parse().ok()?,
        column: fields.next()?.parse().ok()?,
        operation: fields.next()?.to_owned(),
        orderings: fields
            .filter(|ordering| *ordering != "-")
            .map(str::to_owned)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read() {
        let text = "a_model\tx/y.rs\t3\t14\tcompare_exchange\tAcqRel\tAcquire\nnonsense\n\
                    a_model\tx/y.rs\t5\t1\tlock\t-\t-\n";
        let reached = parse(text);
        assert_eq!(reached.len(), 2);
        let exchange = reached.iter().find(|site| site.line == 3).unwrap();
        assert_eq!(exchange.orderings, ["AcqRel", "Acquire"]);
        let lock = reached.iter().find(|site| site.line == 5).unwrap();
        assert_eq!((lock.operation.as_str(), lock.orderings.len()), ("lock", 0));
    }

    #[test]
    fn the_variable_is_as_the_facade_reads_it() {
        assert_eq!(
            mutate("x/y.rs:3:14", "success=Relaxed"),
            "mutate x/y.rs:3:14 success=Relaxed"
        );
        assert_eq!(record("/t/r"), "record /t/r");
    }
}
