//! Mappings: JSON whose strings may hold `${{ cel }}`.
//!
//! A string that is exactly one `${{ … }}` becomes the value, with its type. Any other string is text with
//! values put in: strings as they are, everything else as JSON (so null is the text `null`). To write
//! `${{` itself, write it as CEL: `${{ '${{' }}`.
//!
//! `${{ secrets.NAME }}`, as the whole of a string, becomes the marker `{"$secret": "NAME"}`, which only the
//! egress of an agent resolves.
//!
//! # Invariants
//!
//! 1. A marker in the value of a mapping was written by the author of the mapping: data that looks like one
//!    is refused. Who resolves markers may let through those that an author before it wrote
//!    ([`Mapping::evaluate_with_secrets`]). One that is a whole variable of the deployment (`${{ env.NAME }}`) was
//!    written by the author of that.
//! 2. The values that a mapping computes are bounded together, in cost and in size.

mod scanner;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::scanner::Part;
use super::{
    Scope,
    cel::{Expression, ExpressionError, Meter, References},
    secret_reference::{SECRET_KEY, secret_reference},
};
use crate::limits::EXPRESSION_OUTPUT_BYTES_MAX;

/// What is wrong with a leaf of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingProblem {
    /// Where the leaf is, as it is appended to the mapping's own path: `.query`, `[0].x`; empty for the whole.
    pub pointer: String,
    /// What is wrong with it.
    pub error: ExpressionError,
}

/// A parsed mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    root: Node,
    references: References,
}

#[derive(Debug, Clone)]
enum Node {
    Constant(Value),
    Value { place: String, expression: Expression },
    Text { place: String, parts: Vec<TextPart> },
    Secret(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug, Clone)]
enum TextPart {
    Text(String),
    Value(Expression),
}

impl Mapping {
    /// Parses a mapping.
    ///
    /// # Errors
    ///
    /// All leaves with something wrong in them.
    pub fn parse(source: &Value) -> Result<Self, Vec<MappingProblem>> {
        let mut parser = Parser { references: References::default(), problems: Vec::new() };
        let root = parser.node(source, "");
        if parser.problems.is_empty() { Ok(Self { root, references: parser.references }) } else { Err(parser.problems) }
    }

    /// What all its expressions refer to.
    #[must_use]
    pub const fn references(&self) -> &References {
        &self.references
    }

    /// Computes the value.
    ///
    /// # Errors
    ///
    /// As [`Expression::evaluate`]; the message names the leaf. `secret_not_allowed` if data looks like a secret.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.evaluate_as(scope, false)
    }

    /// The same for who resolves secrets: an expression that is the whole of a string may come to a marker. What the
    /// scope shows MUST be free of markers that were not written by an author.
    ///
    /// # Errors
    ///
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_with_secrets(&self, scope: &dyn Scope) -> Result<Value, ExpressionError> {
        self.evaluate_as(scope, true)
    }

    fn evaluate_as(&self, scope: &dyn Scope, lets_markers_in: bool) -> Result<Value, ExpressionError> {
        if let Node::Constant(value) = &self.root {
            return Ok(value.clone());
        }
        let meter = Arc::new(Meter::default());
        Evaluation { scope, meter, bytes_left: EXPRESSION_OUTPUT_BYTES_MAX, lets_markers_in }.node(&self.root)
    }
}

struct Parser {
    references: References,
    problems: Vec<MappingProblem>,
}

impl Parser {
    fn node(&mut self, source: &Value, pointer: &str) -> Node {
        match source {
            Value::String(text) => self.leaf(text, pointer),
            Value::Array(items) => {
                let nodes: Vec<Node> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| self.node(item, &format!("{pointer}[{index}]")))
                    .collect();
                if nodes.iter().all(Node::is_constant) { Node::Constant(source.clone()) } else { Node::List(nodes) }
            }
            Value::Object(entries) => self.object(source, entries, pointer),
            Value::Null | Value::Bool(_) | Value::Number(_) => Node::Constant(source.clone()),
        }
    }

    fn object(&mut self, source: &Value, entries: &Map<String, Value>, pointer: &str) -> Node {
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let place = format!("{pointer}.{key}");
            if key == SECRET_KEY {
                self.refuse(&place, secret_marker("write \"${{ secrets.NAME }}\" to pass a secret on"));
            }
            nodes.push((key.clone(), self.node(value, &place)));
        }
        if nodes.iter().all(|(_, node)| node.is_constant()) {
            Node::Constant(source.clone())
        } else {
            Node::Object(nodes)
        }
    }

    fn leaf(&mut self, text: &str, pointer: &str) -> Node {
        let parts = match scanner::parts(text) {
            Ok(parts) => parts,
            Err(error) => return self.refuse(pointer, error),
        };
        let place = pointer.strip_prefix('.').unwrap_or(pointer).to_owned();
        match parts.as_slice() {
            [] | [Part::Text(_)] => Node::Constant(Value::String(text.to_owned())),
            [Part::Cel(source)] => match name_behind("secrets.", source) {
                Some(name) => {
                    self.references.secrets.insert(name.to_owned());
                    Node::Secret(name.to_owned())
                }
                None => match self.expression(source, pointer) {
                    Some(expression) => Node::Value { place, expression },
                    None => Node::Constant(Value::Null),
                },
            },
            parts => {
                let parts = parts.iter().filter_map(|part| match part {
                    Part::Text(text) => Some(TextPart::Text((*text).to_owned())),
                    Part::Cel(source) => self.expression(source, pointer).map(TextPart::Value),
                });
                Node::Text { parts: parts.collect(), place }
            }
        }
    }

    fn expression(&mut self, source: &str, pointer: &str) -> Option<Expression> {
        match Expression::parse(source.trim()) {
            Ok(expression) => {
                self.references.extend(expression.references());
                Some(expression)
            }
            Err(error) => {
                self.refuse(pointer, error);
                None
            }
        }
    }

    /// Notes a problem; the node that is returned is never evaluated.
    fn refuse(&mut self, pointer: &str, error: ExpressionError) -> Node {
        self.problems.push(MappingProblem { pointer: pointer.to_owned(), error });
        Node::Constant(Value::Null)
    }
}

impl Node {
    const fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

/// The name in `secrets.NAME` or `env.NAME`, if a source is nothing but that.
fn name_behind<'a>(root: &str, source: &'a str) -> Option<&'a str> {
    let name = source.trim().strip_prefix(root)?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some(name)
}

fn secret_marker(what: &str) -> ExpressionError {
    ExpressionError::secret(format!("the key `{SECRET_KEY}` stands for secrets and is not allowed in data; {what}"))
}

/// One evaluation of a mapping.
struct Evaluation<'a> {
    scope: &'a dyn Scope,
    meter: Arc<Meter>,
    bytes_left: usize,
    lets_markers_in: bool,
}

impl Evaluation<'_> {
    fn node(&mut self, node: &Node) -> Result<Value, ExpressionError> {
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Secret(name) => {
                Ok(Value::Object(Map::from_iter([(SECRET_KEY.to_owned(), Value::from(name.as_str()))])))
            }
            Node::List(nodes) => nodes.iter().map(|node| self.node(node)).collect(),
            Node::Object(nodes) => nodes
                .iter()
                .map(|(key, node)| Ok((key.clone(), self.node(node)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            Node::Value { place, expression } => self.whole(expression).map_err(|error| located(place, error)),
            Node::Text { place, parts } => self.text(parts).map_err(|error| located(place, error)),
        }
    }

    /// The value of an expression that is all there is in its string.
    fn whole(&mut self, expression: &Expression) -> Result<Value, ExpressionError> {
        let value = expression.evaluate_within(self.scope, &self.meter)?;
        let lets_marker_in = self.lets_markers_in || name_behind("env.", expression.source()).is_some();
        if !(lets_marker_in && secret_reference(&value).is_some()) {
            self.admit(&value)?;
        }
        Ok(value)
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, ExpressionError> {
        let value = expression.evaluate_within(self.scope, &self.meter)?;
        self.admit(&value)?;
        Ok(value)
    }

    fn text(&mut self, parts: &[TextPart]) -> Result<Value, ExpressionError> {
        let mut text = String::new();
        for part in parts {
            match part {
                TextPart::Text(constant) => text.push_str(constant),
                TextPart::Value(expression) => match self.value(expression)? {
                    Value::String(value) => text.push_str(&value),
                    other => text.push_str(&other.to_string()),
                },
            }
        }
        Ok(Value::String(text))
    }

    /// Lets a computed value in: it must fit, and must not look like a secret.
    fn admit(&mut self, value: &Value) -> Result<(), ExpressionError> {
        self.take(2)?;
        match value {
            Value::String(text) => self.take(text.len()),
            Value::Array(items) => items.iter().try_for_each(|item| self.admit(item)),
            Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
                if key == SECRET_KEY {
                    return Err(secret_marker("it came with the data that this reads"));
                }
                self.take(key.len())?;
                self.admit(value)
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or_else(|| {
            ExpressionError::too_costly(format!(
                "what a mapping computes may have {EXPRESSION_OUTPUT_BYTES_MAX} bytes in all, this has more"
            ))
        })?;
        Ok(())
    }
}

fn located(place: &str, error: ExpressionError) -> ExpressionError {
    if place.is_empty() {
        return error;
    }
    ExpressionError { message: format!("in `{place}`: {}", error.message), ..error }
}

#[cfg(test)]
mod tests;
