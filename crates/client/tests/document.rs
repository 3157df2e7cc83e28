//! The client against the document of the API: each operation, and each member of each type.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "these are tests, helpers included")]

use std::{collections::BTreeSet, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use turbocat_client::{
    Agent, AgentQuery, ApiKey, Approval, ApprovalQuery, Budget, BudgetQuery, BulkStarted, Decided, Decision,
    Deployment, DeploymentChange, DeploymentHealth, DeploymentKey, DeploymentQuery, DeploymentRequest,
    DeploymentRevision, Execution, ExecutionQuery, ExecutionUsage, FieldError, IssuedKey, KeyQuery, LogLine, LogQuery,
    Me, Method, NewBudget, NewDeployment, NewKey, NewSecret, NewUser, Operation, Page, PageQuery, Part, Problem,
    PublishReport, Published, RefusedStart, Repeat, Requested, Rollback, Schedule, Secret, SecretQuery, SendEvent,
    SentEvent, StartExecution, StartExecutions, Started, Step, Template, TemplateCopy, TemplateQuery, TemplateUse,
    Tick, TickQuery, UsageQuery, UsageRows, User, UserQuery, Workflow, WorkflowQuery, WorkflowStep,
};

/// What the API can be asked for and this client does not ask for: what is for browsers, and what waits for somebody who
/// needs it. A new operation is either in the client or here.
const NOT_ASKED_FOR: [&str; 23] = [
    "call_endpoint",
    "change_password",
    "change_template",
    "change_user",
    "confirm_email_verification",
    "confirm_password_reset",
    "create_template",
    "delete_template",
    "delete_user",
    "end_session",
    "list_agent_types",
    "list_audit_logs",
    "list_sessions",
    "log_in",
    "log_out",
    "publish_agents",
    "rate_template",
    "receive_webhook",
    "request_email_verification",
    "request_password_reset",
    "restore_template",
    "restore_user",
    "show_user",
];

/// Which kind of id a member is, where its name alone does not say it.
const IDS: [(&str, &str, &str); 17] = [
    ("AgentView", "id", "agt"),
    ("AgentView", "parent_id", "agt"),
    ("BudgetView", "id", "bud"),
    ("CancelView", "id", "exe"),
    ("DecisionView", "id", "evt"),
    ("DeploymentView", "id", "dpl"),
    ("ExecutionView", "id", "exe"),
    ("KeyView", "id", "key"),
    ("LogView", "id", "log"),
    ("SecretView", "id", "sec"),
    ("SentEventView", "id", "evt"),
    ("SentEventView", "started", "exe"),
    ("TemplateView", "id", "tpl"),
    ("UserView", "id", "usr"),
    ("WorkflowStepView", "id", "stp"),
    ("WorkflowView", "id", "wfl"),
    ("WorkflowView", "parent_id", "wfl"),
];

struct Document(Value);

impl Document {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        Self(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    }

    /// The operations, by their ids: method, path and what else is said of each.
    fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.0["paths"].as_object().unwrap();
        let each = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, said)| (method.clone(), path.clone(), said))
        });
        each.filter(|(.., said)| said["operationId"].is_string()).collect()
    }

    fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "there is no schema `{name}`");
        schema
    }

    /// A value that fits a schema: with everything that there may be, or with null where that may be.
    fn sample(&self, (owner, member): (&str, &str), schema: &Value, is_full: bool) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap();
            return self.sample((name, ""), self.schema(name), is_full);
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let members = parts.iter().flat_map(|part| match self.sample((owner, ""), part, is_full) {
                Value::Object(members) => members,
                other => panic!("{owner}: {other} is no object"),
            });
            return Value::Object(members.collect());
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let says_nothing = |choice: &&Value| choice["type"] == "null";
            let null = choices.iter().find(says_nothing).filter(|_| !is_full);
            let choice = null.or_else(|| choices.iter().find(|choice| !says_nothing(choice))).unwrap();
            return self.sample((owner, member), choice, is_full);
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
            _ => Vec::new(),
        };
        if !is_full && kinds.contains(&"null") {
            return Value::Null;
        }
        match kinds.iter().find(|kind| **kind != "null") {
            None => json!({ "anything": [1, null] }),
            Some(&"boolean") => json!(true),
            Some(&"integer") => json!(7),
            Some(&"number") => json!(2.5),
            Some(&"string") => text(owner, member, schema),
            Some(&"array") => json!([self.sample((owner, member), &schema["items"], is_full)]),
            Some(&"object") => {
                let Some(properties) = schema["properties"].as_object() else { return json!({ "any": 1 }) };
                let members =
                    properties.iter().map(|(name, schema)| (name.clone(), self.sample((owner, name), schema, is_full)));
                Value::Object(members.collect())
            }
            Some(other) => panic!("{owner}.{member}: what is a {other}?"),
        }
    }
}

fn text(owner: &str, member: &str, schema: &Value) -> Value {
    if let Some(word) = schema["enum"].get(0) {
        return word.clone();
    }
    if schema["format"] == "date-time" {
        return json!("2026-01-02T03:04:05.123456Z");
    }
    if schema["format"] == "date" {
        return json!("2026-01-02");
    }
    let by_name = || match member {
        "agent_id" => Some("agt"),
        "execution_id" | "id" | "last_execution_id" | "parent_id" => Some("exe"),
        "user_id" => Some("usr"),
        "workflow_id" => Some("wfl"),
        _ => None,
    };
    let exact = IDS.iter().find(|(schema, name, _)| (*schema, *name) == (owner, member)).map(|(.., prefix)| *prefix);
    match exact.or_else(by_name).filter(|_| owner != "PublishedView") {
        Some(prefix) => json!(format!("{prefix}_01920000000070008000000000000001")),
        None => json!("text"),
    }
}

/// What is read as a type and written again is the same: it has each member, and no other.
fn keeps<T: Serialize + DeserializeOwned>(document: &Document, name: &str) {
    let schema = document.schema(name);
    for is_full in [true, false] {
        let sample = document.sample((name, ""), schema, is_full);
        let read = serde_json::from_value::<T>(sample.clone());
        let read = read.unwrap_or_else(|error| panic!("{name} cannot be read: {error}\n{sample:#}"));
        let mut written = serde_json::to_value(read).unwrap();
        let mut wanted = sample.clone();
        if !is_full {
            // What is not needed may be null or not there.
            for value in [&mut written, &mut wanted] {
                without_nulls(value);
            }
        }
        assert_eq!(written, wanted, "{name} is not what the document says");
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// What a query of this client does not pass on: it reads whole things in the order in which they are listed.
fn is_left_out(id: &str, parameter: &str) -> bool {
    const OF_ONE: [(&str, &str); 6] = [
        ("list_executions", "created_before"),
        ("list_executions", "created_from"),
        ("list_executions", "deployment_id"),
        ("list_executions", "trigger"),
        ("list_users", "active"),
        ("list_users", "search"),
    ];
    ["fields", "sort"].contains(&parameter) || OF_ONE.contains(&(id, parameter))
}

/// A query has each parameter that the operation takes, and no other.
fn asks<T: Serialize + DeserializeOwned + Default>(document: &Document, id: &str) {
    let operations = document.operations();
    let (.., said) = operations.iter().find(|(.., said)| said["operationId"] == id).unwrap();
    let parameters = said["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == "query");
    let sample: Map<String, Value> = parameters
        .filter(|parameter| !is_left_out(id, parameter["name"].as_str().unwrap()))
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap();
            (name.to_owned(), document.sample(("", name), &parameter["schema"], true))
        })
        .collect();
    assert!(!sample.is_empty(), "{id} takes no query");
    let read = serde_json::from_value::<T>(Value::Object(sample.clone()));
    let read = read.unwrap_or_else(|error| panic!("the query of {id} cannot be read: {error}"));
    assert_eq!(serde_json::to_value(read).unwrap(), Value::Object(sample), "{id}");
    assert!(serde_json::to_value(T::default()).unwrap().is_object());
}

#[test]
fn each_operation_is_asked_for_as_the_document_says() {
    let document = Document::read();
    let operations = document.operations();
    let mut missing: BTreeSet<String> =
        operations.iter().map(|(.., said)| said["operationId"].as_str().unwrap().to_owned()).collect();
    assert!(missing.len() > 50, "only {} operations were found", missing.len());
    for Operation { id, method, path, repeat } in Operation::ALL {
        let id = id.to_lowercase();
        let found = operations.iter().find(|(.., said)| said["operationId"] == *id);
        let (verb, place, said) = found.unwrap_or_else(|| panic!("there is no operation {id}"));
        let wanted = match method {
            Method::Get => "get",
            Method::Post => "post",
            Method::Put => "put",
            Method::Patch => "patch",
            Method::Delete => "delete",
        };
        assert_eq!((verb.as_str(), place.as_str()), (wanted, *path), "{id}");
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let takes_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(*repeat == Repeat::ByKey, takes_key, "{id}: who may be asked again takes a key");
        assert!(*method != Method::Get || *repeat == Repeat::Always, "{id} only reads");
        missing.remove(&id);
    }
    let left: Vec<&str> = missing.iter().map(String::as_str).collect();
    assert_eq!(left, NOT_ASKED_FOR, "a new operation is put into the client, or into the list of those that are not");
}

#[test]
fn each_answer_has_the_members_that_the_document_says() {
    let document = Document::read();
    keeps::<Agent>(&document, "AgentView");
    keeps::<ApiKey>(&document, "KeyView");
    keeps::<Approval>(&document, "ApprovalView");
    keeps::<Budget>(&document, "BudgetView");
    keeps::<BulkStarted>(&document, "BulkView");
    keeps::<Requested>(&document, "RequestView");
    keeps::<Decided>(&document, "DecisionView");
    keeps::<Deployment>(&document, "DeploymentView");
    keeps::<DeploymentHealth>(&document, "DeploymentHealthView");
    keeps::<DeploymentKey>(&document, "DeploymentKeyView");
    keeps::<DeploymentRevision>(&document, "DeploymentRevisionView");
    keeps::<Execution>(&document, "ExecutionView");
    keeps::<ExecutionUsage>(&document, "ExecutionUsageView");
    keeps::<FieldError>(&document, "FieldError");
    keeps::<IssuedKey>(&document, "IssuedKeyView");
    keeps::<LogLine>(&document, "LogView");
    keeps::<Me>(&document, "MeView");
    keeps::<Page<Execution>>(&document, "PageView_ExecutionView");
    keeps::<Page<Secret>>(&document, "SecretPage");
    keeps::<Part>(&document, "PartView");
    keeps::<Problem>(&document, "ProblemView");
    keeps::<PublishReport>(&document, "PublishReportView");
    keeps::<Published>(&document, "PublishedView");
    keeps::<RefusedStart>(&document, "RefusedStartView");
    keeps::<Schedule>(&document, "ScheduleView");
    keeps::<Secret>(&document, "SecretView");
    keeps::<SentEvent>(&document, "SentEventView");
    keeps::<Started>(&document, "StartedView");
    keeps::<Step>(&document, "StepView");
    keeps::<Template>(&document, "TemplateView");
    keeps::<TemplateCopy>(&document, "CopyView");
    keeps::<Tick>(&document, "TickView");
    keeps::<UsageRows>(&document, "UsageList");
    keeps::<User>(&document, "UserView");
    keeps::<Workflow>(&document, "WorkflowView");
    keeps::<WorkflowStep>(&document, "WorkflowStepView");
}

#[test]
fn each_body_has_the_members_that_the_document_says() {
    let document = Document::read();
    keeps::<Decision>(&document, "DecisionBody");
    keeps::<DeploymentChange>(&document, "DeploymentChangeBody");
    keeps::<DeploymentRequest>(&document, "DeploymentRequestBody");
    keeps::<NewBudget>(&document, "BudgetBody");
    keeps::<NewDeployment>(&document, "NewDeploymentBody");
    keeps::<NewKey>(&document, "NewKeyBody");
    keeps::<NewSecret>(&document, "SecretBody");
    keeps::<NewUser>(&document, "NewUserBody");
    keeps::<Rollback>(&document, "RollbackBody");
    keeps::<SendEvent>(&document, "EventBody");
    keeps::<StartExecution>(&document, "StartBody");
    keeps::<StartExecutions>(&document, "BulkBody");
    keeps::<TemplateUse>(&document, "UseBody");
}

#[test]
fn each_query_has_the_parameters_that_the_document_says() {
    let document = Document::read();
    asks::<AgentQuery>(&document, "list_agents");
    asks::<ApprovalQuery>(&document, "list_approvals");
    asks::<BudgetQuery>(&document, "list_budgets");
    asks::<DeploymentQuery>(&document, "list_deployments");
    asks::<ExecutionQuery>(&document, "list_executions");
    asks::<KeyQuery>(&document, "list_keys");
    asks::<LogQuery>(&document, "list_execution_logs");
    asks::<PageQuery>(&document, "list_execution_parts");
    asks::<PageQuery>(&document, "list_schedules");
    asks::<PageQuery>(&document, "list_workflow_versions");
    asks::<PageQuery>(&document, "list_agent_versions");
    asks::<SecretQuery>(&document, "list_secrets");
    asks::<TemplateQuery>(&document, "list_templates");
    asks::<TickQuery>(&document, "list_schedule_ticks");
    asks::<PageQuery>(&document, "list_deployment_revisions");
    asks::<UsageQuery>(&document, "sum_usage");
    asks::<UserQuery>(&document, "list_users");
    asks::<WorkflowQuery>(&document, "list_workflows");
}
