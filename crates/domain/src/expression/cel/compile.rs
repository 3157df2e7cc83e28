//! Parsing, and what comes of it: a program.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use ::cel::{
    common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr},
    parser::PrattParser,
};
use regex::Regex;

use super::{
    ExpressionError, References,
    data::{Path, Start},
    rewrite::Rewriter,
};

/// How deep a tree may be before it is rewritten: all that walks it recurses.
const DEPTH_MAX: usize = 128;
/// How deep brackets may nest in the source.
const BRACKETS_MAX: u16 = 48;

/// A parsed and rewritten expression.
#[derive(Clone)]
pub(super) struct Program {
    /// The tree.
    pub(super) tree: IdedExpr,
    /// How deep the tree is.
    pub(super) depth: usize,
    /// What it refers to.
    pub(super) references: References,
    /// What its paths start from.
    pub(super) starts: Vec<Start>,
    paths: Vec<(String, Path)>,
    /// The functions of ours that it calls.
    pub(super) functions: BTreeSet<&'static str>,
    /// The literal patterns of `matches`.
    pub(super) patterns: Arc<BTreeMap<String, Regex>>,
}

impl Program {
    /// The paths that it reads, by the variable that stands for each.
    pub(super) fn paths(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths.iter().map(|(name, path)| (name.as_str(), path))
    }

    /// The path that a variable stands for.
    pub(super) fn path(&self, variable: &str) -> Option<&Path> {
        self.paths.iter().find(|(name, _)| name == variable).map(|(_, path)| path)
    }

    /// The path that is the whole expression.
    pub(super) fn whole_path(&self) -> Option<&Path> {
        match &self.tree.expr {
            Expr::Ident(name) => self.path(name),
            _ => None,
        }
    }
}

/// Parses and rewrites an expression.
pub(super) fn compile(source: &str) -> Result<Program, ExpressionError> {
    let parser = PrattParser::new()
        .max_recursion_depth(BRACKETS_MAX)
        .enable_optional_syntax(true)
        .enable_ident_escape_syntax(true);
    let mut tree = parser.parse(source).map_err(|errors| {
        let first = errors.errors.first();
        let place = first.map_or(String::new(), |error| format!(" at line {}, column {}", error.pos.0, error.pos.1));
        let detail = first.map_or("", |error| error.msg.trim_start_matches("Syntax error: "));
        ExpressionError::invalid(format!("this is not CEL{place}: {}", crate::value::excerpt(detail)))
    })?;
    if depth_up_to(DEPTH_MAX + 1, &tree) > DEPTH_MAX {
        return Err(ExpressionError::invalid("this expression is nested too deeply, or chains too many operators"));
    }
    let mut rewriter = Rewriter::new(source);
    rewriter.rewrite(&mut tree)?;
    Ok(Program {
        depth: depth_up_to(usize::MAX, &tree),
        tree,
        references: rewriter.references,
        starts: rewriter.starts,
        paths: rewriter.paths,
        functions: rewriter.functions,
        patterns: Arc::new(rewriter.patterns),
    })
}

/// How deep a tree is, found without recursion; what is deeper than `enough` is not looked at.
fn depth_up_to(enough: usize, tree: &IdedExpr) -> usize {
    let mut deepest = 0;
    let mut open = vec![(tree, 1)];
    while let Some((node, depth)) = open.pop() {
        deepest = deepest.max(depth);
        if depth < enough {
            open.extend(children(&node.expr).into_iter().map(|child| (child, depth + 1)));
        }
    }
    deepest
}

/// How many nodes a tree has.
pub(super) fn count(tree: &IdedExpr) -> i64 {
    1 + children(&tree.expr).into_iter().map(count).sum::<i64>()
}

fn children(node: &Expr) -> Vec<&IdedExpr> {
    match node {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Struct(strukt) => strukt.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).collect(),
        Expr::Select(select) => vec![select.operand.as_ref()],
        Expr::Comprehension(inner) => {
            let ComprehensionExpr { iter_range, accu_init, loop_cond, loop_step, result, .. } = inner.as_ref();
            vec![iter_range, accu_init, loop_cond, loop_step, result]
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}
