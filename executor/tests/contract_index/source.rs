//! The parts of source files that the index needs: tests, functions, and calls by name.
//!
//! It relies on rustfmt's layout, which CI checks: a function ends at the closing brace in its own
//! column.

use std::collections::BTreeMap;

/// Returns the number in a test's name: 26 for `c26_the_child_keeps_its_value`.
pub(crate) fn number_of(name: &str) -> Option<u32> {
    let (number, rest) = name.strip_prefix('c')?.split_once('_')?;
    let two_digits = number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit());
    if two_digits && !rest.is_empty() {
        number.parse().ok()
    } else {
        None
    }
}

/// A function's name and the lines of its body.
#[derive(Debug, PartialEq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_test: bool,
    body: Vec<&'a str>,
}

/// Returns the name in `fn name(…`, after any qualifiers of a function.
fn function_name(line: &str) -> Option<&str> {
    let mut rest = line;
    for prefix in ["pub(crate) ", "pub ", "const ", "async "] {
        rest = rest.strip_prefix(prefix).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// Returns the functions in `source`. A test is a function with a test attribute that is not
/// ignored.
pub(crate) fn functions(source: &str) -> Vec<Function<'_>> {
    let (mut is_test, mut is_ignored) = (false, false);
    let mut found = Vec::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        if line.starts_with("//") || line.is_empty() {
            continue;
        }
        if line.starts_with("#[") {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[framewise::test");
            is_ignored |= line.starts_with("#[ignore");
            continue;
        }
        if let Some(name) = function_name(line) {
            let mut body = vec![line];
            if !line.ends_with(['}', ';']) {
                let end = |line: &str| line.len() == indent + 1 && line.ends_with('}');
                for line in lines.by_ref() {
                    body.push(line);
                    if end(line) {
                        break;
                    }
                }
            }
            let is_test = is_test && !is_ignored;
            found.push(Function {
                name,
                is_test,
                body,
            });
        }
        (is_test, is_ignored) = (false, false);
    }
    found
}

impl Function<'_> {
    /// Returns `true` if the function calls a function of that name, or passes it on. Comments do
    /// not count.
    fn calls(&self, callee: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let code = self.body[1..]
            .iter()
            .map(|line| line.split("//").next().unwrap_or_default());
        let mut found =
            code.flat_map(|line| line.match_indices(callee).map(move |at| (line, at.0)));
        found.any(|(line, at)| {
            let before = line[..at].chars().next_back();
            let after = &line[at + callee.len()..];
            !before.is_some_and(is_word) && after.starts_with('(')
        })
    }
}

/// Returns, for each of these functions of one file, `true` if it calls one of `callees`, directly
/// or through other functions of the file.
pub(crate) fn reaching<'a>(functions: &[Function<'a>], callees: &[&'a str]) -> Vec<bool> {
    let mut reached: Vec<&str> = callees.to_vec();
    let mut reaches: BTreeMap<usize, ()> = BTreeMap::new();
    loop {
        let more: Vec<_> = functions
            .iter()
            .enumerate()
            .filter(|(index, function)| {
                !reaches.contains_key(index) && reached.iter().any(|callee| function.calls(callee))
            })
            .map(|(index, function)| (index, function.name))
            .collect();
        if more.is_empty() {
            break;
        }
        for (index, name) in more {
            reaches.insert(index, ());
            reached.push(name);
        }
    }
    (0..functions.len())
        .map(|index| reaches.contains_key(&index))
        .collect()
}

#[test]
fn tests_are_told_from_what_only_looks_like_one() {
    let source = "
#[test]
fn c01_one() {}
fn c02_no_test() {}
#[test]
#[ignore = \"not now\"]
fn c03_ignored() {}
#[test]
// Why.
#[should_panic]
fn c04_panics<T>() {}
#[test]
static NOT: u32 = 0;
fn c05_not_marked() {}
// #[test]
fn c06_commented_out() {}
mod inner {
    #[framewise::test]
    async fn c07_of_a_macro() {
        fn c08_inside() {}
    }
}
";
    let functions = functions(source);
    let tests: Vec<_> = functions
        .iter()
        .filter(|function| function.is_test)
        .map(|function| function.name)
        .collect();
    assert_eq!(tests, ["c01_one", "c04_panics", "c07_of_a_macro"]);
    assert_eq!(number_of("c07_x"), Some(7));
    assert_eq!(number_of("c7_x"), None);
    assert_eq!(number_of("c07"), None);
    assert_eq!(number_of("close_07"), None);
}

#[test]
fn calls_are_found_through_other_functions_of_the_file() {
    let source = "
fn helper(test: impl Fn()) {
    everywhere(|_| {
        test();
    });
}
#[test]
fn direct() {
    everywhere(|_| ());
}
#[test]
fn through() {
    let result = 1;
    helper(|| assert_eq!(result, 1));
}
#[test]
fn not_at_all() {
    // everywhere(|_| ());
    nearly_everywhere(|_| ());
    everywhere_else(|_| ());
}
";
    let functions = functions(source);
    assert_eq!(functions.len(), 4);
    assert_eq!(
        reaching(&functions, &["everywhere"]),
        [true, true, true, false]
    );
}
