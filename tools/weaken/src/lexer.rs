//! A lexer for Rust sources: tokens and comments with their line and column.
//!
//! Decides what is code, and what is a string or a comment. Knows nothing about items or atomics;
//! `source.rs` consumes its result.

/// A token of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The identifier, the number, or the punctuation character. Empty for literals and lifetimes.
    pub(crate) text: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Identifier,
    Number,
    /// A string, a character or a lifetime. Its text is not kept.
    Opaque,
    Punctuation,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Opaque && self.text == text
    }

    pub(crate) fn is_identifier(&self) -> bool {
        self.kind == Kind::Identifier
    }
}

/// A line of a `//` comment, without the slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) line: u32,
    pub(crate) text: String,
}

/// Splits a source into tokens and comments.
pub(crate) fn lex(source: &str) -> (Vec<Token>, Vec<Comment>) {
    let mut lexer = Lexer {
        rest: source.chars().collect(),
        at: 0,
        line: 1,
        column: 1,
        tokens: Vec::new(),
        comments: Vec::new(),
    };
    while lexer.at < lexer.rest.len() {
        lexer.next();
    }
    (lexer.tokens, lexer.comments)
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
    line: u32,
    column: u32,
    tokens: Vec<Token>,
    comments: Vec<Comment>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.rest.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        c
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while self.at < self.rest.len() && wanted(self.peek(0)) {
            text.push(self.advance());
        }
        text
    }

    fn next(&mut self) {
        let (line, column) = (self.line, self.column);
        let c = self.peek(0);
        let (kind, text) = match c {
            _ if c.is_whitespace() => {
                self.advance();
                return;
            }
            '/' if self.peek(1) == '/' => {
                let text = self.take_while(|c| c != '\n');
                let text = text.trim_start_matches(['/', '!']).trim().to_owned();
                self.comments.push(Comment { line, text });
                return;
            }
            '/' if self.peek(1) == '*' => return self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            'r' | 'b' | 'c' if self.raw_string() => (Kind::Opaque, String::new()),
            'b' | 'c' if self.peek(1) == '"' => {
                self.advance();
                self.string()
            }
            'b' if self.peek(1) == '\'' => {
                self.advance();
                self.quote()
            }
            _ if c.is_alphabetic() || c == '_' => (Kind::Identifier, self.word()),
            _ if c.is_ascii_digit() => (Kind::Number, self.number()),
            _ => (Kind::Punctuation, self.advance().to_string()),
        };
        self.tokens.push(Token {
            kind,
            text,
            line,
            column,
        });
    }

    fn word(&mut self) -> String {
        self.take_while(|c| c.is_alphanumeric() || c == '_')
    }

    /// Reads a number. The `0` in `self.0.1` is a field, not the start of a fraction.
    fn number(&mut self) -> String {
        let is_field = self.tokens.last().is_some_and(|token| token.is("."));
        let mut text = self.word();
        if !is_field && self.peek(0) == '.' && self.peek(1).is_ascii_digit() {
            self.advance();
            text.push('.');
            text += &self.word();
        }
        text
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.rest.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.advance();
                    continue;
                }
            }
            self.advance();
            self.advance();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) -> (Kind, String) {
        self.advance();
        while self.at < self.rest.len() {
            match self.advance() {
                '\\' => {
                    self.advance();
                }
                '"' => break,
                _ => {}
            }
        }
        (Kind::Opaque, String::new())
    }

    /// Reads a character or a lifetime.
    fn quote(&mut self) -> (Kind, String) {
        self.advance();
        if self.peek(0) == '\\' {
            self.advance();
            self.advance();
            self.take_while(|c| c != '\'');
            self.advance();
        } else if self.peek(1) == '\'' {
            self.advance();
            self.advance();
        } else {
            self.word();
        }
        (Kind::Opaque, String::new())
    }

    /// Consumes `r"…"`, `r#"…"#`, `br"…"` or `cr"…"`; returns `false` if none starts here.
    fn raw_string(&mut self) -> bool {
        let prefix = if self.peek(0) == 'r' { 1 } else { 2 };
        if prefix == 2 && self.peek(1) != 'r' {
            return false;
        }
        let mut hashes = 0;
        while self.peek(prefix + hashes) == '#' {
            hashes += 1;
        }
        if self.peek(prefix + hashes) != '"' {
            return false;
        }
        for _ in 0..=prefix + hashes {
            self.advance();
        }
        while self.at < self.rest.len() {
            if self.advance() == '"' && (0..hashes).all(|n| self.peek(n) == '#') {
                break;
            }
        }
        for _ in 0..hashes {
            self.advance();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        let (tokens, _) = lex(source);
        let words = tokens.iter().filter(|token| token.is_identifier());
        words.map(|token| token.text.clone()).collect()
    }

    #[test]
    fn literals_and_comments_are_not_code() {
        let source = r###"
            a /* b /* c */ d */ "e \" f" // g
            r#"h " i"# 'j' '\'' b'k' '\u{1F600}' b"l" r"m\" n: &'o p
        "###;
        assert_eq!(words(source), ["a", "n", "p"]);
    }

    #[test]
    fn comments_keep_their_lines() {
        let (_, comments) = lex("x\n    /// one\ny // two\n");
        let found: Vec<_> = comments.iter().map(|c| (c.line, c.text.as_str())).collect();
        assert_eq!(found, [(2, "one"), (3, "two")]);
    }

    #[test]
    fn places_count_characters_from_one() {
        let (tokens, _) = lex("/* ä */ a\n \"ö\".b");
        let places: Vec<_> = tokens.iter().map(|t| (t.line, t.column)).collect();
        assert_eq!(places, [(1, 9), (2, 2), (2, 5), (2, 6)]);
    }

    #[test]
    fn tuple_fields_are_not_fractions() {
        let (tokens, _) = lex("self.0.1 + 1.5 + 0x1F");
        let numbers: Vec<_> = tokens
            .iter()
            .filter(|token| token.kind == Kind::Number)
            .map(|token| token.text.as_str())
            .collect();
        assert_eq!(numbers, ["0", "1", "1.5", "0x1F"]);
    }
}
