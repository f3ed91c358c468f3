//! Draws the ratios of `benches/RESULTS.md` as an SVG picture: a bar from the least to the greatest
//! of the paired ratios, and a dot at their median.
//!
//! `cargo run -p framewise-plot < benches/RESULTS.md > benches/ratios.svg`
//!
//! Reads the table of `compare`, whose last two columns are framewise / tokio and framewise / smol.
//! A rate is better if it is higher, so its ratio is inverted: left of the line framewise is always
//! better.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};

const ROW_HEIGHT: f64 = 26.0;
const LABEL_WIDTH: f64 = 210.0;
const PLOT_WIDTH: f64 = 520.0;
const TOP: f64 = 44.0;

/// The range of the logarithmic axis.
const RATIO_MIN: f64 = 0.02;
const RATIO_MAX: f64 = 20.0;

const PEERS: [(&str, &str); 2] = [("tokio", "#1f6feb"), ("smol", "#d97706")];

/// A median with the least and the greatest of its ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Ratio {
    median: f64,
    least: f64,
    greatest: f64,
}

impl Ratio {
    /// Reads `**0.61** (0.18 to 0.72)`.
    fn parse(cell: &str) -> Option<Self> {
        let rest = cell.trim().strip_prefix("**")?;
        let (median, rest) = rest.split_once("** (")?;
        let (least, greatest) = rest.strip_suffix(')')?.split_once(" to ")?;
        Some(Self {
            median: median.parse().ok()?,
            least: least.parse().ok()?,
            greatest: greatest.parse().ok()?,
        })
    }

    fn inverted(self) -> Self {
        Self {
            median: 1.0 / self.median,
            least: 1.0 / self.greatest,
            greatest: 1.0 / self.least,
        }
    }
}

/// A row of the table.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    ratios: [Option<Ratio>; 2],
}

fn parse(text: &str) -> Vec<Row> {
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').collect();
        let [name, unit, _, _, _, tokio, smol] = cells[..] else {
            return None;
        };
        if unit.contains("alloc") {
            return None; // A count, which has no spread.
        }
        let is_rate = unit.trim().ends_with("/s");
        let ratio = |cell| {
            let ratio = Ratio::parse(cell)?;
            Some(if is_rate { ratio.inverted() } else { ratio })
        };
        let ratios = [ratio(tokio), ratio(smol)];
        ratios.iter().any(Option::is_some).then(|| Row {
            name: name.trim().to_owned(),
            ratios,
        })
    });
    rows.collect()
}

fn x(ratio: f64) -> f64 {
    let place = (ratio.clamp(RATIO_MIN, RATIO_MAX) / RATIO_MIN).ln() / (RATIO_MAX / RATIO_MIN).ln();
    LABEL_WIDTH + place * PLOT_WIDTH
}

fn draw(rows: &[Row]) -> String {
    let (width, height) = (
        LABEL_WIDTH + PLOT_WIDTH + 20.0,
        TOP + ROW_HEIGHT * rows.len() as f64 + 10.0,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    let mut line = |text: String| {
        let _ = writeln!(svg, "{text}");
    };
    for ratio in [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] {
        let (x, stroke) = (x(ratio), if ratio == 1.0 { "#111111" } else { "#dddddd" });
        line(format!(
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{height}\" stroke=\"{stroke}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#555555\">{ratio}</text>",
            TOP - 6.0
        ));
    }
    for (index, (peer, color)) in PEERS.iter().enumerate() {
        let x = LABEL_WIDTH + 150.0 * index as f64;
        line(format!(
            "<circle cx=\"{x:.1}\" cy=\"14\" r=\"4\" fill=\"{color}\"/>\
             <text x=\"{:.1}\" y=\"18\">framewise / {peer}</text>",
            x + 9.0
        ));
    }
    for (index, row) in rows.iter().enumerate() {
        let middle = TOP + ROW_HEIGHT * (index as f64 + 0.5);
        line(format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LABEL_WIDTH - 10.0,
            middle + 4.0,
            row.name
        ));
        for (peer, (ratio, (_, color))) in row.ratios.iter().zip(PEERS).enumerate() {
            let Some(ratio) = ratio else { continue };
            let y = middle - 5.0 + 10.0 * peer as f64;
            line(format!(
                "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{color}\" \
                 stroke-width=\"2\"/><circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{color}\"/>",
                x(ratio.least),
                x(ratio.greatest),
                x(ratio.median)
            ));
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn main() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    let rows = parse(&text);
    if rows.is_empty() {
        return Err(io::Error::other("no row with a ratio on standard input"));
    }
    io::stdout().write_all(draw(&rows).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Ratio, draw, parse, x};

    const TABLE: &str = "\
| benchmark | unit | framewise | tokio | smol | framewise / tokio | framewise / smol |
|---|---|---:|---:|---:|---:|---:|
| spawn | ns/op | 1 | 2 | 3 | **0.50** (0.40 to 0.60) | |
| rate | msg/s | 1 | 2 | 3 | **0.50** (0.40 to 0.80) | **1.00** (1.00 to 1.00) |
| spawn | allocs/op | 1 | 1 | 1 | **1.00** (1.00 to 1.00) | |
";

    #[test]
    fn a_row_has_the_ratios_of_its_peers_and_a_rate_is_inverted() {
        let rows = parse(TABLE);
        assert_eq!(rows.len(), 2);
        let ratio = |median, least, greatest| {
            Some(Ratio {
                median,
                least,
                greatest,
            })
        };
        assert_eq!(rows[0].ratios, [ratio(0.5, 0.4, 0.6), None]);
        assert_eq!(
            rows[1].ratios,
            [ratio(2.0, 1.25, 2.5), ratio(1.0, 1.0, 1.0)]
        );
    }

    #[test]
    fn each_ratio_is_drawn_and_what_is_better_is_to_the_left() {
        assert!(x(0.5) < x(1.0) && x(1.0) < x(2.0));
        let svg = draw(&parse(TABLE));
        // Two in the legend, three ratios.
        assert_eq!(svg.matches("<circle").count(), 5);
    }
}
