//! The table of all samples: medians, and ratios within a round.

use std::fmt::Write;

use framewise_benches::measure::quantile;

/// The samples, by name and unit in the order in which they first arrived.
pub(crate) struct Table {
    runtimes: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    unit: String,
    /// For each runtime, the rounds with their values.
    values: Vec<Vec<(usize, f64)>>,
}

impl Table {
    pub(crate) fn new(runtimes: &[String]) -> Self {
        Self {
            runtimes: runtimes.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds the sample of one runtime, given by its index, in one round.
    pub(crate) fn add(&mut self, name: &str, unit: &str, place: usize, round: usize, value: f64) {
        let known = |row: &Row| row.name == name && row.unit == unit;
        let row = match self.rows.iter().position(known) {
            Some(row) => row,
            None => {
                self.rows.push(Row {
                    name: name.to_owned(),
                    unit: unit.to_owned(),
                    values: vec![Vec::new(); self.runtimes.len()],
                });
                self.rows.len() - 1
            }
        };
        self.rows[row].values[place].push((round, value));
    }

    pub(crate) fn to_markdown(&self) -> String {
        let first = &self.runtimes[0];
        let mut text = format!("| benchmark | unit | {} |", self.runtimes.join(" | "));
        for peer in &self.runtimes[1..] {
            // Writing to a string cannot fail.
            let _ = write!(text, " {first} / {peer} |");
        }
        let columns = 2 * self.runtimes.len() - 1;
        let _ = writeln!(text, "\n|---|---|{}", "---:|".repeat(columns));
        for row in &self.rows {
            let _ = write!(text, "| {} | {} |", row.name, row.unit);
            for values in &row.values {
                let mut values: Vec<_> = values.iter().map(|(_, value)| *value).collect();
                let _ = match values.is_empty() {
                    true => write!(text, " |"),
                    false => write!(text, " {} |", digits(quantile(&mut values, 0.5))),
                };
            }
            for peer in &row.values[1..] {
                let mut ratios = row.ratios(peer);
                if ratios.is_empty() {
                    text.push_str(" |");
                    continue;
                }
                let middle = quantile(&mut ratios, 0.5);
                let (least, greatest) = (ratios[0], ratios[ratios.len() - 1]);
                let _ = write!(text, " **{middle:.2}** ({least:.2} to {greatest:.2}) |");
            }
            text.push('\n');
        }
        text
    }
}

impl Row {
    /// Returns the ratio of the first runtime's value to `peer`'s, for every round that has both.
    fn ratios(&self, peer: &[(usize, f64)]) -> Vec<f64> {
        let of_first = |round| {
            let mut values = self.values[0].iter();
            values.find(|(other, _)| *other == round)
        };
        peer.iter()
            // A value that is printed as 0.00 cannot be a divisor.
            .filter(|(_, value)| *value >= 0.005)
            .filter_map(|(round, value)| Some(of_first(*round)?.1 / value))
            .collect()
    }
}

/// Formats a value with about four significant digits.
fn digits(value: f64) -> String {
    match value.abs() {
        // Avoid "-0.00".
        ..0.005 => "0.00".to_owned(),
        1000.0.. => format!("{value:.0}"),
        100.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
