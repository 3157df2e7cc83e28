//! Documents and templates.

use std::fmt;

use serde::{Deserialize, Serialize};
use turbocat_application::{SourceFile, TemplateCopy as Copied, TemplateUse as Wanted};
use turbocat_client::{
    Client, Documents, FieldError, Problem, PublishReport, Published, Template, TemplateCopy, TemplateQuery,
    TemplateUse,
};
use turbocat_domain::{
    id::TemplateId,
    port::{PageRequest, TemplateFilter},
    value::Search,
};

use super::{Desk, seen, seen_all};

/// What stands between files that become one: whatever stood before, a new document begins behind it.
const BETWEEN: &str = "...\n";

/// Documents that a server refused, with the places in the files that they came from.
#[derive(Debug)]
pub(crate) struct RefusedDocuments(pub(crate) Vec<Located>);

impl fmt::Display for RefusedDocuments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("1 problem in the documents"),
            count => write!(f, "{count} problems in the documents"),
        }
    }
}

impl std::error::Error for RefusedDocuments {}

/// What was published, and what of it is understood but not acted on.
pub(crate) struct Publication {
    pub(crate) published: Vec<Published>,
    pub(crate) warnings: Vec<Located>,
}

/// Something that is wrong with a document, and where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Located {
    file: String,
    document: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    code: String,
    path: String,
    message: String,
}

impl From<FieldError> for Located {
    fn from(error: FieldError) -> Self {
        let FieldError { pointer, code, message, path, document, line } = error;
        let (document, path) = (document.unwrap_or_default(), path.unwrap_or(pointer));
        Self { file: String::new(), document, line, code, path, message }
    }
}

impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match self.line {
            Some(line) => write!(f, ":{line}: ")?,
            None if self.document > 0 => write!(f, "#{}: ", self.document)?,
            None => f.write_str(": ")?,
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// Files as one text, and where each begins in it.
struct Joined {
    documents: Documents,
    /// The first line of each file, from 1, and its name.
    begins: Vec<(u64, String)>,
}

impl Joined {
    fn new(files: &[SourceFile]) -> Self {
        if let [only] = files {
            let begins = vec![(1, only.name.clone())];
            let is_json = only.name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("json"));
            let text = only.text.clone();
            return Self { documents: if is_json { Documents::json(text) } else { Documents::yaml(text) }, begins };
        }
        let (mut text, mut begins) = (String::new(), Vec::new());
        for file in files {
            if !text.is_empty() {
                text.push_str(BETWEEN);
            }
            begins.push((1 + lines(&text), file.name.clone()));
            text.push_str(&file.text);
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        // JSON is YAML.
        Self { documents: Documents::yaml(text), begins }
    }

    /// Puts what is wrong with the text at its place in the files.
    fn locate(&self, found: Located) -> Located {
        let of_line = |line: u64| self.begins.iter().rev().find(|(begin, _)| *begin <= line);
        let (file, line) = match (found.line.and_then(|line| Some((line, of_line(line)?))), self.begins.as_slice()) {
            (Some((line, (begin, name))), _) => (name.clone(), Some(line - begin + 1)),
            (None, [(_, only)]) => (only.clone(), found.line),
            (None, _) => ("the files".to_owned(), None),
        };
        Located { file, line, ..found }
    }

    async fn publish(&self, client: &Client) -> anyhow::Result<Publication> {
        match client.publish(&self.documents).await {
            Ok(report) => publication(report, |warning| self.locate(warning)),
            Err(error) if error.is("invalid_documents") => {
                let errors = error.problem().map(Problem::errors).unwrap_or_default();
                let located = errors.iter().map(|error| self.locate(error.clone().into()));
                Err(RefusedDocuments(located.collect()).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn publication(report: PublishReport, locate: impl Fn(Located) -> Located) -> anyhow::Result<Publication> {
    let PublishReport { published, warnings } = report;
    let warnings = warnings.into_iter().map(|warning| Ok(locate(serde_json::from_value(warning)?)));
    Ok(Publication { published, warnings: warnings.collect::<serde_json::Result<_>>()? })
}

fn lines(text: &str) -> u64 {
    u64::try_from(text.lines().count()).unwrap_or(u64::MAX)
}

impl Desk {
    /// Publishes files, all of their documents or none.
    pub(crate) async fn publish(&self, files: &[SourceFile]) -> anyhow::Result<Publication> {
        match self {
            Self::Database(office) => {
                let report = office.app.use_cases.publish(office.actor, files).await?;
                publication(serde_json::from_value(report.to_value())?, |warning| warning)
            }
            Self::Server(client) => Joined::new(files).publish(client).await,
        }
    }

    /// The newest templates in which all these words are found.
    pub(crate) async fn templates(&self, search: Option<&str>, limit: u16) -> anyhow::Result<Vec<Template>> {
        match self {
            Self::Database(office) => {
                let search = search.map(Search::parse).transpose()?;
                let filter = TemplateFilter { search, ..TemplateFilter::default() };
                let page = PageRequest { limit, after: None };
                seen_all(office.app.use_cases.templates(office.actor, filter, page).await?.items)
            }
            Self::Server(client) => {
                let search = search.map(str::to_owned);
                let query = TemplateQuery { search, limit: Some(limit), ..TemplateQuery::default() };
                Ok(client.templates(&query).await?.items)
            }
        }
    }

    /// A template, with its content.
    pub(crate) async fn template(&self, id: TemplateId) -> anyhow::Result<Template> {
        match self {
            Self::Database(office) => seen(office.app.use_cases.template(office.actor, id).await?),
            Self::Server(client) => Ok(client.template(id).await?),
        }
    }

    /// Makes an agent or a workflow of a template; gives a step back.
    pub(crate) async fn use_template(&self, id: TemplateId, wanted: TemplateUse) -> anyhow::Result<TemplateCopy> {
        match self {
            Self::Database(office) => {
                let wanted = Wanted { name: wanted.name, changes: wanted.changes };
                Ok(match office.app.use_cases.use_template(office.actor, id, wanted).await? {
                    Copied::Published(report) => TemplateCopy { published: Some(report.to_value()), step: None },
                    Copied::Step(step) => TemplateCopy { published: None, step: Some(step) },
                })
            }
            Self::Server(client) => Ok(client.use_template(id, &wanted).await?),
        }
    }
}

#[cfg(test)]
mod tests {
    use turbocat_application::Reading;

    use super::*;

    fn file(name: &str, text: &str) -> SourceFile {
        SourceFile { name: name.to_owned(), text: text.to_owned() }
    }

    fn a_workflow(name: &str) -> String {
        format!("name: {name}\nsteps: [{{ key: a, type: wait, config: {{ duration_ms: 1 }} }}]")
    }

    #[test]
    fn files_that_are_joined_say_the_same_however_they_begin_and_end() {
        let json = r#"{ "name": "json", "steps": [{ "key": "a", "type": "wait", "config": { "duration_ms": 1 } }] }"#;
        let files = [
            file("a.yaml", &a_workflow("one")),
            file("b.yaml", &format!("---\n{}\n---\n{}\n", a_workflow("two"), a_workflow("three"))),
            file("c.yaml", &format!("%YAML 1.2\n---\n{}\n...\n", a_workflow("four"))),
            file("d.json", json),
            file("e.yaml", &format!("# what it is for\n\n{}\n---\n", a_workflow("five"))),
        ];
        let apart = Reading::read(&files).unwrap();
        let joined = Joined::new(&files);
        let one = [file("body.yaml", joined.documents.text())];
        let together = Reading::read(&one).unwrap();

        assert_eq!(apart.workflows(), together.workflows());
        assert_eq!(apart.workflows().len(), 6);
    }

    #[test]
    fn a_problem_is_at_the_line_of_its_file() {
        let joined = Joined::new(&[file("a.yaml", "1\n2\n3"), file("b.yaml", "5\n6\n")]);
        let at = |line| {
            let error = FieldError {
                pointer: "/steps/0".to_owned(),
                code: "missing".to_owned(),
                message: "it is needed".to_owned(),
                path: Some("steps[0]".to_owned()),
                document: Some(1),
                line,
            };
            joined.locate(error.into()).to_string()
        };

        assert_eq!(at(Some(3)), "a.yaml:3: steps[0]: it is needed [missing]");
        assert_eq!(at(Some(5)), "b.yaml:1: steps[0]: it is needed [missing]");
        assert_eq!(at(Some(6)), "b.yaml:2: steps[0]: it is needed [missing]");
        assert_eq!(at(None), "the files#1: steps[0]: it is needed [missing]");
    }
}
