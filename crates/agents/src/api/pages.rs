//! Asks for page after page, and makes one list of them.

use reqwest::{
    Request, Url,
    header::{HeaderMap, LINK},
};
use serde_json::Value;
use turbocat_domain::{expression::Mapping, limits, step_run::StepError};

use super::{
    redirect::{Arrived, Sender, drop_credentials, is_same_origin},
    request::{invalid, to_text},
    to_output,
};
use crate::config::{CallScope, Reader, Reads};

const KINDS: [&str; 4] = ["link", "cursor", "page", "offset"];

/// How to get from page to page.
#[derive(Debug)]
pub(super) struct Pages {
    by: By,
    /// The list that a page has.
    items: Mapping,
    max: u32,
}

#[derive(Debug)]
enum By {
    /// The header `Link` with `rel="next"`.
    Link,
    /// What the body has, in a parameter of the query.
    Cursor { cursor: Mapping, parameter: String },
    /// The number of the page; an empty page is the last.
    Page { parameter: String, first: u64 },
    /// How many items there were before; a page that has fewer than `size` is the last.
    Offset { parameter: String, size: u64 },
}

/// What is asked for after a page.
enum Next {
    Url(Url),
    Parameter(String),
    Nothing,
}

impl Pages {
    /// Reads the member `pages`, if there is one.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let value = reader.value("pages")?;
        let mut inner = Reader::at(value, reader.path("pages"));
        let pages = Self::read_members(&mut inner);
        inner.finish(pages).map_err(|problems| reader.problems(problems)).ok()
    }

    fn read_members(reader: &mut Reader<'_>) -> Option<Self> {
        let kind = reader.required("by", "one of link, cursor, page, offset").and_then(|_| reader.word("by", &KINDS));
        let items = reader.required("items", "the list that a page has, such as `${{ output.body.items }}`");
        let items = items.and_then(|_| reader.mapping("items", Reads::Output));
        let most = u64::from(limits::API_PAGES_MAX);
        let max = reader.integer("max", &(1..=most)).and_then(|max| u32::try_from(max).ok());
        let by = match kind {
            Some("link") => Some(By::Link),
            Some("cursor") => {
                let cursor = reader.required("cursor", "where the next page begins, such as `${{ output.body.next }}`");
                let cursor = cursor.and_then(|_| reader.mapping("cursor", Reads::Output));
                let parameter = parameter(reader);
                cursor.zip(parameter).map(|(cursor, parameter)| By::Cursor { cursor, parameter })
            }
            Some("page") => {
                let first = reader.integer("first", &(0..=1_000_000)).unwrap_or(1);
                parameter(reader).map(|parameter| By::Page { parameter, first })
            }
            Some(_) => {
                let size = reader.required("size", "how many items a whole page has");
                let size = size.and_then(|_| reader.integer("size", &(1..=100_000)));
                parameter(reader).zip(size).map(|(parameter, size)| By::Offset { parameter, size })
            }
            None => {
                // What belongs to it cannot be said without the kind, so none of it is called unknown.
                for key in ["cursor", "parameter", "first", "size"] {
                    let _read = reader.value(key);
                }
                None
            }
        };
        Some(Self { by: by?, items: items?, max: max.unwrap_or(limits::API_PAGES_DEFAULT) })
    }

    /// Sends the request for each page. The answer is that of the last one, with the items of all as its body.
    pub(super) async fn collect(
        &self,
        sender: Sender<'_>,
        request: Request,
        scope: &CallScope<'_>,
    ) -> Result<Value, StepError> {
        let mut all: Vec<Value> = Vec::new();
        let (mut bytes, mut pages) = (0_usize, 0_u32);
        let mut request = self.first(request);
        loop {
            let template = request.try_clone().ok_or_else(|| invalid("a request for pages cannot be repeated"))?;
            let arrived = sender.send(request).await?;
            bytes = bytes.saturating_add(arrived.answer.body.len());
            if bytes > limits::API_RESPONSE_BYTES_MAX {
                let message =
                    format!("the pages have more than {} bytes; ask for less", limits::API_RESPONSE_BYTES_MAX);
                return Err(StepError::permanent("output_too_large", message));
            }
            let output = to_output(&arrived.answer, sender.config)?;
            let page = CallScope { output: Some(&output), ..*scope };
            let Value::Array(items) = page.evaluate(&self.items)? else {
                let message = format!("`items` of page {} is no list", pages + 1);
                return Err(StepError::permanent("http_bad_answer", message));
            };
            pages += 1;
            let found = items.len();
            all.extend(items);
            let next = self.next(&page, (&arrived, found), (pages, all.len()))?;
            let is_complete = matches!(next, Next::Nothing);
            let follows = if pages < self.max { self.follow(template, &arrived.url, next)? } else { None };
            match follows {
                Some(follows) => request = follows,
                None => return Ok(whole(output, all, (pages, is_complete))),
            }
        }
    }

    /// The request for the first page.
    fn first(&self, mut request: Request) -> Request {
        match &self.by {
            By::Page { parameter, first } => set_parameter(request.url_mut(), parameter, &first.to_string()),
            By::Offset { parameter, .. } => set_parameter(request.url_mut(), parameter, "0"),
            By::Link | By::Cursor { .. } => {}
        }
        request
    }

    fn next(
        &self,
        page: &CallScope<'_>,
        (arrived, found): (&Arrived, usize),
        (pages, total): (u32, usize),
    ) -> Result<Next, StepError> {
        Ok(match &self.by {
            By::Link => match linked(&arrived.answer.headers) {
                Some(link) => Next::Url(arrived.url.join(&link).map_err(|error| {
                    StepError::permanent(
                        "http_bad_answer",
                        format!("the next page is `{link}`, which is no URL: {error}"),
                    )
                })?),
                None => Next::Nothing,
            },
            By::Cursor { cursor, .. } => match page.evaluate(cursor)? {
                Value::Null => Next::Nothing,
                Value::String(text) if text.is_empty() => Next::Nothing,
                cursor => Next::Parameter(to_text(&cursor)?),
            },
            By::Page { first, .. } if found > 0 => Next::Parameter((first + u64::from(pages)).to_string()),
            By::Offset { size, .. } if u64::try_from(found).is_ok_and(|found| found >= *size) => {
                Next::Parameter(total.to_string())
            }
            By::Page { .. } | By::Offset { .. } => Next::Nothing,
        })
    }

    /// The request for the page that follows. One that is the same as before would be followed for ever.
    fn follow(&self, mut request: Request, from: &Url, next: Next) -> Result<Option<Request>, StepError> {
        let before = request.url().clone();
        match (next, &self.by) {
            (Next::Nothing, _) | (Next::Parameter(_), By::Link) => return Ok(None),
            (Next::Url(url), _) => {
                if !is_same_origin(&before, &url) {
                    drop_credentials(request.headers_mut());
                }
                if from.scheme() == "https" && url.scheme() == "http" {
                    return Err(StepError::permanent("egress_denied", "the next page leads from https to http"));
                }
                *request.url_mut() = url;
            }
            (
                Next::Parameter(value),
                By::Cursor { parameter, .. } | By::Page { parameter, .. } | By::Offset { parameter, .. },
            ) => set_parameter(request.url_mut(), parameter, &value),
        }
        if *request.url() == before {
            let message = "the next page is the one before: the other side does not go on";
            return Err(StepError::permanent("http_bad_answer", message));
        }
        Ok(Some(request))
    }
}

/// The answer of the last page, with the items of all.
fn whole(mut output: Value, items: Vec<Value>, (pages, is_complete): (u32, bool)) -> Value {
    if let Some(members) = output.as_object_mut() {
        members.insert("body".to_owned(), Value::Array(items));
        members.insert("pages".to_owned(), pages.into());
        members.insert("complete".to_owned(), is_complete.into());
    }
    output
}

fn parameter(reader: &mut Reader<'_>) -> Option<String> {
    reader.required_text("parameter", "the parameter of the query").map(str::to_owned)
}

/// Gives a parameter of the query this one value.
fn set_parameter(url: &mut Url, name: &str, value: &str) {
    let others: Vec<(String, String)> =
        url.query_pairs().filter(|(other, _)| other != name).map(|(name, value)| (name.into(), value.into())).collect();
    url.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
}

/// The target with `rel="next"` of the headers `Link` (RFC 8288).
fn linked(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).find_map(|value| {
        let mut rest = value;
        while let Some((_, after)) = rest.split_once('<') {
            let (target, after) = after.split_once('>')?;
            let (mut parameters, following) = divide(after, ',');
            while !parameters.is_empty() {
                let (parameter, others) = divide(parameters, ';');
                if is_next(parameter) {
                    return Some(target.trim().to_owned());
                }
                parameters = others;
            }
            rest = following;
        }
        None
    })
}

/// What stands before and after a character that is in no quotes.
fn divide(text: &str, character: char) -> (&str, &str) {
    let mut quoted = false;
    let place = text.find(|c| {
        quoted ^= c == '"';
        c == character && !quoted
    });
    let (before, after) = place.and_then(|place| text.split_at_checked(place)).unwrap_or((text, ""));
    (before, after.strip_prefix(character).unwrap_or(after))
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    name.trim().eq_ignore_ascii_case("rel")
        && value.trim().trim_matches('"').split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(value: &str) -> Option<String> {
        linked(&[(LINK, value.parse().unwrap())].into_iter().collect())
    }

    #[test]
    fn the_next_page_is_found_among_other_links() {
        let value = "<https://x.org/a?page=1,2>; rel=\"prev\", </b?c=d>; title=\"a, <b>; c\"; rel=\"last next\", <c>; rel=first";
        assert_eq!(
            link("<https://x.org/?page=2>; rel=\"next\", <https://x.org/?page=9>; rel=\"last\"").as_deref(),
            Some("https://x.org/?page=2")
        );
        assert_eq!(link("<https://x.org/?page=9>; rel=last, <?page=2>;REL=Next").as_deref(), Some("?page=2"));
        assert_eq!(link("<https://x.org/a?page=1,2>; rel=\"prev\"; title=\"next\""), None);
        assert_eq!(link(value).as_deref(), Some("/b?c=d"));
        assert_eq!(link("<a>; title=\"x; rel=next\""), None);
        assert_eq!(link("nonsense"), None);
    }

    #[test]
    fn a_parameter_has_one_value() {
        let mut url = Url::parse("https://x.org/?a=1&page=7&page=8&b=%20").unwrap();
        set_parameter(&mut url, "page", "2 3");
        assert_eq!(url.as_str(), "https://x.org/?a=1&b=+&page=2+3");
    }
}
