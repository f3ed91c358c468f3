//! Items of a test file, by lines: what to take out where something does not compile.
//!
//! tokio's sources are formatted, so an item ends with the next line that closes a brace at its own
//! indentation. No parser is needed, and the bodies of macros are found, too.

use crate::build::CompileError;

/// What was taken out.
pub(crate) enum Removed {
    /// A function, perhaps a test.
    Function(String),
    Other,
}

/// A test file. Removed text becomes blanks, so that the places of other errors stay right.
pub(crate) struct Items {
    text: Vec<u8>,
    /// The first byte of each line.
    lines: Vec<usize>,
    items: Vec<Item>,
}

#[derive(Clone)]
struct Item {
    kind: Kind,
    name: String,
    /// From its attributes to its end, in lines; the end is excluded.
    first: usize,
    end: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Function,
    Use,
    /// A module, or a macro that contains items.
    Container,
    Other,
}

impl Items {
    pub(crate) fn new(text: String) -> Self {
        let mut lines = vec![0];
        lines.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        let items = find_items(&text.lines().collect::<Vec<_>>());
        Self {
            text: text.into_bytes(),
            lines,
            items,
        }
    }

    /// Takes out the item that an error is in; of a `use` only the name.
    pub(crate) fn remove(&mut self, error: &CompileError) -> Option<Removed> {
        let line = self.lines.partition_point(|&start| start <= error.start) - 1;
        let item = self
            .items
            .iter()
            .filter(|item| item.kind != Kind::Container && (item.first..item.end).contains(&line))
            .max_by_key(|item| item.end - item.first)?
            .clone();
        if item.kind == Kind::Use && self.remove_name(error) {
            return Some(Removed::Other);
        }
        let end = self.lines.get(item.end).copied().unwrap_or(self.text.len());
        let start = self.lines[item.first];
        // An error in what is removed already.
        let was_there = self.text[start..end]
            .iter()
            .any(|byte| !byte.is_ascii_whitespace());
        self.blank(start, end);
        match item.kind {
            _ if !was_there => None,
            Kind::Function => Some(Removed::Function(item.name)),
            _ => Some(Removed::Other),
        }
    }

    /// Takes a name out of the braces of a `use`. Returns `false` if it is not alone in there.
    fn remove_name(&mut self, error: &CompileError) -> bool {
        let before = self.text[..error.start]
            .iter()
            .rev()
            .find(|byte| !byte.is_ascii_whitespace());
        let after = self.text[error.end..]
            .iter()
            .position(|byte| !byte.is_ascii_whitespace());
        let Some(after) = after.map(|at| error.end + at) else {
            return false;
        };
        if !matches!(before, Some(b'{' | b',')) || !matches!(self.text[after], b',' | b'}') {
            return false;
        }
        let end = after + usize::from(self.text[after] == b',');
        self.blank(error.start, end);
        true
    }

    fn blank(&mut self, start: usize, end: usize) {
        for byte in &mut self.text[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }

    pub(crate) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.text).into_owned()
    }
}

/// Returns the number of blanks before a line.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn find_items(lines: &[&str]) -> Vec<Item> {
    let mut items = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((kind, name)) = item_start(line.trim_start()) else {
            continue;
        };
        let indentation = indent(line);
        let ends = |line: &&str| indent(line) == indentation && line.trim_start().starts_with('}');
        let ends_here = {
            let line = line.trim_end();
            line.ends_with(';') || (line.ends_with('}') && line.contains('{'))
        };
        let end = if ends_here {
            Some(at + 1)
        } else {
            let close = lines[at + 1..].iter().position(|line| {
                ends(line) || (indent(line) == indentation && line.trim_end().ends_with(';'))
            });
            close.map(|after| at + 1 + after + 1)
        };
        let Some(end) = end else {
            continue;
        };
        items.push(Item {
            kind,
            name,
            first: first_attribute(lines, at, indentation),
            end,
        });
    }
    items
}

/// Returns the line of the first attribute or comment of the item at line `at`.
fn first_attribute(lines: &[&str], at: usize, indentation: usize) -> usize {
    let mut first = at;
    while first > 0 {
        let above = lines[first - 1];
        let text = above.trim_start();
        if indent(above) != indentation || text.is_empty() {
            break;
        }
        if text.starts_with("#[") || text.starts_with("//") {
            first -= 1;
        } else if text.starts_with(')') && text.contains(']') {
            // The end of an attribute on several lines.
            let start = lines[..first - 1].iter().rposition(|line| {
                indent(line) == indentation && line.trim_start().starts_with("#[")
            });
            let Some(start) = start else {
                break;
            };
            first = start;
        } else {
            break;
        }
    }
    first
}

/// Returns the kind and the name of the item that a line begins.
fn item_start(line: &str) -> Option<(Kind, String)> {
    let mut words = line.split_whitespace().peekable();
    while let Some(&word) = words.peek() {
        let is_qualifier = ["pub", "async", "unsafe", "const", "extern", "\"C\""].contains(&word)
            || word.starts_with("pub(");
        let is_constant = word == "const" && !line.contains("fn ");
        if !is_qualifier || is_constant {
            break;
        }
        words.next();
    }
    let word = words.next()?;
    let rest = words.next().unwrap_or_default();
    let name: String = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let kind = match word {
        "fn" => Kind::Function,
        "use" => Kind::Use,
        "mod" => Kind::Container,
        "struct" | "enum" | "trait" | "type" | "static" | "const" | "macro_rules!" => Kind::Other,
        word if word == "impl" || word.starts_with("impl<") => Kind::Other,
        word if word.ends_with('!') && line.trim_end().ends_with('{') => Kind::Container,
        _ => return None,
    };
    Some((kind, name))
}
