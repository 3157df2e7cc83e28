//! Templates.

use futures_util::Stream;
use turbocat_domain::id::TemplateId;

use crate::{
    Client, Error, Page, Template, TemplateCopy, TemplateQuery, TemplateUse,
    client::Call,
    operation::{LIST_TEMPLATES, SHOW_TEMPLATE, USE_TEMPLATE},
    page,
};

impl Client {
    /// A page of templates, the newest first, without their content.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn templates(&self, query: &TemplateQuery) -> Result<Page<Template>, Error> {
        self.list(Call::new(LIST_TEMPLATES), query).await
    }

    /// All of them, page after page.
    pub fn all_templates(&self, query: TemplateQuery) -> impl Stream<Item = Result<Template, Error>> {
        let client = self.clone();
        page::all(query, move |query| {
            let client = client.clone();
            async move { client.templates(&query).await }
        })
    }

    /// A template, with its content.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`.
    pub async fn template(&self, id: TemplateId) -> Result<Template, Error> {
        self.ask(Call::about(SHOW_TEMPLATE, id)).await
    }

    /// Makes an agent or a workflow of a template, active at once; a step is only given back.
    ///
    /// # Errors
    ///
    /// [`Error`]; `not_found`, `already_exists` for the name.
    pub async fn use_template(&self, id: TemplateId, wanted: &TemplateUse) -> Result<TemplateCopy, Error> {
        self.ask(Call::about(USE_TEMPLATE, id).json(wanted)?).await
    }
}
