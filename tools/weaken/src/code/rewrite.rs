//! Rewrites a source so that each mutant is a run-time choice.
//!
//! Owns the text of the choices, and the map from a place in the rewritten text to its mutants,
//! which is needed because some mutants do not compile.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;

use super::points::{Form, Point, Points};

/// The function that returns `true` if the mutant of that number is selected. Each file declares
/// it, because several crates may compile the file; `build.rs` decides which crate defines it.
const CHOICE: &str = "
#[inline(always)]
#[allow(unsafe_code, reason = \"only a mutant's copy has it\")]
fn mutant_is(number: u32) -> bool {
    unsafe extern \"Rust\" {
        safe fn framewise_mutant_is(number: u32) -> bool;
    }
    framewise_mutant_is(number)
}
";

/// The rewritten source.
pub(crate) struct Rewritten {
    pub(crate) text: String,
    /// The mutants that each piece of the text belongs to.
    pieces: Vec<(Range<usize>, Vec<usize>)>,
    /// The pieces among these that only a mutant runs.
    texts: Vec<(Range<usize>, Vec<usize>)>,
    functions: Vec<(Range<usize>, Vec<usize>)>,
}

/// Writes the choices into the source, except the rejected ones. The mutants' numbers start at
/// `first`.
pub(crate) fn rewrite(
    source: &str,
    points: &Points,
    rejected: &HashSet<usize>,
    first: usize,
) -> Rewritten {
    let mut order: Vec<&Point> = points.points.iter().collect();
    // Outer points come before inner ones; points of the same range keep their order.
    order.sort_by_key(|point| {
        let Range { start, end } = point.range;
        (start, start != end, std::cmp::Reverse(end))
    });
    let mut writer = Writer {
        source,
        order: &order,
        rejected,
        first,
        at: 0,
        out: Rewritten {
            text: String::new(),
            pieces: Vec::new(),
            texts: Vec::new(),
            functions: Vec::new(),
        },
    };
    writer.copy(0..source.len());
    writer.out.text.push_str(CHOICE);
    writer.out
}

struct Writer<'a> {
    source: &'a str,
    order: &'a [&'a Point],
    rejected: &'a HashSet<usize>,
    first: usize,
    at: usize,
    out: Rewritten,
}

impl Writer<'_> {
    /// Copies a piece of the source and applies the points in it.
    fn copy(&mut self, range: Range<usize>) {
        let mut from = range.start;
        while let Some(point) = self.order.get(self.at)
            && (point.range.end < range.end
                || point.range.end == range.end && from <= point.range.start)
            && point.range.start < range.end
        {
            self.at += 1;
            self.out
                .text
                .push_str(&self.source[from..point.range.start]);
            self.write(point);
            from = point.range.end;
        }
        self.out.text.push_str(&self.source[from..range.end]);
    }

    fn write(&mut self, point: &Point) {
        let ids: Vec<usize> = match &point.form {
            Form::Skip(id) | Form::Negate(id) | Form::True(id) | Form::False(id) => vec![*id],
            Form::Never(id) | Form::Instead(id, _) => vec![*id],
            Form::Return(texts) | Form::Order(texts) => texts.iter().map(|(id, _)| *id).collect(),
            Form::Decide(values) => values.iter().map(|(id, _)| *id).collect(),
            Form::Whole(ids) => ids.clone(),
        };
        let left: Vec<usize> = ids
            .into_iter()
            .filter(|id| !self.rejected.contains(id))
            .collect();
        if left.is_empty() {
            return self.copy(point.range.clone());
        }
        let start = self.out.text.len();
        let number = self.first + left[0];
        match &point.form {
            Form::Skip(_) => self.around(point, &format!("if !mutant_is({number}) {{ "), " }"),
            Form::Negate(_) => self.around(point, "((", &format!(") != mutant_is({number}))")),
            Form::Decide(values) => {
                let (mut before, mut after) = ("((".to_owned(), ")".to_owned());
                for (id, value) in values.iter().filter(|(id, _)| left.contains(id)) {
                    let number = self.first + id;
                    before.insert(0, '(');
                    after += &match value {
                        true => format!(" || mutant_is({number}))"),
                        false => format!(" && !mutant_is({number}))"),
                    };
                }
                self.around(point, &before, &(after + ")"));
            }
            Form::True(_) => self.around(point, "((", &format!(") || mutant_is({number}))")),
            Form::False(_) => self.around(point, "((", &format!(") && !mutant_is({number}))")),
            Form::Never(_) => {
                let _ = write!(self.out.text, "!mutant_is({number}) && ");
            }
            Form::Instead(_, text) => {
                let _ = write!(
                    self.out.text,
                    "(if mutant_is({number}) {{ {text} }} else {{ "
                );
                self.around(point, "", " })");
            }
            Form::Return(texts) => {
                for (id, value) in texts.iter().filter(|(id, _)| left.contains(id)) {
                    let number = self.first + id;
                    self.piece(
                        *id,
                        &format!(" if mutant_is({number}) {{ return {value}; }}"),
                    );
                }
            }
            Form::Order(texts) => {
                for (id, text) in texts.iter().filter(|(id, _)| left.contains(id)) {
                    let number = self.first + id;
                    self.piece(*id, &format!("if mutant_is({number}) {{ {text} }} else "));
                }
                self.around(point, "{ ", " }");
            }
            Form::Whole(_) => {
                self.copy(point.range.clone());
                return self.out.functions.push((start..self.out.text.len(), left));
            }
        }
        self.out.pieces.push((start..self.out.text.len(), left));
    }

    fn around(&mut self, point: &Point, before: &str, after: &str) {
        self.out.text.push_str(before);
        self.copy(point.range.clone());
        self.out.text.push_str(after);
    }

    fn piece(&mut self, id: usize, text: &str) {
        let start = self.out.text.len();
        self.out.text.push_str(text);
        let piece = (start..self.out.text.len(), vec![id]);
        self.out.texts.push(piece.clone());
        self.out.pieces.push(piece);
    }
}

impl Rewritten {
    /// Returns the mutants of the smallest piece at that line and column, both from 1.
    pub(crate) fn at(&self, line: usize, column: usize) -> &[usize] {
        self.smallest(&self.pieces, line, column)
    }

    /// Returns the mutants of the function at that place.
    pub(crate) fn of_function(&self, line: usize, column: usize) -> &[usize] {
        self.smallest(&self.functions, line, column)
    }

    /// Returns the last mutant before that place that `is_it` accepts, or else the last one of the
    /// function, which a loop may run before that place. Returns `None` in a text that only one
    /// mutant runs: an error there is of that mutant.
    pub(crate) fn skipped_before(
        &self,
        line: usize,
        column: usize,
        is_it: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if !self.smallest(&self.texts, line, column).is_empty() {
            return None;
        }
        let place = self.place(line, column);
        let of_function = self.of_function(line, column);
        let found = self.pieces.iter().filter_map(|(range, ids)| match ids[..] {
            [id] if of_function.contains(&id) && is_it(id) => Some((range.start, id)),
            _ => None,
        });
        let last = found.max_by_key(|&(start, _)| (start < place, start));
        last.map(|(_, id)| id)
    }

    fn smallest<'a>(
        &self,
        pieces: &'a [(Range<usize>, Vec<usize>)],
        line: usize,
        column: usize,
    ) -> &'a [usize] {
        let place = self.place(line, column);
        let there = pieces.iter().filter(|(range, _)| range.contains(&place));
        let smallest = there.min_by_key(|(range, _)| range.len());
        smallest.map_or(&[], |(_, ids)| ids)
    }

    fn place(&self, line: usize, column: usize) -> usize {
        let mut lines = self.text.split_inclusive('\n');
        let start: usize = lines.by_ref().take(line - 1).map(str::len).sum();
        let before = lines.next().unwrap_or_default().chars().take(column - 1);
        start + before.map(char::len_utf8).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::points;
    use super::*;

    fn rewritten(source: &str, rejected: &[&str]) -> (String, Vec<String>) {
        let points = points::find(source, true, &[]).expect("it parses");
        let of = |mutant: &points::Mutant| format!("{}: {}", mutant.change, mutant.code);
        let mutants: Vec<String> = points.mutants.iter().map(of).collect();
        let rejected = (0..mutants.len()).filter(|&id| rejected.contains(&mutants[id].as_str()));
        let text = rewrite(source, &points, &rejected.collect(), 0).text;
        syn::parse_file(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (text.replace(CHOICE, ""), mutants)
    }

    #[test]
    fn skipped_statements_and_decided_conditions() {
        let source =
            "fn f(x: &X) { if x.a() { x.b(); } else { x.f(); } while x.c() && !x.d() { x.e() } }";
        let (text, mutants) = rewritten(source, &[]);
        let expected_mutants = [
            "returns at once: if x.a() { x.b(); } else { x.f(); }",
            "moved behind the next: if x.a() { x.b(); } else { x.f(); }",
            "always: x.a()",
            "never: x.a()",
            "skipped: x.b();",
            "skipped: x.f();",
            "left out: x.c()",
            "left out: !x.d()",
            "skipped: x.e()",
        ];
        assert_eq!(mutants, expected_mutants);
        let (alone, _) = rewritten(source, &expected_mutants[..2]);
        let expected = "fn f(x: &X) { if ((((x.a()) || mutant_is(2)) && !mutant_is(3))) \
            { if !mutant_is(4) { x.b(); } } else { if !mutant_is(5) { x.f(); } } \
            while ((x.c()) || mutant_is(6)) && ((!x.d()) || mutant_is(7)) \
            { if !mutant_is(8) { x.e() } } }";
        assert_eq!(alone, expected);
        assert!(text.contains(
            "if mutant_is(1) { while x.c() && !x.d() { x.e() }\nif x.a() { x.b(); } else { x.f(); } } else"
        ));
    }

    #[test]
    fn values_operators_and_arguments() {
        let source = "fn f(x: &X) -> bool { x.a(Some(1)).min(x.n + 1) < 2 }";
        let (_, mutants) = rewritten(source, &[]);
        assert_eq!(
            mutants,
            [
                "returns true: x.a(Some(1)).min(x.n + 1) < 2",
                "returns false: x.a(Some(1)).min(x.n + 1) < 2",
                "`<` is `<=`: x.a(Some(1)).min(x.n + 1) < 2",
                "`min` is `max`: x.a(Some(1)).min(x.n + 1)",
                "`None`: Some(1)",
                "`+` is `-`: x.n + 1",
            ]
        );
    }

    #[test]
    fn each_statement_moves_but_no_let() {
        let source =
            "fn f(x: &X) { x.a(); x.b(); x.c() } fn g(x: &X) { x.a(); let y = x.b(); x.c(y); }";
        let (text, mutants) = rewritten(source, &[]);
        let moved = mutants.iter().filter(|mutant| mutant.starts_with("moved"));
        assert_eq!(moved.count(), 2);
        let chosen = "if mutant_is(1) { x.b();\nx.a();\nx.c(); } \
            else if mutant_is(2) { x.a();\nx.c();\nx.b(); } else { ";
        assert!(text.contains(chosen), "{text}");
    }

    #[test]
    fn places_map_back_to_mutants() {
        let source =
            "fn f(x: &X) {\n    if let Some(y) = x.a() {\n        y.b();\n    } else {}\n}";
        let points = points::find(source, true, &[]).expect("it parses");
        let rewritten = rewrite(source, &points, &HashSet::new(), 0);
        let changes = |line, column| {
            let ids = rewritten.at(line, column);
            ids.iter()
                .map(|&id| points.mutants[id].change.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(changes(2, 9), ["never"]);
        assert_eq!(changes(3, 9), ["skipped"]);
        assert!(changes(1, 1).is_empty());
        assert_eq!(rewritten.of_function(5, 1).len(), 2);
    }

    #[test]
    fn a_body_that_is_a_value_returns_the_others() {
        let (_, mutants) = rewritten("fn f() -> bool { false }", &[]);
        assert_eq!(mutants, ["returns true: false"]);
    }

    #[test]
    fn what_is_behind_a_cfg_or_const_has_none() {
        let source = "#[cfg(test)] fn f() { g(); } const fn h() -> u8 { g() + 1 } \
            mod m { fn f() { g(); } } impl fmt::Debug for X { fn fmt(&self) { g(); } }";
        assert!(rewritten(source, &[]).1.is_empty());
    }
}
