//! The tests in a source file.
//!
//! It relies on rustfmt's layout, which CI checks: a function ends at the closing brace in its own
//! column.

/// A function of a source file.
#[derive(Debug, PartialEq)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_test: bool,
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
    let mut lines = source.lines();
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
            if !line.ends_with(['}', ';']) {
                let is_end = |line: &str| line.len() == indent + 1 && line.ends_with('}');
                // Its body has no tests.
                let _end = lines.by_ref().find(|line| is_end(line));
            }
            let is_test = is_test && !is_ignored;
            found.push(Function { name, is_test });
        }
        (is_test, is_ignored) = (false, false);
    }
    found
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
}
