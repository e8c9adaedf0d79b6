//! Finds in a body the one way of reading a file's name that gives the same in every file of a folder.
//!
//! `helm-toolkit.utils.hash` and its like take `base $context.Template.Name` and replace it in `$context.Template.Name` by the
//! name of another file. What comes out depends on the folder alone, and so do results of `include` that use it: whoever
//! remembers them (`template::watch`) is told so. `results_that_depend_on_the_folder_alone_are_used_again_in_it`.

use super::ast::{Body, Branch, Callee, Expr, Node, Pipe, Variable};
use super::stack::roomy;

/// Marks the pipelines of a body that show no more of the file's name than its folder.
pub(super) fn mark(body: &mut Body) {
    let pipes = || body.nodes.iter().filter_map(action);
    let mut found = Vec::new();
    for (last, context) in pipes().filter_map(base_of_name) {
        let (mut of_last, mut of_context) = (Uses::of(last), Uses::of(context));
        of_last.count(body);
        of_context.count(body);
        let replacing = pipes().filter(|pipe| is_replacement(pipe, last, context)).count();
        // `$` is declared by no pipeline.
        let declared_once = |uses: &Uses| uses.declared == usize::from(uses.id != 0);
        if declared_once(&of_last) && declared_once(&of_context) && of_last.used == replacing {
            found.push((last, context));
        }
    }
    for node in &mut body.nodes {
        if let Node::Action(pipe) = node {
            pipe.by_folder = found.iter().any(|(last, context)| {
                base_of_name(pipe) == Some((*last, *context)) || is_replacement(pipe, *last, *context)
            });
        }
    }
}

fn action(node: &Node) -> Option<&Pipe> {
    match node {
        Node::Action(pipe) => Some(pipe),
        _ => None,
    }
}

fn is_function(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Function(_, Callee::Registered(f)) if *f.name == *name)
}

fn bare(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Variable(v) if v.fields.is_empty() => Some(v.id),
        _ => None,
    }
}

/// The variable of `$x.Template.Name`.
fn template_name(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Variable(v) => match &*v.fields {
            [template, name] if **template == *"Template" && **name == *"Name" => Some(v.id),
            _ => None,
        },
        _ => None,
    }
}

fn declares_one(pipe: &Pipe) -> Option<u32> {
    match &*pipe.decl {
        [v] if !pipe.assign => Some(v.id),
        _ => None,
    }
}

/// `$last := base $context.Template.Name`: both variables.
fn base_of_name(pipe: &Pipe) -> Option<(u32, u32)> {
    let last = declares_one(pipe)?;
    let [command] = &*pipe.cmds else { return None };
    match &*command.args {
        [function, name] if is_function(function, "base") => Some((last, template_name(name)?)),
        _ => None,
    }
}

/// `$other := $context.Template.Name | replace $last $name`
fn is_replacement(pipe: &Pipe, last: u32, context: u32) -> bool {
    let [name, replace] = &*pipe.cmds else { return false };
    let ([name], [function, old, new]) = (&*name.args, &*replace.args) else { return false };
    declares_one(pipe).is_some_and(|id| id != last && id != context)
        && template_name(name) == Some(context)
        && is_function(function, "replace")
        && bare(old) == Some(last)
        && bare(new).is_some_and(|id| id != last)
}

/// How often a variable is declared or assigned, and used.
struct Uses {
    id: u32,
    declared: usize,
    used: usize,
}

impl Uses {
    fn of(id: u32) -> Self {
        Self { id, declared: 0, used: 0 }
    }

    fn count(&mut self, body: &Body) {
        for node in &body.nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipe) => self.pipe(pipe),
                Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                    roomy(|| self.branch(branch));
                }
                Node::Template(invoke) => invoke.pipe.iter().for_each(|pipe| self.pipe(pipe)),
            }
        }
    }

    fn branch(&mut self, branch: &Branch) {
        self.pipe(&branch.pipe);
        self.count(&branch.then);
        branch.otherwise.iter().for_each(|body| self.count(body));
    }

    fn pipe(&mut self, pipe: &Pipe) {
        self.declared += pipe.decl.iter().filter(|v| v.id == self.id).count();
        pipe.cmds.iter().flat_map(|c| &c.args).for_each(|arg| self.expr(arg));
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Variable(v) => self.variable(v),
            Expr::Chain(chain) => roomy(|| self.expr(&chain.node)),
            Expr::Pipe(pipe) => roomy(|| self.pipe(pipe)),
            _ => {}
        }
    }

    fn variable(&mut self, v: &Variable) {
        self.used += usize::from(v.id == self.id);
    }
}
