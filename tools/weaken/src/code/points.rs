//! The mutation points of a source: the places with a small mutation, and the mutations.
//!
//! Decides what is a mutant of the code between the atomic operations: a skipped call, a negated
//! condition, a moved statement, and so on. Code behind a `cfg` is not shipped in an ordinary build
//! and has no mutants; neither have `const fn`s, macros, and `impl`s of `Debug`. `points/visit.rs`
//! walks through a source, `points/syntax.rs` knows what a piece of it is. `rewrite.rs` turns the
//! points into text.

mod syntax;
mod visit;

use std::collections::HashSet;
use std::ops::Range;

use syn::spanned::Spanned as _;
use syn::visit::Visit;
use syn::{Block, Expr, Pat, ReturnType, Stmt};

use self::syntax::{does_call, is_act, is_drop, parts_of, values_of};

/// A mutant, as the table identifies it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mutant {
    pub(crate) function: String,
    pub(crate) change: String,
    /// The mutated code, shortened.
    pub(crate) code: String,
    /// The line on which the code begins.
    pub(crate) line: usize,
}

/// A piece of the source, and the form of the choice between it and its mutants. The numbers are
/// indices of mutants.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) range: Range<usize>,
    pub(crate) form: Form,
}

#[derive(Debug)]
pub(crate) enum Form {
    /// The statement, or expression of type `()`, is skipped.
    Skip(usize),
    /// The condition is negated.
    Negate(usize),
    /// The condition is replaced with true or with false.
    Decide(Vec<(usize, bool)>),
    /// The operand of `&&` is replaced with true.
    True(usize),
    /// The operand of `||` is replaced with false.
    False(usize),
    /// The condition that begins here and has a `let` never holds.
    Never(usize),
    /// The expression is replaced with another one.
    Instead(usize, String),
    /// The function returns this value at its start.
    Return(Vec<(usize, String)>),
    /// The statements run in another order.
    Order(Vec<(usize, String)>),
    /// A function's body, with all of its mutants.
    Whole(Vec<usize>),
}

/// The mutants and points of one source. Among points with the same range, the outer one comes
/// first.
#[derive(Debug, Default)]
pub(crate) struct Points {
    pub(crate) mutants: Vec<Mutant>,
    pub(crate) points: Vec<Point>,
}

/// Finds the points of a source. With `has_order`, statements move, too. Code that contains a text
/// of `ignored` has no mutants.
///
/// # Errors
///
/// If the source does not parse.
pub(crate) fn find(source: &str, has_order: bool, ignored: &[String]) -> Result<Points, String> {
    let file = syn::parse_file(source).map_err(|error| error.to_string())?;
    let mut finder = Finder {
        source,
        has_order,
        ignored,
        found: Points::default(),
        path: Vec::new(),
        decided: HashSet::new(),
    };
    finder.visit_file(&file);
    Ok(finder.found)
}

struct Finder<'a> {
    source: &'a str,
    has_order: bool,
    ignored: &'a [String],
    found: Points,
    /// The type and the functions that are being visited.
    path: Vec<String>,
    /// Expressions whose truth value already has a mutant, by their start and end.
    decided: HashSet<(usize, usize)>,
}

const SWAPS: [(&str, &str); 12] = [
    ("min", "max"),
    ("max", "min"),
    ("or", "and"),
    ("and", "or"),
    ("push_back", "push_front"),
    ("push_front", "push_back"),
    ("pop_front", "pop_back"),
    ("pop_back", "pop_front"),
    ("any", "all"),
    ("all", "any"),
    ("is_some", "is_none"),
    ("is_none", "is_some"),
];

impl Finder<'_> {
    fn text(&self, range: &Range<usize>) -> String {
        self.source[range.clone()].to_owned()
    }

    /// Adds a mutant of the code at the range.
    fn mutant(&mut self, change: impl Into<String>, range: &Range<usize>) -> usize {
        let line = self.source[..range.start].matches('\n').count() + 1;
        let lines = self.source[range.clone()].lines();
        let code = lines.map(|line| line.split("//").next().unwrap_or_default().trim());
        let code: String = code
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
            .join(" ");
        let short: String = code.chars().take(70).collect();
        self.found.mutants.push(Mutant {
            function: self.path.join("::"),
            change: change.into(),
            code: if short == code { code } else { short + "…" },
            line,
        });
        self.found.mutants.len() - 1
    }

    fn point(&mut self, range: Range<usize>, form: Form) {
        self.found.points.push(Point { range, form });
    }

    fn function(&mut self, name: String, signature: &syn::Signature, block: &Block) {
        if signature.constness.is_some() || matches!(name.as_str(), "new" | "fmt" | "default") {
            return;
        }
        self.path.push(name);
        let first = self.found.mutants.len();
        let returns = match &signature.output {
            ReturnType::Default => Vec::new(),
            ReturnType::Type(_, returned) => values_of(returned),
        };
        let range = block.span().byte_range();
        let mut values: Vec<(usize, String)> = Vec::new();
        if let Some(statement) = block.stmts.first() {
            let at = statement.span().byte_range();
            for value in returns {
                if block.stmts.len() == 1 && self.text(&at) == value {
                    // The body already returns this value.
                    continue;
                }
                values.push((
                    self.mutant(format!("returns {value}"), &at),
                    value.to_owned(),
                ));
            }
            if block.stmts.len() > 1 && matches!(signature.output, ReturnType::Default) {
                values.push((self.mutant("returns at once", &at), String::new()));
            }
        }
        if !values.is_empty() {
            self.point(range.start + 1..range.start + 1, Form::Return(values));
        }
        self.block(block, matches!(signature.output, ReturnType::Default));
        let mutants = (first..self.found.mutants.len()).collect();
        self.point(range, Form::Whole(mutants));
        self.path.pop();
    }

    /// Visits a block. `is_unit`: the block's last expression is known to be of type `()`.
    fn block(&mut self, block: &Block, is_unit: bool) {
        let count = block.stmts.len();
        let mut at = 0;
        while at < count {
            let mut end = at;
            while end + 1 < count
                && self.may_swap(
                    &block.stmts[end],
                    &block.stmts[end + 1],
                    is_unit || end + 2 < count,
                )
            {
                end += 1;
            }
            self.order(&block.stmts[at..=end]);
            at = end + 1;
        }
        for (index, statement) in block.stmts.iter().enumerate() {
            let range = statement.span().byte_range();
            // A final `drop` has no effect, because the value would be dropped here anyway.
            let ends_here = is_drop(statement) && !block.stmts[index + 1..].iter().any(does_call);
            match statement {
                Stmt::Expr(expr, semicolon)
                    if is_act(expr)
                        && !self.is_atomic(&range)
                        && !ends_here
                        && (semicolon.is_some() || index + 1 < count || is_unit) =>
                {
                    let id = self.mutant("skipped", &range);
                    self.point(range, Form::Skip(id));
                }
                Stmt::Local(local)
                    if matches!(local.pat, Pat::Wild(_)) && !self.is_atomic(&range) =>
                {
                    let id = self.mutant("skipped", &range);
                    self.point(range, Form::Skip(id));
                }
                _ => {}
            }
            let is_last = index + 1 == count;
            match statement {
                // The blocks of an `if` statement have its type.
                Stmt::Expr(expr, None) if is_unit || !is_last => self.unit(expr),
                statement => self.visit_stmt(statement),
            }
        }
    }

    /// Visits an expression of type `()`.
    fn unit(&mut self, expr: &Expr) {
        match expr {
            Expr::If(branch) => {
                self.branch(branch);
                self.block(&branch.then_branch, true);
                if let Some((_, other)) = &branch.else_branch {
                    self.unit(other);
                }
            }
            Expr::Block(inner) => self.block(&inner.block, true),
            Expr::Unsafe(inner) => self.block(&inner.block, true),
            Expr::Match(choice) => {
                self.visit_expr(&choice.expr);
                for arm in &choice.arms {
                    self.visit_pat(&arm.pat);
                    if is_act(&arm.body) {
                        let range = arm.body.span().byte_range();
                        let id = self.mutant("skipped", &range);
                        self.point(range, Form::Skip(id));
                    }
                    self.unit(&arm.body);
                }
            }
            expr => self.visit_expr(expr),
        }
    }

    fn is_ignored(&self, range: &Range<usize>) -> bool {
        let text = &self.source[range.clone()];
        self.ignored.iter().any(|ignored| text.contains(ignored))
    }

    /// Returns `true` for operations of the facade, which the other table's mutants skip.
    fn is_atomic(&self, range: &Range<usize>) -> bool {
        self.is_ignored(range) || self.source[range.clone()].contains("Ordering::")
    }

    /// Returns `true` if the order of the two may matter. Moving a `let` nearly never makes a
    /// difference, and another mutant skips a `drop`.
    fn may_swap(&self, first: &Stmt, second: &Stmt, second_is_unit: bool) -> bool {
        let is_movable = |statement: &Stmt, is_unit: bool| match statement {
            Stmt::Expr(Expr::Return(_) | Expr::Break(_) | Expr::Continue(_), _) => false,
            Stmt::Expr(_, semicolon) => (is_unit || semicolon.is_some()) && does_call(statement),
            Stmt::Local(_) | Stmt::Item(_) | Stmt::Macro(_) => false,
        };
        let is_ignored = |statement: &Stmt| self.is_ignored(&statement.span().byte_range());
        self.has_order
            && !is_drop(first)
            && ![first, second].into_iter().any(is_ignored)
            && is_movable(first, true)
            && is_movable(second, second_is_unit)
    }

    /// Adds the mutants that swap each of these statements with the next.
    fn order(&mut self, statements: &[Stmt]) {
        if statements.len() < 2 {
            return;
        }
        let ranges: Vec<_> = statements.iter().map(|s| s.span().byte_range()).collect();
        let text = |index: usize| {
            let text = &self.source[ranges[index].clone()];
            let end = if text.ends_with([';', '}']) { "" } else { ";" };
            format!("{text}{end}")
        };
        let texts: Vec<String> = (0..statements.len()).map(text).collect();
        let mut orders = Vec::new();
        for (first, range) in ranges.iter().enumerate().take(statements.len() - 1) {
            let mut moved = texts.clone();
            moved.swap(first, first + 1);
            let id = self.mutant("moved behind the next", range);
            orders.push((id, moved.join("\n")));
        }
        let whole = ranges[0].start..ranges[ranges.len() - 1].end;
        self.point(whole, Form::Order(orders));
    }

    /// Visits a condition. A condition of one part always holds or never does; from a condition of
    /// several parts, each is left out. `is_of_act`: the condition guards one statement, which
    /// another mutant skips.
    fn condition(&mut self, condition: &Expr, is_of_act: bool) {
        let mut parts = Vec::new();
        let operator = parts_of(condition, &mut parts);
        let range = condition.span().byte_range();
        if self.is_ignored(&range) {
            return;
        }
        if parts.iter().any(|part| matches!(part, Expr::Let(_))) {
            if !is_of_act {
                let id = self.mutant("never", &range);
                self.point(range.start..range.start, Form::Never(id));
            }
        } else if parts.len() == 1 {
            let mut decided = vec![(self.mutant("always", &range), true)];
            if !is_of_act {
                decided.push((self.mutant("never", &range), false));
            }
            self.decided.insert((range.start, range.end));
            self.point(range, Form::Decide(decided));
        }
        self.leave_out(&parts, operator);
    }

    /// Visits the condition of a loop.
    fn loop_condition(&mut self, condition: &Expr) {
        let range = condition.span().byte_range();
        if parts_of(condition, &mut Vec::new()).is_some() || matches!(condition, Expr::Let(_)) {
            return self.condition(condition, false);
        }
        let id = self.mutant("negated", &range);
        self.decided.insert((range.start, range.end));
        self.point(range, Form::Negate(id));
        self.visit_expr(condition);
    }

    fn branch(&mut self, branch: &syn::ExprIf) {
        let is_of_act = branch.else_branch.is_none()
            && matches!(branch.then_branch.stmts.as_slice(), [Stmt::Expr(expr, _)] if is_act(expr));
        self.condition(&branch.cond, is_of_act);
    }

    fn leave_out(&mut self, parts: &[&Expr], operator: Option<bool>) {
        for part in parts {
            let range = part.span().byte_range();
            if let Some(is_and) = operator
                && !matches!(part, Expr::Let(_))
            {
                let id = self.mutant("left out", &range);
                self.decided.insert((range.start, range.end));
                self.point(
                    range,
                    if is_and {
                        Form::True(id)
                    } else {
                        Form::False(id)
                    },
                );
            }
            self.visit_expr(part);
        }
    }

    fn instead(&mut self, change: String, range: Range<usize>, text: String) {
        let id = self.mutant(change, &range);
        self.point(range, Form::Instead(id, text));
    }

    /// Returns the expression with a piece of it replaced.
    fn replaced(&self, range: &Range<usize>, piece: &Range<usize>, by: &str) -> String {
        let before = &self.source[range.start..piece.start];
        format!("{before}{by}{}", &self.source[piece.end..range.end])
    }

    fn arguments<'e>(&mut self, arguments: impl Iterator<Item = &'e Expr>) {
        for argument in arguments {
            let range = argument.span().byte_range();
            match self.text(&range).as_str() {
                "true" => self.instead("`false`".to_owned(), range, "false".to_owned()),
                "false" => self.instead("`true`".to_owned(), range, "true".to_owned()),
                text if text.starts_with("Some(") && matches!(argument, Expr::Call(_)) => {
                    self.instead("`None`".to_owned(), range, "None".to_owned());
                }
                _ => {}
            }
        }
    }
}
