//! A source file as `sites.rs` needs it: the function around each token, whether the token is
//! shipped, and which primitives the file's names stand for.
//!
//! Owns the recognition of items, which works on tokens and without types.

use std::collections::HashSet;

use crate::lexer::{Comment, Kind, Token, lex};

/// A parsed source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The path that the compiler uses, relative to the workspace.
    pub(crate) path: String,
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    /// For each token, the function around it and whether it is shipped.
    places: Vec<Place>,
    /// The names of out-of-line modules that are not shipped.
    pub(crate) unshipped_modules: Vec<String>,
    /// `true` if the file's atomics are the facade's, not `std`'s.
    pub(crate) atomics_are_facades: bool,
    /// The names of fields, arguments and variables, by the primitive that they hold.
    pub(crate) holders: Holders,
}

/// Names that stand for a primitive of the facade.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    pub(crate) mutexes: HashSet<String>,
    pub(crate) condvars: HashSet<String>,
    pub(crate) threads: HashSet<String>,
}

#[derive(Clone, Debug, Default)]
struct Place {
    function: String,
    unshipped: bool,
}

#[derive(Clone, Default)]
struct Scope {
    owner: String,
    function: String,
    unshipped: bool,
}

impl Source {
    /// Parses a file. `facade` is the crate whose primitives are sites.
    pub(crate) fn read(path: &str, text: &str, facade: &str) -> Self {
        let (tokens, comments) = lex(text);
        let (places, unshipped_modules) = places(&tokens);
        let uses = uses(&tokens);
        let atomics_are_facades = {
            let mut imports = uses
                .iter()
                .filter(|path| path.contains(&"Ordering"))
                .peekable();
            let nothing_imported = imports.peek().is_none();
            // `std::cmp::Ordering` is not an atomic ordering.
            nothing_imported
                || imports.any(|path| {
                    path.first() == Some(&facade) && path.contains(&"atomic")
                        || matches!(path.first(), Some(&("super" | "crate" | "self")))
                })
        };
        let holders = if uses.iter().any(|path| path.first() == Some(&facade))
            || tokens.iter().any(|token| token.is(facade))
        {
            Holders::find(&tokens, |name| {
                let imports = |path: &&Vec<&str>| path.contains(&name);
                uses.iter()
                    .filter(imports)
                    .all(|path| path.first() == Some(&facade))
            })
        } else {
            Holders::default()
        };
        Self {
            path: path.to_owned(),
            places,
            unshipped_modules,
            atomics_are_facades,
            holders,
            tokens,
            comments,
        }
    }

    /// Returns the function around a token.
    pub(crate) fn function(&self, token: usize) -> &str {
        &self.places[token].function
    }

    /// Returns `true` if a token is in code that only tests or models compile.
    pub(crate) fn is_unshipped(&self, token: usize) -> bool {
        self.places[token].unshipped
    }

    /// Returns the index of the token at that place.
    pub(crate) fn token_at(&self, line: u32, column: u32) -> Option<usize> {
        let at = |token: &Token| (token.line, token.column);
        self.tokens.binary_search_by_key(&(line, column), at).ok()
    }
}

/// Returns the identifiers of each `use`, in order.
fn uses(tokens: &[Token]) -> Vec<Vec<&str>> {
    let mut uses = Vec::new();
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        if token.is("use") {
            let path = rest.by_ref().take_while(|token| !token.is(";"));
            uses.push(
                path.filter(|token| token.is_identifier())
                    .map(|token| token.text.as_str())
                    .collect(),
            );
        }
    }
    uses
}

impl Holders {
    /// Finds `name: … Mutex<…>` and `struct Name(…, Mutex<…>)` whose `Mutex` is the facade's.
    fn find(tokens: &[Token], is_facades: impl Fn(&str) -> bool) -> Self {
        let mut holders = Self::default();
        for (index, token) in tokens.iter().enumerate() {
            let held = match token.text.as_str() {
                "Mutex" => &mut holders.mutexes,
                "Condvar" => &mut holders.condvars,
                "Thread" => &mut holders.threads,
                _ => continue,
            };
            if token.is_identifier() && root(tokens, index) != "std" && is_facades(&token.text) {
                held.extend(holder(tokens, index));
            }
        }
        holders
    }
}

/// Returns the first segment of the path that ends at `index`.
fn root(tokens: &[Token], mut index: usize) -> &str {
    while index >= 3 && tokens[index - 1].is(":") && tokens[index - 2].is(":") {
        index -= 3;
    }
    &tokens[index].text
}

/// Returns the name of the field, argument or variable whose type contains the token at `index`.
fn holder(tokens: &[Token], index: usize) -> Option<String> {
    let mut fields_before = 0;
    for at in (0..index).rev() {
        let token = &tokens[at];
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        match token.text.as_str() {
            ":" if before.is_some_and(|before| before.is(":")) => {}
            ":" if tokens[at + 1].is(":") => {}
            ":" => return before.filter(|t| t.is_identifier()).map(|t| t.text.clone()),
            "(" => {
                let is_struct = at >= 2 && tokens[at - 2].is("struct");
                return is_struct.then(|| fields_before.to_string());
            }
            "," => fields_before += 1,
            "<" | ">" | "&" | "dyn" | "pub" | "mut" => {}
            _ if token.kind == Kind::Identifier || token.kind == Kind::Opaque => {}
            _ => return None,
        }
    }
    None
}

/// Returns the place of each token, and the out-of-line modules that are not shipped.
fn places(tokens: &[Token]) -> (Vec<Place>, Vec<String>) {
    let mut walk = Walk {
        tokens,
        scopes: vec![Scope::default()],
        pending: None,
        unshipped_next: false,
        without_models: false,
        unshipped_modules: Vec::new(),
    };
    let mut places: Vec<Place> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let next = walk.step(at);
        let scope = walk.scope();
        let place = Place {
            function: scope.function.clone(),
            unshipped: scope.unshipped || walk.unshipped_next,
        };
        places.extend(std::iter::repeat_n(place, next - at));
        at = next;
    }
    (places, walk.unshipped_modules)
}

struct Walk<'a> {
    tokens: &'a [Token],
    scopes: Vec<Scope>,
    /// The scope that the next brace opens, if it is an item's.
    pending: Option<Scope>,
    /// `true` if the next item is behind a `cfg` that no user sets.
    unshipped_next: bool,
    /// ... and one that the models do not have.
    without_models: bool,
    unshipped_modules: Vec<String>,
}

impl Walk<'_> {
    fn scope(&self) -> &Scope {
        self.scopes.last().expect("the file's own scope stays")
    }

    /// Consumes the token at `at`, or several tokens; returns the index of the next token.
    fn step(&mut self, at: usize) -> usize {
        let token = &self.tokens[at];
        match token.text.as_str() {
            _ if token.kind == Kind::Opaque => {}
            "#" => return self.attribute(at),
            "fn" | "mod" | "trait" | "impl" => self.item(at),
            "{" => {
                let mut scope = self.pending.take().unwrap_or_else(|| self.scope().clone());
                scope.unshipped |= self.unshipped_next;
                self.unshipped_next = false;
                self.scopes.push(scope);
            }
            "}" if self.scopes.len() > 1 => {
                self.scopes.pop();
            }
            ";" => {
                self.pending = None;
                self.unshipped_next = false;
            }
            _ => {}
        }
        at + 1
    }

    fn item(&mut self, at: usize) {
        let scope = self.scope().clone();
        let name = self.tokens.get(at + 1);
        let name = name.filter(|name| name.is_identifier());
        match (self.tokens[at].text.as_str(), name) {
            ("fn", Some(name)) => {
                let function = match scope.owner.as_str() {
                    "" => name.text.clone(),
                    owner => format!("{owner}::{}", name.text),
                };
                self.pending = Some(Scope { function, ..scope });
            }
            ("trait", Some(name)) => {
                let owner = name.text.clone();
                self.pending = Some(Scope { owner, ..scope });
            }
            ("mod", Some(name)) => {
                // A file that the models do not have in this place they may have in another.
                if self.unshipped_next
                    && !self.without_models
                    && self.tokens.get(at + 2).is_some_and(|t| t.is(";"))
                {
                    self.unshipped_modules.push(name.text.clone());
                }
                self.pending = Some(scope);
            }
            // An `impl` in a signature's type leaves the function's scope pending.
            ("impl", _) if self.pending.is_none() => {
                let owner = implemented(&self.tokens[at + 1..]);
                self.pending = Some(Scope { owner, ..scope });
            }
            _ => {}
        }
    }

    /// Consumes an attribute; returns the index of the next token.
    fn attribute(&mut self, at: usize) -> usize {
        let inner = self.tokens.get(at + 1).is_some_and(|token| token.is("!"));
        let open = at + 1 + usize::from(inner);
        if !self.tokens.get(open).is_some_and(|token| token.is("[")) {
            return at + 1;
        }
        let end = open + closing(&self.tokens[open..]);
        let words: Vec<&str> = self.tokens[open..end]
            .iter()
            .filter(|token| token.is_identifier())
            .map(|token| token.text.as_str())
            .collect();
        let for_models =
            |word: &&str| *word == "test" || word.ends_with("_loom") || word.ends_with("_shuttle");
        // Under `any(…)`, every condition must be for a model or a test.
        let is_any_or_for_models = |word: &&str| *word == "any" || for_models(word);
        let unshipped = words.first() == Some(&"cfg")
            && match words.iter().position(|word| *word == "not") {
                // `all(…, not(any(…)))`: the models do not have it, and so cannot reach it.
                Some(not) => {
                    !words[..not].contains(&"any")
                        && !words[not..].contains(&"test")
                        && words[not + 1..].iter().all(is_any_or_for_models)
                }
                None if words.contains(&"any") => words[1..].iter().all(is_any_or_for_models),
                None => words.iter().any(for_models),
            };
        if unshipped && inner {
            self.scopes
                .last_mut()
                .expect("the file's own scope stays")
                .unshipped = true;
        } else {
            self.unshipped_next |= unshipped;
            self.without_models = words.contains(&"not");
        }
        end
    }
}

/// Returns the number of tokens from this opening bracket to its closing bracket.
pub(crate) fn closing(tokens: &[Token]) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Punctuation {
            continue;
        }
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth -= 1;
                if depth == 0 {
                    return index + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Returns the name of the type that an `impl` is for.
fn implemented(tokens: &[Token]) -> String {
    let mut angles = 0;
    let mut name = String::new();
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "<" => angles += 1,
            ">" if index > 0 && tokens[index - 1].is("-") => {}
            ">" => angles -= 1,
            "{" | ";" | "where" if angles == 0 => break,
            "for" if angles == 0 => name.clear(),
            _ if angles == 0 && token.is_identifier() => name.clone_from(&token.text),
            _ => {}
        }
    }
    name
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
