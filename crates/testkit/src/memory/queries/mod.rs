//! The read side: one file an aggregate. Each query reads one state, as it was committed last.

mod agent;
mod api_key;
mod audit_log;
mod deployment;
mod execution;
mod secret;
mod session;
mod template;
mod usage;
mod user;
mod user_token;
mod waiting;
mod workflow;

use chrono::DateTime;
use turbocat_domain::{
    port::{
        AgentQueries, ApiKeyQueries, ApprovalQueries, AuditLogQueries, BudgetQueries, DeploymentQueries,
        ExecutionQueries, Page, PageRequest, Queries, RepositoryError, Result, ScheduleQueries, SecretQueries,
        SessionQueries, Sort, SortField, TemplateQueries, UsageQueries, UserQueries, UserTokenQueries, WorkflowQueries,
    },
    value::{Name, Search, Tag},
};

use super::{
    MemoryStore, page,
    row::{Named, Row},
    tables::Tables,
};

impl Queries for MemoryStore {
    fn users(&self) -> &dyn UserQueries {
        self
    }

    fn agents(&self) -> &dyn AgentQueries {
        self
    }

    fn workflows(&self) -> &dyn WorkflowQueries {
        self
    }

    fn executions(&self) -> &dyn ExecutionQueries {
        self
    }

    fn templates(&self) -> &dyn TemplateQueries {
        self
    }

    fn deployments(&self) -> &dyn DeploymentQueries {
        self
    }

    fn api_keys(&self) -> &dyn ApiKeyQueries {
        self
    }

    fn sessions(&self) -> &dyn SessionQueries {
        self
    }

    fn user_tokens(&self) -> &dyn UserTokenQueries {
        self
    }

    fn secrets(&self) -> &dyn SecretQueries {
        self
    }

    fn audit_logs(&self) -> &dyn AuditLogQueries {
        self
    }

    fn approvals(&self) -> &dyn ApprovalQueries {
        self
    }

    fn schedules(&self) -> &dyn ScheduleQueries {
        self
    }

    fn budgets(&self) -> &dyn BudgetQueries {
        self
    }

    fn usage(&self) -> &dyn UsageQueries {
        self
    }
}

impl MemoryStore {
    /// The tables as they are now.
    fn tables(&self) -> Tables {
        self.state().tables.clone()
    }
}

impl Tables {
    /// The row with an id, deleted or not.
    fn read<R: Row>(&self, id: R::Id) -> Result<R> {
        R::table(self).get(id).cloned().ok_or(RepositoryError::NotFound { entity: R::ENTITY })
    }

    /// The row with an id; one that is deleted is not there.
    fn read_live<R: Row>(&self, id: R::Id) -> Result<R> {
        self.read::<R>(id).and_then(|row| {
            if row.is_deleted() { Err(RepositoryError::NotFound { entity: R::ENTITY }) } else { Ok(row) }
        })
    }

    /// A page of the rows that a filter lets through, in an order.
    fn list_sorted<R: Named>(
        &self,
        (page, sort): (PageRequest, Sort),
        with_deleted: bool,
        filter: impl Fn(&R) -> bool,
    ) -> Page<R> {
        let key = |row: &R| {
            let (at, name) = match sort.by {
                SortField::CreatedAt => (row.cursor().created_at, ""),
                SortField::UpdatedAt => (row.updated_at(), ""),
                SortField::Name => (DateTime::UNIX_EPOCH, row.name()),
            };
            (at, name.to_owned(), row.cursor().id)
        };
        let is_beyond = |row: &R| match page.after {
            None => true,
            Some(end) => R::table(self)
                .rows()
                .find(|row| row.cursor().id == end.id)
                .is_some_and(|end| if sort.ascending { key(row) > key(end) } else { key(row) < key(end) }),
        };
        let rows = R::table(self).rows().filter(|row| with_deleted || !row.is_deleted());
        let mut rows: Vec<&R> = rows.filter(|row| filter(row) && is_beyond(row)).collect();
        rows.sort_by_key(|row| key(row));
        if !sort.ascending {
            rows.reverse();
        }
        let found = page::finish(rows, |row| row.cursor(), page);
        Page { items: found.items.into_iter().cloned().collect(), next: found.next }
    }

    /// A page of the rows that a filter lets through, newest first.
    fn list<R: Row>(&self, page: PageRequest, with_deleted: bool, filter: impl Fn(&R) -> bool) -> Page<R> {
        let rows = R::table(self).rows().filter(|row| (with_deleted || !row.is_deleted()) && filter(row));
        let found = page::newest_first(rows, |row| row.cursor(), page);
        Page { items: found.items.into_iter().cloned().collect(), next: found.next }
    }
}

/// Whether a value is the one that is wanted, if one is.
fn is_wanted<T: PartialEq>(wanted: Option<&T>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

/// Whether the wanted tag, if there is one, is among these.
fn has_tag(wanted: Option<&Tag>, tags: &[Tag]) -> bool {
    wanted.is_none_or(|wanted| tags.contains(wanted))
}

/// Whether what is looked for, if something is, is found in what something is called.
fn is_found(search: Option<&Search>, (name, description, tags): (&Name, Option<&str>, &[Tag])) -> bool {
    search.is_none_or(|search| {
        search.finds([name.as_str()].into_iter().chain(description).chain(tags.iter().map(Tag::as_str)))
    })
}
