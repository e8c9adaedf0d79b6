//! Skimming: finds the end of a `define`'s body and vouches that the parser would accept it, without building anything.
//!
//! A chart brings a library of templates and runs a fraction of them; a body that was skimmed is built when it is first
//! executed. So that errors stay Go's, in Go's words and order, skimming knows only plain syntax and gives up (`None`) on
//! everything else, be it wrong or merely rare: the parser then reads the body as ever. What is skimmed is accepted by
//! the parser, with the same end (`skimmed_bodies_are_what_the_parser_accepts`; the fuzz target `template_parse`).

use memchr::memmem;

use super::builtins::Builtin;
use super::func::Registry;
use super::lexer::{find_left_delim, keyword};

/// How deep blocks and parentheses may be nested to be skimmed.
const MAX_NESTING: usize = 50;

/// A skimmed body.
pub(super) struct Skimmed {
    /// The offset after its `{{end}}`, and after the white space that this trims.
    pub(super) after: usize,
    /// Whether it is nothing but white space and comments.
    pub(super) blank: bool,
}

/// Skims the body that starts at an offset.
pub(super) fn body(text: &str, from: usize, funcs: &Registry) -> Option<Skimmed> {
    let mut skimmer =
        Skimmer { text: text.as_bytes(), at: from, funcs, variables: Vec::new(), blocks: Vec::new() };
    let mut blank = true;
    loop {
        let length = find_left_delim(skimmer.rest())?;
        if blank && let Some(b) = skimmer.rest()[..length].iter().find(|b| !is_space(**b)) {
            // White space that is rare.
            if !b.is_ascii_graphic() {
                return None;
            }
            blank = false;
        }
        skimmer.at += length + 2;
        if skimmer.opens_comment() {
            skimmer.comment()?;
            continue;
        }
        if skimmer.action()? {
            return Some(Skimmed { after: skimmer.at, blank });
        }
        blank = false;
    }
}

/// An open `if`, `with` or `range`.
struct Block {
    /// `if` or `with` in whose place `else if` or `else with` may stand; nothing else may follow a plain `else`.
    chains: Option<&'static [u8]>,
    /// Whether an `else` may follow.
    may_else: bool,
    /// How many variables were there before it.
    variables: usize,
}

struct Skimmer<'t> {
    text: &'t [u8],
    at: usize,
    funcs: &'t Registry,
    variables: Vec<&'t [u8]>,
    blocks: Vec<Block>,
}

/// What an operand is, as far as the parser's rules ask.
#[derive(PartialEq, Eq)]
enum Operand {
    /// A string, number, `true`, `nil` or dot: no later stage of a pipeline.
    Constant,
    /// Anything that may have fields.
    Other,
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(b: u8) -> bool {
    b == b'_' || b.is_ascii_alphanumeric()
}

impl<'t> Skimmer<'t> {
    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn spaces(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > start
    }

    /// Passes the trim marker after `{{`; whether a comment follows.
    fn opens_comment(&mut self) -> bool {
        if let [b'-', space, ..] = self.rest()
            && is_space(*space)
        {
            self.at += 2;
        }
        self.rest().starts_with(b"/*")
    }

    fn comment(&mut self) -> Option<()> {
        self.at += 2;
        self.at += memmem::find(self.rest(), b"*/")? + 2;
        self.right_delim()
    }

    /// `}}` or ` -}}`, with the white space that this trims. The blanks before it may have been passed.
    fn right_delim(&mut self) -> Option<()> {
        match self.rest() {
            [b'}', b'}', ..] => self.at += 2,
            [space, b'-', b'}', b'}', ..] if is_space(*space) => {
                self.at += 4;
                self.spaces();
            }
            [b'-', b'}', b'}', ..] if is_space(self.text[self.at - 1]) => {
                self.at += 3;
                self.spaces();
            }
            _ => return None,
        }
        Some(())
    }

    /// An action, from after its delimiter; true if it ends the body.
    fn action(&mut self) -> Option<bool> {
        self.spaces();
        let start = self.at;
        match self.word() {
            b"if" => self.open(Some(b"if"), start)?,
            b"with" => self.open(Some(b"with"), start)?,
            b"range" => self.open(None, start)?,
            b"else" => self.otherwise()?,
            b"end" => {
                self.spaces();
                self.right_delim()?;
                let Some(block) = self.blocks.pop() else { return Some(true) };
                self.variables.truncate(block.variables);
            }
            b"template" if self.spaces() => {
                match self.peek()? {
                    b'"' => self.quoted()?,
                    b'`' => self.raw()?,
                    _ => return None,
                }
                let space = self.spaces();
                if self.right_delim().is_none() {
                    if !space {
                        return None;
                    }
                    self.pipeline(false)?;
                    self.right_delim()?;
                }
            }
            _ => {
                self.at = start;
                self.pipeline(false)?;
                self.right_delim()?;
            }
        }
        Some(false)
    }

    fn open(&mut self, chains: Option<&'static [u8]>, start: usize) -> Option<()> {
        if self.blocks.len() >= MAX_NESTING {
            return None;
        }
        let is_range = self.text[start] == b'r';
        self.blocks.push(Block { chains, may_else: true, variables: self.variables.len() });
        if !self.spaces() {
            return None;
        }
        self.pipeline(is_range)?;
        self.right_delim()
    }

    /// What follows `else`.
    fn otherwise(&mut self) -> Option<()> {
        let space = self.spaces();
        let chains = match self.blocks.last()? {
            Block { may_else: true, chains, .. } => *chains,
            _ => return None,
        };
        if self.peek().is_some_and(is_word) {
            let word = self.word();
            if !space || Some(word) != chains || !self.spaces() {
                return None;
            }
            self.pipeline(false)?;
        } else if let Some(block) = self.blocks.last_mut() {
            block.may_else = false;
        }
        self.right_delim()
    }

    /// A pipeline up to, not including, its delimiter or closing parenthesis.
    fn pipeline(&mut self, is_range: bool) -> Option<()> {
        self.declarations(is_range)?;
        let mut first = true;
        loop {
            let operand = self.operand()?;
            if operand == Operand::Constant && !first {
                return None;
            }
            loop {
                let space = self.spaces();
                match self.peek()? {
                    b'|' | b')' | b'}' => break,
                    b'-' if self.rest().starts_with(b"-}}") => break,
                    _ if space => {
                        self.operand()?;
                    }
                    _ => return None,
                }
            }
            if self.peek() != Some(b'|') {
                return Some(());
            }
            self.at += 1;
            self.spaces();
            first = false;
        }
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`.
    fn declarations(&mut self, is_range: bool) -> Option<()> {
        let start = self.at;
        let mut declared = 0;
        while self.peek() == Some(b'$') {
            self.at += 1;
            let name_start = self.at;
            let empty = self.word().is_empty();
            let name = &self.text[name_start..self.at];
            let space = self.spaces();
            declared += 1;
            match self.rest() {
                [b':', b'=', ..] if !empty => self.at += 2,
                [b'=', ..] if !empty && space => self.at += 1,
                [b',', ..] if !empty && is_range && declared == 1 => {
                    self.at += 1;
                    self.spaces();
                    self.variables.push(name);
                    continue;
                }
                _ if declared == 1 => {
                    self.at = start;
                    return Some(());
                }
                _ => return None,
            }
            self.variables.push(name);
            self.spaces();
            return Some(());
        }
        (declared == 0).then_some(())
    }

    fn operand(&mut self) -> Option<Operand> {
        let kind = match self.peek()? {
            b'(' => {
                self.at += 1;
                self.parenthesised()?;
                Operand::Other
            }
            b'"' => {
                self.quoted()?;
                Operand::Constant
            }
            b'`' => {
                self.raw()?;
                Operand::Constant
            }
            b'$' => {
                self.at += 1;
                let name = self.word();
                if !name.is_empty() && !self.variables.contains(&name) {
                    return None;
                }
                self.terminated()?;
                Operand::Other
            }
            b'.' => {
                if self.text.get(self.at + 1).copied().is_some_and(|b| is_word(b) && !b.is_ascii_digit()) {
                    Operand::Other
                } else {
                    self.at += 1;
                    Operand::Constant
                }
            }
            b'0'..=b'9' => {
                let digits = self.word();
                let plain = digits.iter().all(u8::is_ascii_digit) && digits.len() <= 18;
                if !plain || (digits.len() > 1 && digits[0] == b'0') {
                    return None;
                }
                Operand::Constant
            }
            b if is_word(b) => {
                let word = self.word();
                self.terminated()?;
                match word {
                    b"true" | b"false" | b"nil" => Operand::Constant,
                    word => {
                        let word = std::str::from_utf8(word).ok()?;
                        let known = self.funcs.get(word).is_some() || Builtin::by_name(word).is_some();
                        if !known || keyword(word).is_some() {
                            return None;
                        }
                        Operand::Other
                    }
                }
            }
            _ => return None,
        };
        if kind == Operand::Other {
            self.fields()?;
        } else if !matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n' | b'|' | b')' | b'}') {
            return None;
        }
        Some(kind)
    }

    fn parenthesised(&mut self) -> Option<()> {
        if self.blocks.len() >= MAX_NESTING {
            return None;
        }
        // A place on the stack of blocks counts the nesting.
        self.blocks.push(Block { chains: None, may_else: false, variables: self.variables.len() });
        self.spaces();
        self.pipeline(false)?;
        if self.peek() != Some(b')') {
            return None;
        }
        self.at += 1;
        self.blocks.pop();
        Some(())
    }

    /// `.a.b` after an operand, or nothing.
    fn fields(&mut self) -> Option<()> {
        while self.peek() == Some(b'.') {
            self.at += 1;
            if self.word().first().is_none_or(u8::is_ascii_digit) {
                return None;
            }
            self.terminated()?;
        }
        Some(())
    }

    /// Letters, digits and underscores.
    fn word(&mut self) -> &'t [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Whether what follows may end a word (a delimiter with one brace is left to the parser).
    fn terminated(&self) -> Option<()> {
        match self.rest() {
            [b'}', b'}', ..] | [b' ' | b'\t' | b'\r' | b'\n' | b'.' | b'|' | b')', ..] => Some(()),
            _ => None,
        }
    }

    fn quoted(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\n' => return None,
                b'\\' => {
                    self.at += 1;
                    if !matches!(self.peek()?, b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'"')
                    {
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Some(())
    }

    fn raw(&mut self) -> Option<()> {
        self.at += 1;
        self.at += memchr::memchr(b'`', self.rest())? + 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::parser::{Build, parse};
    use crate::template::sprig;

    fn registry() -> Registry {
        let mut funcs = Registry::new();
        sprig::register(&mut funcs);
        funcs
    }

    /// What can be seen of a parsed text from outside: names, blankness and sizes of its definitions, or the error.
    fn outline(text: &str, funcs: &Registry, build: Build) -> String {
        match parse("t", text, Arc::from(text.as_bytes()), funcs, build) {
            Err(e) => e.to_string(),
            Ok(p) => {
                let define = |d: &crate::template::ast::Define| {
                    let nodes = d.body("t", &p.text, funcs).map(|b| b.nodes.len()).map_err(|e| e.to_string());
                    format!("{} {} {nodes:?}", d.name, d.blank)
                };
                let defines: Vec<String> = p.defines.iter().map(define).collect();
                format!("{defines:?} {} {}", p.root.nodes.len(), p.last_line)
            }
        }
    }

    const PLAIN: &[&str] = &[
        "{{end}}",
        " \n{{- /* a comment\n */ -}}\n {{- end -}}\n\n x",
        "text {{ .a.b }} {{- $.c -}} {{ $x := .d }}{{ $x }}{{ $x = 2 }}{{$y:=1}}{{$y}}{{ end }}",
        "{{ if .a }}1{{ else if eq .b 1 }}2{{ else }}3{{ end }}{{ end }}",
        "{{ with $w := .a }}{{ $w.b }}{{ else with .c }}{{ . }}{{ else }}-{{ end }}{{ end }}",
        "{{ range $i, $v := .l }}{{ $i }}{{ $v }}{{ else }}none{{ end }}{{ range .m }}{{ . }}{{ end }}{{ end }}",
        "{{ template \"x\" (dict \"a\" 1 \"b\" `raw \n`) }}{{ template \"y\" }}{{ template `z` . }}{{ end }}",
        "{{ (index .a 0).b | default true | quote }}{{ printf \"%s\\n\\t\" (.a | upper) }}{{ nil }}{{ end }}",
        "{{ tuple . 1 \"é }}\" | first }}{{ (($p := 1)) }}{{ $p }}{{ list\n 1\n 2 |\n last }}{{ end }}",
    ];

    const ODD: &[&str] = &[
        "{{ $x }}{{ end }}",
        "{{ if .a }}{{ $x := 1 }}{{ end }}{{ $x }}{{ end }}",
        "{{ if .a }}{{ else }}{{ else }}{{ end }}{{ end }}",
        "{{ range .a }}{{ else if .b }}{{ end }}{{ end }}",
        "{{ .a | 1 }}{{ end }}",
        "{{ .a | }}{{ end }}",
        "{{ }}{{ end }}",
        "{{ nosuch }}{{ end }}",
        "{{ $x=1 }}{{ end }}",
        "{{ .a.5 }}{{ end }}",
        "{{ true.x }}{{ end }}",
        "{{ \"a\".b }}{{ end }}",
        "{{ (.a }}{{ end }}",
        "{{ .a) }}{{ end }}",
        "{{ .a }{{ end }}",
        "{{template\"x\"}}{{ end }}",
        "{{ define \"y\" }}{{ end }}{{ end }}",
        "{{ block \"y\" . }}{{ end }}{{ end }}",
        "{{ break }}{{ end }}",
        "{{ range .a }}{{ if .b }}{{ break }}{{ end }}{{ end }}{{ end }}",
        "{{ /* no */ }}{{ end }}",
        "{{/* open }}{{ end }}",
        "{{ \"\\q\" }}{{ end }}",
        "{{ 'x' }}{{ 1.5 }}{{ -1 }}{{ 0x1F }}{{ 007 }}{{ 1i }}{{ end }}",
        "{{ .é }}{{ end }}",
        "\u{a0}\u{b}{{ end }}",
        "{{ end -}}",
        "{{ if }}{{ end }}{{ end }}",
        "{{ .a-}}{{ end }}",
        "no end",
    ];

    #[test]
    fn plain_bodies_are_skimmed() {
        let funcs = registry();
        for text in PLAIN {
            assert!(body(text, 0, &funcs).is_some(), "{text}");
        }
        let skimmed = body(PLAIN[1], 0, &funcs).expect("skimmed above");
        assert!(skimmed.blank && &PLAIN[1][skimmed.after..] == "x");
    }

    #[test]
    fn skimmed_bodies_are_what_the_parser_accepts() {
        let funcs = registry();
        let same = |text: &str| {
            assert_eq!(outline(text, &funcs, Build::NoDefines), outline(text, &funcs, Build::All), "{text}");
        };
        let all: Vec<&str> = PLAIN.iter().chain(ODD).copied().collect();
        for text in &all {
            same(&format!("\n{{{{define \"x\"}}}}{text}"));
            same(&format!("{{{{define \"x\"}}}}1{{{{end}}}}{{{{define \"x\"}}}}{text}\n{{{{ bad"));
        }
        // Pieces of them in any order: mostly wrong, each in its own way.
        let pieces: Vec<&str> = all.iter().flat_map(|t| t.split_inclusive(' ')).collect();
        let mut state = 7_usize;
        for _ in 0..4000 {
            let mut text = "{{define \"x\"}}".to_owned();
            for _ in 0..state % 9 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(state >> 33) % pieces.len()]);
            }
            state = state.wrapping_add(0x9E37_79B9) ^ (state >> 7);
            text.push_str("{{end}}{{end}}");
            same(&text);
        }
    }
}
