//! A YAML or JSON value that knows on which lines it was written.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// One value, with the line that it begins on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1; 0 when the reader does not say (JSON).
    line: u64,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Scalar(Value),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The value, without its lines.
    pub(crate) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(Self::to_value).collect(),
            Kind::Object(members) => {
                let members = members.iter().map(|(key, node)| (key.clone(), node.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }

    /// The line of what a path like `steps[2].inputs.query` leads to, or of the last part of it that exists.
    pub(crate) fn line_of(&self, path: &str) -> Option<u64> {
        let mut node = self;
        let mut rest = path;
        while let Some((next, left)) = node.step(rest) {
            node = next;
            rest = left.strip_prefix('.').unwrap_or(left);
        }
        Some(node.line).filter(|line| *line > 0)
    }

    /// Follows the first part of a path. A key may have dots in it: the longest that fits is taken.
    fn step<'a>(&self, path: &'a str) -> Option<(&Self, &'a str)> {
        match &self.kind {
            Kind::Scalar(_) => None,
            Kind::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, rest))
            }
            Kind::Object(members) => members
                .iter()
                .filter_map(|(key, node)| Some((key.len(), node, path.strip_prefix(key.as_str())?)))
                .filter(|(_, _, rest)| rest.is_empty() || rest.starts_with(['.', '[']))
                .max_by_key(|(length, _, _)| *length)
                .map(|(_, node, rest)| (node, rest)),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), kind: value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl KindVisitor {
    fn text<E: de::Error>(text: &str) -> Result<Kind, E> {
        if text.contains('\0') {
            return Err(E::custom("text may not have the character NUL"));
        }
        Ok(Kind::Scalar(Value::from(text)))
    }
}

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Scalar(Value::from(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Kind, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number must be finite"))?;
        Ok(Kind::Scalar(Value::Number(number)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Kind, E> {
        Self::text(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Kind::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Kind, A::Error> {
        let mut object: Vec<(String, Node)> = Vec::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            // The YAML reader refuses duplicates by itself; the JSON reader does not.
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format!("the key `{key}` is there twice")));
            }
            if key.contains('\0') {
                return Err(de::Error::custom("a key may not have the character NUL"));
            }
            let value = members.next_value()?;
            object.push((key, value));
        }
        Ok(Kind::Object(object))
    }
}
