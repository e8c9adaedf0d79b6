//! Tokens to tree, as Go's `text/template/parse/parse.go` does it, with its error texts and its line numbers.

use std::rc::Rc;
use std::sync::Arc;

use super::ast::{
    Body, Branch, Callee, Chain, Command, Define, Expr, Invoke, Name, Node, Parsed, Pipe, Pos, Variable,
};
use super::builtins::Builtin;
use super::error::ParseError;
use super::func::Registry;
use super::hash::QuickMap;
use super::lexer::{Item, Keywords, Lexer, Token};
use super::list::List;
use super::number::number;
use super::plain;
use super::stack::roomy;
use super::strconv::{quote, unquote};

/// How deep parentheses may be nested: Go's own limit.
const MAX_PARENS: usize = 10_000;
/// How deep actions may be nested. Go has no limit.
const MAX_NESTING: usize = 20_000;
/// The largest text that is parsed, in bytes.
const MAX_TEXT: usize = 256 << 20;

/// How much of a text is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Build {
    /// Everything.
    All,
    /// What is plain is read by `plain`, which leaves the bodies of `define`s for later.
    NoDefines,
}

/// Parses a text. `name` is only for messages. `shared` is the text as the result keeps it.
pub(super) fn parse(
    name: &str,
    text: &str,
    shared: Arc<[u8]>,
    funcs: &Registry,
    build: Build,
) -> Result<Parsed, ParseError> {
    if text.len() > MAX_TEXT {
        let message = format!("a template of {} bytes is larger than the limit of {MAX_TEXT}", text.len());
        return Err(ParseError { name: name.to_owned(), line: 1, message });
    }
    if build == Build::NoDefines
        && let Some((root, defines)) = plain::whole(text, funcs)
    {
        return Ok(Parsed { text: shared, root, defines, last_line: None, depth: plain::MAX_NESTING });
    }
    let mut parser = Parser::new(name, text, funcs, build);
    let root = parser.root()?;
    let (last_line, depth, defines) = (parser.tree.token[0].line, parser.depth, parser.defines);
    Ok(Parsed { text: shared, root, defines, last_line: Some(last_line), depth })
}

/// Builds a body that was skimmed and is not plain, from its offset.
pub(super) fn parse_skimmed(name: &str, text: &str, from: Pos, funcs: &Registry) -> Result<Body, ParseError> {
    let mut parser = Parser::new(name, text, funcs, Build::All);
    parser.lexer.skip_to(from as usize);
    parser.list().map(|(body, _)| body)
}

/// What Go keeps per tree: every `define` and `block` has its own look-ahead, variables and counters.
struct Tree {
    token: [Item; 3],
    peeked: usize,
    vars: Vec<u32>,
    action_line: usize,
    ranges: usize,
    parens: usize,
}

impl Default for Tree {
    fn default() -> Self {
        let none = || Item { token: Token::Eof, at: 0, end: 0, line: 0 };
        Self {
            token: [none(), none(), none()],
            peeked: 0,
            vars: vec![0],
            action_line: 0,
            ranges: 0,
            parens: 0,
        }
    }
}

struct Parser<'t> {
    name: &'t str,
    text: &'t str,
    funcs: &'t Registry,
    lexer: Lexer<'t>,
    tree: Tree,
    build: Build,
    defines: Vec<Define>,
    variables: QuickMap<&'t str, (u32, Rc<str>)>,
    /// Nodes, commands and operands of the lists that are open: each list takes its own from the end.
    nodes: Vec<Node>,
    cmds: Vec<Command>,
    args: Vec<Expr>,
    nesting: usize,
    depth: usize,
}

/// A node, or what ends a list of nodes.
enum Piece {
    Node(Node),
    End,
    Else,
}

type Parse<T> = Result<T, ParseError>;

fn offset(at: usize) -> Pos {
    Pos::try_from(at).expect("texts are smaller than MAX_TEXT")
}

impl<'t> Parser<'t> {
    fn new(name: &'t str, text: &'t str, funcs: &'t Registry, build: Build) -> Self {
        let keywords =
            Keywords { break_ok: funcs.get("break").is_none(), continue_ok: funcs.get("continue").is_none() };
        let mut parser = Self {
            name,
            text,
            funcs,
            lexer: Lexer::new(text, keywords),
            tree: Tree::default(),
            build,
            defines: Vec::new(),
            variables: QuickMap::default(),
            nodes: Vec::new(),
            cmds: Vec::new(),
            args: Vec::new(),
            nesting: 0,
            depth: 0,
        };
        parser.variable_id("$");
        parser
    }

    fn next(&mut self) -> Item {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.token[0] = self.lexer.next_item();
        }
        self.tree.token[self.tree.peeked]
    }

    fn backup(&mut self) {
        self.tree.peeked += 1;
    }

    fn peek(&mut self) -> Item {
        if self.tree.peeked == 0 {
            self.tree.peeked = 1;
            self.tree.token[0] = self.lexer.next_item();
        }
        self.tree.token[self.tree.peeked - 1]
    }

    fn next_non_space(&mut self) -> Item {
        loop {
            let item = self.next();
            if item.token != Token::Space {
                return item;
            }
        }
    }

    fn peek_non_space(&mut self) -> Item {
        let item = self.next_non_space();
        self.backup();
        item
    }

    fn written(&self, item: &Item) -> &'t str {
        &self.text[item.at..item.end]
    }

    fn error<T>(&self, message: impl Into<String>) -> Parse<T> {
        let line = self.tree.token[0].line;
        Err(ParseError { name: self.name.to_owned(), line, message: message.into() })
    }

    /// How Go prints a token in a message.
    fn show(&self, item: &Item) -> String {
        use Token as T;
        let text = self.written(item);
        match item.token {
            T::Eof => "EOF".to_owned(),
            T::Error => self.lexer.message().to_owned(),
            T::Block
            | T::Break
            | T::Continue
            | T::Dot
            | T::Define
            | T::Else
            | T::End
            | T::If
            | T::Nil
            | T::Range
            | T::Template
            | T::With => format!("<{text}>"),
            _ if text.len() > 10 => {
                let cut: String = text.chars().take(10).collect();
                format!("{}...", quote(cut.as_bytes()))
            }
            _ => quote(text.as_bytes()),
        }
    }

    fn unexpected<T>(&self, item: &Item, context: &str) -> Parse<T> {
        let shown = self.show(item);
        if item.token != Token::Error {
            return self.error(format!("unexpected {shown} in {context}"));
        }
        let mut extra = String::new();
        if self.tree.action_line != 0 && self.tree.action_line != item.line {
            let words = if shown.ends_with(" action") { "" } else { " in action" };
            extra = format!("{words} started at {}:{}", self.name, self.tree.action_line);
        }
        self.error(shown + &extra)
    }

    fn expect(&mut self, token: Token, context: &str) -> Parse<Item> {
        let item = self.next_non_space();
        if item.token == token { Ok(item) } else { self.unexpected(&item, context) }
    }

    fn field(&self, item: &Item) -> Name {
        self.funcs.name(&self.written(item)[1..])
    }

    fn variable_id(&mut self, name: &'t str) -> (u32, Rc<str>) {
        let next = u32::try_from(self.variables.len()).expect("fewer variables than bytes");
        self.variables.entry(name).or_insert_with(|| (next, self.funcs.word(name))).clone()
    }

    /// One level deeper while `f` runs.
    fn nested<T>(&mut self, f: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.nesting >= MAX_NESTING {
            return self.error(format!("actions nested more than {MAX_NESTING} deep"));
        }
        self.nesting += 1;
        self.depth = self.depth.max(self.nesting);
        let done = roomy(|| f(self));
        self.nesting -= 1;
        done
    }

    fn root(&mut self) -> Parse<Body> {
        while self.peek().token != Token::Eof {
            if self.peek().token == Token::LeftDelim {
                let delim = self.next();
                if self.next_non_space().token == Token::Define {
                    let outer = std::mem::take(&mut self.tree);
                    self.definition()?;
                    self.tree = outer;
                    continue;
                }
                self.tree.token[1] = delim;
                self.tree.peeked = 2;
            }
            match self.piece()? {
                Piece::Node(node) => self.nodes.push(node),
                Piece::End => return self.error("unexpected {{end}}"),
                Piece::Else => return self.error("unexpected {{else}}"),
            }
        }
        Ok(Body { nodes: self.nodes.drain(..).collect() })
    }

    fn definition(&mut self) -> Parse<()> {
        let context = "define clause";
        let item = self.next_non_space();
        let name = self.template_name(&item, context)?;
        self.expect(Token::RightDelim, context)?;
        if self.build == Build::NoDefines {
            let from = self.lexer.offset();
            if let Some(skimmed) = plain::skim(self.text, from, self.funcs)
                && self.add_define(Define::skimmed(
                    Rc::clone(&name),
                    (offset(from), offset(skimmed.after)),
                    skimmed.blank,
                ))
            {
                self.lexer.skip_to(skimmed.after);
                return Ok(());
            }
        }
        self.named_body(name, context)
    }

    /// Adds a definition; false if there is already one with content, as this one has.
    fn add_define(&mut self, define: Define) -> bool {
        match self.defines.iter_mut().find(|d| d.name == define.name) {
            None => self.defines.push(define),
            Some(old) if old.blank => *old = define,
            Some(_) => return define.blank,
        }
        true
    }

    /// The body of a `define` or `block`, up to its end.
    fn named_body(&mut self, name: Rc<str>, context: &str) -> Parse<()> {
        let (body, end) = self.list()?;
        if matches!(end, Piece::Else) {
            return self.error(format!("unexpected {{{{else}}}} in {context}"));
        }
        let blank = body.is_empty(self.text.as_bytes());
        let shown = quote(name.as_bytes());
        if !self.add_define(Define::built(name, body, blank)) {
            return self.error(format!("template: multiple definition of template {shown}"));
        }
        Ok(())
    }

    fn list(&mut self) -> Parse<(Body, Piece)> {
        let start = self.nodes.len();
        while self.peek_non_space().token != Token::Eof {
            match self.piece()? {
                Piece::Node(node) => self.nodes.push(node),
                end => return Ok((Body { nodes: self.nodes.drain(start..).collect() }, end)),
            }
        }
        self.error("unexpected EOF")
    }

    fn piece(&mut self) -> Parse<Piece> {
        let item = self.next_non_space();
        match item.token {
            Token::Text => Ok(Piece::Node(Node::Text((offset(item.at), offset(item.end))))),
            Token::LeftDelim => {
                self.tree.action_line = item.line;
                let piece = self.action()?;
                self.tree.action_line = 0;
                Ok(piece)
            }
            _ => self.unexpected(&item, "input"),
        }
    }

    fn action(&mut self) -> Parse<Piece> {
        let item = self.next_non_space();
        let node = match item.token {
            Token::Block => self.block()?,
            Token::Break | Token::Continue => {
                let (shown, node) = match item.token {
                    Token::Break => ("{{break}}", Node::Break),
                    _ => ("{{continue}}", Node::Continue),
                };
                let next = self.next_non_space();
                if next.token != Token::RightDelim {
                    return self.unexpected(&next, shown);
                }
                if self.tree.ranges == 0 {
                    return self.error(format!("{shown} outside {{{{range}}}}"));
                }
                node
            }
            Token::Else => {
                if !matches!(self.peek_non_space().token, Token::If | Token::With) {
                    self.expect(Token::RightDelim, "else")?;
                }
                return Ok(Piece::Else);
            }
            Token::End => {
                self.expect(Token::RightDelim, "end")?;
                return Ok(Piece::End);
            }
            Token::If => Node::If(self.control("if")?),
            Token::Range => Node::Range(self.control("range")?),
            Token::With => Node::With(self.control("with")?),
            Token::Template => self.template()?,
            _ => {
                self.backup();
                Node::Action(Box::new(self.pipeline("command", Token::RightDelim)?))
            }
        };
        Ok(Piece::Node(node))
    }

    fn control(&mut self, context: &str) -> Parse<Box<Branch>> {
        self.nested(|p| {
            let vars = p.tree.vars.len();
            let pipe = p.pipeline(context, Token::RightDelim)?;
            let ranges = usize::from(context == "range");
            p.tree.ranges += ranges;
            let (then, end) = p.list()?;
            p.tree.ranges -= ranges;
            let mut otherwise = None;
            if matches!(end, Piece::Else) {
                let chained = match p.peek().token {
                    Token::If if context == "if" => Some(("if", Node::If as fn(_) -> _)),
                    Token::With if context == "with" => Some(("with", Node::With as fn(_) -> _)),
                    _ => None,
                };
                otherwise = Some(if let Some((context, node)) = chained {
                    p.next();
                    Body { nodes: Box::new([node(p.control(context)?)]) }
                } else {
                    let (body, end) = p.list()?;
                    if matches!(end, Piece::Else) {
                        return p.error("expected end; found {{else}}");
                    }
                    body
                });
            }
            p.tree.vars.truncate(vars);
            Ok(Box::new(Branch { pipe, then, otherwise }))
        })
    }

    fn template_name(&mut self, item: &Item, context: &str) -> Parse<Rc<str>> {
        if !matches!(item.token, Token::String | Token::RawString) {
            return self.unexpected(item, context);
        }
        match unquote(self.written(item)) {
            Some(name) => Ok(String::from_utf8_lossy(&name).into()),
            None => self.error("invalid syntax"),
        }
    }

    fn template(&mut self) -> Parse<Node> {
        let context = "template clause";
        let item = self.next_non_space();
        let name = self.template_name(&item, context)?;
        let mut pipe = None;
        if self.next_non_space().token != Token::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(context, Token::RightDelim)?);
        }
        Ok(Node::Template(Box::new(Invoke { pos: offset(item.at), name, pipe })))
    }

    fn block(&mut self) -> Parse<Node> {
        let context = "block clause";
        let item = self.next_non_space();
        let name = self.template_name(&item, context)?;
        let pipe = self.pipeline(context, Token::RightDelim)?;
        let outer = std::mem::take(&mut self.tree);
        self.nested(|p| p.named_body(Rc::clone(&name), context))?;
        self.tree = outer;
        Ok(Node::Template(Box::new(Invoke { pos: offset(item.at), name, pipe: Some(pipe) })))
    }

    fn pipeline(&mut self, context: &str, end: Token) -> Parse<Pipe> {
        let pos = offset(self.peek_non_space().at);
        let (decl, assign) = self.declarations(context)?;
        let start = self.cmds.len();
        loop {
            let item = self.next_non_space();
            match item.token {
                token if token == end => break,
                Token::Bool
                | Token::CharConstant
                | Token::Complex
                | Token::Dot
                | Token::Field
                | Token::Identifier
                | Token::Number
                | Token::Nil
                | Token::RawString
                | Token::String
                | Token::Variable
                | Token::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.cmds.push(command);
                }
                _ => return self.unexpected(&item, context),
            }
        }
        let cmds = List::take(&mut self.cmds, start);
        if cmds.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, cmd) in cmds.iter().enumerate().skip(1) {
            if cmd.args[0].is_constant() {
                return self.error(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(Pipe { pos, assign, decl: decl.into(), cmds, by_folder: false })
    }

    /// `$x :=`, `$x =`, `$i, $x :=` at the start of a pipeline, if there is one.
    fn declarations(&mut self, context: &str) -> Parse<(Vec<Variable>, bool)> {
        let (mut decl, mut assign) = (Vec::new(), false);
        loop {
            let item = self.peek_non_space();
            if item.token != Token::Variable {
                return Ok((decl, assign));
            }
            self.next();
            // Blanks are tokens, so three tokens of look-ahead tell `$x foo` from `$x := foo`.
            let after = self.peek();
            let next = self.peek_non_space();
            match next.token {
                Token::Assign | Token::Declare => {
                    assign = next.token == Token::Assign;
                    self.next_non_space();
                    decl.push(self.declare(&item));
                    return Ok((decl, assign));
                }
                Token::Char if self.written(&next) == "," => {
                    self.next_non_space();
                    decl.push(self.declare(&item));
                    if context == "range" && decl.len() < 2 {
                        match self.peek_non_space().token {
                            Token::Variable | Token::RightDelim | Token::RightParen => continue,
                            _ => return self.error("range can only initialize variables"),
                        }
                    }
                    return self.error(format!("too many declarations in {context}"));
                }
                _ if after.token == Token::Space => {
                    self.tree.token[1] = after;
                    self.tree.token[2] = item;
                    self.tree.peeked = 3;
                }
                _ => {
                    self.tree.token[1] = item;
                    self.tree.peeked = 2;
                }
            }
            return Ok((decl, assign));
        }
    }

    fn declare(&mut self, item: &Item) -> Variable {
        let (id, name) = self.variable_id(self.written(item));
        self.tree.vars.push(id);
        Variable { pos: offset(item.at), id, name, fields: List::default() }
    }

    fn command(&mut self) -> Parse<Command> {
        let pos = offset(self.peek_non_space().at);
        let start = self.args.len();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                self.args.push(operand);
            }
            let item = self.next();
            match item.token {
                Token::Space => continue,
                Token::RightDelim | Token::RightParen => self.backup(),
                Token::Pipe => {}
                _ => return self.unexpected(&item, "operand"),
            }
            break;
        }
        if self.args.len() == start {
            return self.error("empty command");
        }
        Ok(Command { pos, args: List::take(&mut self.args, start) })
    }

    fn operand(&mut self) -> Parse<Option<Expr>> {
        let Some(node) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.token != Token::Field {
            return Ok(Some(node));
        }
        let pos = offset(first.at);
        let mut fields = Vec::new();
        while self.peek().token == Token::Field {
            let item = self.next();
            fields.push(self.field(&item));
        }
        Ok(Some(match node {
            Expr::Field(_, first) => {
                fields.splice(0..0, first);
                Expr::Field(pos, fields.into())
            }
            Expr::Variable(mut v) => {
                v.pos = pos;
                v.fields = List::take(&mut fields, 0);
                Expr::Variable(v)
            }
            node if node.is_constant() => {
                let shown = super::ast::Place::Expr(&node).print(self.text.as_bytes());
                return self.error(format!("unexpected . after term {}", quote(shown.as_bytes())));
            }
            node => Expr::Chain(Box::new(Chain { pos, node, fields: List::take(&mut fields, 0) })),
        }))
    }

    fn term(&mut self) -> Parse<Option<Expr>> {
        let item = self.next_non_space();
        let (pos, end, text) = (offset(item.at), offset(item.end), self.written(&item));
        Ok(Some(match item.token {
            Token::Identifier => {
                let callee = match (self.funcs.get(text), Builtin::by_name(text)) {
                    (Some(func), _) => Callee::Registered(Rc::clone(func)),
                    (None, Some(builtin)) => Callee::Builtin(builtin),
                    (None, None) => {
                        return self.error(format!("function {} not defined", quote(text.as_bytes())));
                    }
                };
                Expr::Function(pos, callee)
            }
            Token::Dot => Expr::Dot(pos),
            Token::Nil => Expr::Nil(pos),
            Token::Variable => {
                let (id, name) = self.variable_id(text);
                if !self.tree.vars.contains(&id) {
                    return self.error(format!("undefined variable {}", quote(text.as_bytes())));
                }
                Expr::Variable(Box::new(Variable { pos, id, name, fields: List::default() }))
            }
            Token::Field => Expr::Field(pos, Box::new([self.field(&item)])),
            Token::Bool => Expr::Bool(pos, text == "true"),
            Token::CharConstant | Token::Complex | Token::Number => {
                let (is_char, is_complex) = (item.token == Token::CharConstant, item.token == Token::Complex);
                match number((pos, end), text, is_char, is_complex) {
                    Ok(n) => Expr::Number(Box::new(n)),
                    Err(message) => return self.error(message),
                }
            }
            Token::LeftParen => {
                if self.tree.parens >= MAX_PARENS {
                    return self.error("max expression depth exceeded");
                }
                self.tree.parens += 1;
                let pipe = self.nested(|p| p.pipeline("parenthesized pipeline", Token::RightParen))?;
                self.tree.parens -= 1;
                Expr::Pipe(Box::new(pipe))
            }
            Token::String | Token::RawString => match unquote(text) {
                Some(bytes) => Expr::string(pos, bytes),
                None => return self.error("invalid syntax"),
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        }))
    }
}
