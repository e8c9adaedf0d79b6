//! A template's text as tokens, as Go's `text/template/parse/lex.go` cuts it, with its error texts.

use super::strconv::chars::{is_digit, is_letter, is_print};
use super::strconv::quote;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The text does not lex; the value says why.
    Error,
    /// `true` or `false`
    Bool,
    /// A single character that has no other meaning, such as a comma.
    Char,
    /// `'x'`
    CharConstant,
    /// `1+2i`
    Complex,
    /// `=`
    Assign,
    /// `:=`
    Declare,
    /// The end of the text.
    Eof,
    /// `.name`
    Field,
    /// `name`
    Identifier,
    /// `{{`
    LeftDelim,
    /// `(`
    LeftParen,
    /// A number.
    Number,
    /// `|`
    Pipe,
    /// A string in backquotes.
    RawString,
    /// `}}`
    RightDelim,
    /// `)`
    RightParen,
    /// Blanks between arguments.
    Space,
    /// A string in double quotes.
    String,
    /// Text outside of actions, trimmed.
    Text,
    /// `$` or `$name`
    Variable,
    /// `block`
    Block,
    /// `break`
    Break,
    /// `continue`
    Continue,
    /// `.`
    Dot,
    /// `define`
    Define,
    /// `else`
    Else,
    /// `end`
    End,
    /// `if`
    If,
    /// `nil`
    Nil,
    /// `range`
    Range,
    /// `template`
    Template,
    /// `with`
    With,
}

/// A token with its place. What an error says is [`Lexer::message`].
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// What it is.
    pub token: Token,
    /// Byte offset in the text.
    pub at: usize,
    /// One past its last byte.
    pub end: usize,
    /// The line where it starts, from 1.
    pub line: usize,
}

/// Which words are keywords depends on the functions: one called `break` hides the keyword.
#[derive(Debug, Clone, Copy)]
pub struct Keywords {
    /// `break` is a keyword.
    pub break_ok: bool,
    /// `continue` is a keyword.
    pub continue_ok: bool,
}

/// The lexer. Gives one token at a time.
pub struct Lexer<'t> {
    input: &'t str,
    at: usize,
    start: usize,
    at_end: bool,
    parens: i32,
    line: usize,
    start_line: usize,
    inside_action: bool,
    keywords: Keywords,
    message: Box<str>,
}

const LEFT: &str = "{{";
const RIGHT: &str = "}}";

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || is_letter(c) || is_digit(c)
}

fn is_space_byte(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

/// Where the next `{{` is.
pub(super) fn find_left_delim(text: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'{', text).find(|i| text.get(i + 1) == Some(&b'{'))
}

/// `-` after the delimiter and a blank after that.
fn trims_left(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() >= 2 && b[0] == b'-' && is_space_byte(b[1])
}

/// A blank and `-`; the closing delimiter must follow.
fn trims_right(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() >= 2 && is_space_byte(b[0]) && b[1] == b'-'
}

pub(super) fn keyword(word: &str) -> Option<Token> {
    Some(match word {
        "block" => Token::Block,
        "break" => Token::Break,
        "continue" => Token::Continue,
        "define" => Token::Define,
        "else" => Token::Else,
        "end" => Token::End,
        "if" => Token::If,
        "range" => Token::Range,
        "nil" => Token::Nil,
        "template" => Token::Template,
        "with" => Token::With,
        _ => return None,
    })
}

impl<'t> Lexer<'t> {
    /// A lexer over a text.
    #[must_use]
    pub fn new(input: &'t str, keywords: Keywords) -> Self {
        Self {
            input,
            at: 0,
            start: 0,
            at_end: false,
            parens: 0,
            line: 1,
            start_line: 1,
            inside_action: false,
            keywords,
            message: Box::default(),
        }
    }

    /// What the error token says; there is one at most.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The offset of what comes next.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Goes on at an offset, outside of any action.
    pub(super) fn skip_to(&mut self, at: usize) {
        self.at = at;
        self.ignore();
    }

    /// The next token. After an error there is only the end.
    pub fn next_item(&mut self) -> Item {
        if self.inside_action { self.action() } else { self.text() }
    }

    fn rest(&self) -> &'t str {
        &self.input[self.at..]
    }

    fn next(&mut self) -> Option<char> {
        let Some(c) = self.rest().chars().next() else {
            self.at_end = true;
            return None;
        };
        self.at += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn backup(&mut self) {
        if self.at_end {
            return;
        }
        if let Some(c) = self.input[..self.at].chars().next_back() {
            self.at -= c.len_utf8();
            if c == '\n' {
                self.line -= 1;
            }
        }
    }

    fn emit(&mut self, token: Token) -> Item {
        let item = Item { token, at: self.start, end: self.at, line: self.start_line };
        self.start = self.at;
        self.start_line = self.line;
        item
    }

    fn ignore(&mut self) {
        self.line += newlines(&self.input[self.start..self.at]);
        self.start = self.at;
        self.start_line = self.line;
    }

    fn error(&mut self, message: impl Into<Box<str>>) -> Item {
        let item = Item { token: Token::Error, at: self.start, end: self.start, line: self.start_line };
        self.message = message.into();
        self.start = 0;
        self.at = 0;
        self.input = "";
        item
    }

    fn accept(&mut self, valid: &str) -> bool {
        match self.next() {
            Some(c) if valid.contains(c) => true,
            _ => {
                self.backup();
                false
            }
        }
    }

    fn accept_run(&mut self, valid: &str) {
        while self.accept(valid) {}
    }

    /// Text up to the next action, with comments skipped.
    fn text(&mut self) -> Item {
        loop {
            let Some(length) = find_left_delim(self.rest().as_bytes()) else {
                self.at = self.input.len();
                if self.at == self.start {
                    return self.emit(Token::Eof);
                }
                self.line += newlines(&self.input[self.start..self.at]);
                return self.emit(Token::Text);
            };
            if length > 0 {
                self.at += length;
                let mut trimmed = 0;
                if trims_left(&self.input[self.at + LEFT.len()..]) {
                    let text = &self.input[self.start..self.at];
                    trimmed = text.len() - text.trim_end_matches(is_space).len();
                }
                self.at -= trimmed;
                self.line += newlines(&self.input[self.start..self.at]);
                let item = self.emit(Token::Text);
                self.at += trimmed;
                self.ignore();
                if item.end > item.at {
                    return item;
                }
            }
            if let Some(item) = self.left_delim() {
                return item;
            }
        }
    }

    /// `{{`, or a whole comment (then nothing).
    fn left_delim(&mut self) -> Option<Item> {
        self.at += LEFT.len();
        let marker = if trims_left(self.rest()) { 2 } else { 0 };
        if self.rest()[marker..].starts_with("/*") {
            self.at += marker;
            self.ignore();
            return self.comment();
        }
        let item = self.emit(Token::LeftDelim);
        self.inside_action = true;
        self.at += marker;
        self.ignore();
        self.parens = 0;
        Some(item)
    }

    fn comment(&mut self) -> Option<Item> {
        self.at += 2;
        let Some(length) = memchr::memmem::find(self.rest().as_bytes(), b"*/") else {
            return Some(self.error("unclosed comment"));
        };
        self.at += length + 2;
        let (closes, trims) = self.at_right_delim();
        if !closes {
            return Some(self.error("comment ends before closing delimiter"));
        }
        self.line += newlines(&self.input[self.start..self.at]);
        self.emit(Token::Text);
        if trims {
            self.at += 2;
        }
        self.at += RIGHT.len();
        if trims {
            self.skip_spaces();
        }
        self.ignore();
        None
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(is_space).len();
    }

    /// Whether an action closes here, and whether with a trim marker.
    fn at_right_delim(&self) -> (bool, bool) {
        let rest = self.rest();
        if trims_right(rest) && rest[2..].starts_with(RIGHT) {
            return (true, true);
        }
        (rest.starts_with(RIGHT), false)
    }

    fn right_delim(&mut self) -> Item {
        let (_, trims) = self.at_right_delim();
        if trims {
            self.at += 2;
            self.ignore();
        }
        self.at += RIGHT.len();
        let item = self.emit(Token::RightDelim);
        if trims {
            self.skip_spaces();
            self.ignore();
        }
        self.inside_action = false;
        item
    }

    fn action(&mut self) -> Item {
        // Most of what stands in an action is words.
        if self.input.as_bytes().get(self.at).is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
            return self.identifier();
        }
        if self.at_right_delim().0 {
            if self.parens == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.next() else { return self.error("unclosed action") };
        match c {
            c if is_space(c) => {
                self.backup();
                self.space()
            }
            '=' => self.emit(Token::Assign),
            ':' => {
                if self.next() == Some('=') {
                    self.emit(Token::Declare)
                } else {
                    self.error("expected :=")
                }
            }
            '|' => self.emit(Token::Pipe),
            '"' => self.quoted(b'"', Token::String, "unterminated quoted string"),
            '`' => self.raw_string(),
            '$' => {
                if self.at_terminator() {
                    self.emit(Token::Variable)
                } else {
                    self.field_or_variable(Token::Variable)
                }
            }
            '\'' => self.quoted(b'\'', Token::CharConstant, "unterminated character constant"),
            '.' if self.rest().as_bytes().first().is_some_and(|b| !b.is_ascii_digit()) => {
                self.field_or_variable(Token::Field)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.backup();
                self.number()
            }
            c if is_alphanumeric(c) => {
                self.backup();
                self.identifier()
            }
            '(' => {
                self.parens += 1;
                self.emit(Token::LeftParen)
            }
            ')' => {
                self.parens -= 1;
                if self.parens < 0 {
                    return self.error("unexpected right paren");
                }
                self.emit(Token::RightParen)
            }
            c if c.is_ascii() && is_print(c) => self.emit(Token::Char),
            c => self.error(format!("unrecognized character in action: {}", code_point(Some(c)))),
        }
    }

    fn space(&mut self) -> Item {
        let mut count = 0;
        while let Some(b) = self.input.as_bytes().get(self.at).filter(|b| is_space_byte(**b)) {
            self.line += usize::from(*b == b'\n');
            self.at += 1;
            count += 1;
        }
        let last = &self.input[self.at - 1..];
        if trims_right(last) && last[2..].starts_with(RIGHT) {
            self.backup();
            if count == 1 {
                return self.right_delim();
            }
        }
        self.emit(Token::Space)
    }

    fn alphanumerics(&mut self) {
        let ascii = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
        self.at += self.rest().bytes().take_while(ascii).count();
        while self.peek().is_some_and(|c| !c.is_ascii() && is_alphanumeric(c)) {
            self.next();
            self.at += self.rest().bytes().take_while(ascii).count();
        }
    }

    fn identifier(&mut self) -> Item {
        self.alphanumerics();
        let word = &self.input[self.start..self.at];
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", code_point(c)));
        }
        match keyword(word) {
            Some(Token::Break) if !self.keywords.break_ok => self.emit(Token::Identifier),
            Some(Token::Continue) if !self.keywords.continue_ok => self.emit(Token::Identifier),
            Some(token) => self.emit(token),
            None if word == "true" || word == "false" => self.emit(Token::Bool),
            None => self.emit(Token::Identifier),
        }
    }

    fn field_or_variable(&mut self, token: Token) -> Item {
        if self.at_terminator() {
            return self.emit(if token == Token::Variable { Token::Variable } else { Token::Dot });
        }
        self.alphanumerics();
        if !self.at_terminator() {
            let c = self.peek();
            return self.error(format!("bad character {}", code_point(c)));
        }
        self.emit(token)
    }

    /// Whether what follows may end an identifier.
    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn quoted(&mut self, mark: u8, token: Token, unterminated: &str) -> Item {
        let bytes = self.input.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'\\') => {
                    self.at += 1;
                    if matches!(self.next(), None | Some('\n')) {
                        return self.error(unterminated);
                    }
                    continue;
                }
                None | Some(b'\n') => return self.error(unterminated),
                Some(_) => self.at += 1,
            }
            if bytes[self.at - 1] == mark {
                return self.emit(token);
            }
        }
    }

    fn raw_string(&mut self) -> Item {
        loop {
            match self.next() {
                None => return self.error("unterminated raw quoted string"),
                Some('`') => return self.emit(Token::RawString),
                Some(_) => {}
            }
        }
    }

    fn number(&mut self) -> Item {
        let bad = |l: &mut Self| {
            let text = quote(&l.input.as_bytes()[l.start..l.at]);
            l.error(format!("bad number syntax: {text}"))
        };
        if !self.scan_number() {
            return bad(self);
        }
        if matches!(self.peek(), Some('+' | '-')) {
            if !self.scan_number() || !self.input[..self.at].ends_with('i') {
                return bad(self);
            }
            return self.emit(Token::Complex);
        }
        self.emit(Token::Number)
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        let exponent = match digits.len() {
            11 => "eE",
            23 => "pP",
            _ => "",
        };
        if !exponent.is_empty() && self.accept(exponent) {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_alphanumeric) {
            self.next();
            return false;
        }
        true
    }
}

/// Go's `%#U`.
fn code_point(c: Option<char>) -> String {
    match c {
        None => "U+FFFFFFFFFFFFFFFF".to_owned(),
        Some(c) if is_print(c) => format!("U+{:04X} '{c}'", u32::from(c)),
        Some(c) => format!("U+{:04X}", u32::from(c)),
    }
}
