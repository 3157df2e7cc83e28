//! Traces: from a request to whom an agent calls.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use prost::Message;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time,
};

use crate::{
    http::{Request, get, json},
    turbocat::{LOOK, Turbocat, within},
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Requests: head and body.
type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A server that takes everything, and remembers it.
struct Sink {
    address: String,
    requests: Taken,
}

impl Sink {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self { address: listener.local_addr().unwrap().to_string(), requests: Arc::default() };
        let requests = Arc::clone(&sink.requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(take(stream, Arc::clone(&requests)));
            }
        });
        sink
    }

    fn requests(&self) -> Vec<(String, Vec<u8>)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn take(mut stream: TcpStream, requests: Taken) {
    let mut read = Vec::new();
    loop {
        let head = read.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.map_or(0, |length| length.trim().parse().unwrap());
            if read.len() >= end + 4 + length {
                requests.lock().unwrap().push((head, read[end + 4..].to_vec()));
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                return stream.write_all(answer).await.unwrap();
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or_default() == 0 {
            return;
        }
    }
}

/// Starts a workflow that calls a server, in a trace, and returns the `traceparent` that the server was sent.
async fn call_in_a_trace(turbocat: &Turbocat, address: &str, called: &Sink) -> String {
    let key = turbocat.key("ada@example.com").await;
    let workflow = format!(
        "name: call\nsteps: [{{ key: call, type: agent, agent: caller }}]\n---\nkind: agent\nname: caller\ntype: api\n\
         config: {{ method: POST, url: \"http://{}/ping\", body: {{ a: 1 }} }}\n",
        called.address
    );
    let publish =
        Request { method: "POST", body: Some(("application/yaml", workflow)), ..get("/api/v1/workflows", &key) };
    assert_eq!(json(address, publish).await.0, 201);
    let body = Some(("application/json", json!({ "workflow": "call", "input": {} }).to_string()));
    let head = format!("traceparent: 00-{TRACE}-{CALLER}-01\r\n");
    let start = Request { method: "POST", body, head: &head, ..get("/api/v1/executions?wait=30", &key) };
    let (status, ended) = json(address, start).await;
    assert_eq!((status, &ended["status"]), (200, &json!("completed")), "{ended}");
    let requests = called.requests();
    let [(head, _)] = requests.as_slice() else { panic!("{requests:?}") };
    let told = head.lines().find_map(|line| line.strip_prefix("traceparent: "));
    told.unwrap_or_else(|| panic!("no trace: {head}")).to_owned()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// The spans of the trace that a collector was sent.
fn spans(collector: &Sink) -> Vec<Span> {
    let sent = collector.requests().into_iter().flat_map(|(head, body)| {
        assert!(head.starts_with("post /v1/traces"), "{head}");
        ExportTraceServiceRequest::decode(body.as_slice()).unwrap().resource_spans
    });
    let spans = sent.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans);
    spans.filter(|span| hex(&span.trace_id) == TRACE).collect()
}

#[tokio::test]
async fn a_trace_goes_from_the_request_by_the_step_and_its_agent_to_whom_that_calls() {
    let (collector, called) = (Sink::open().await, Sink::open().await);
    let endpoint = format!("http://{}", collector.address);
    let turbocat = Turbocat::with_database().await.with_environment(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("TURBOCAT_EGRESS_ALLOW", "127.0.0.1"),
    ]);
    let (server, address) = turbocat.up().await;

    let told = call_in_a_trace(&turbocat, &address, &called).await;

    let mut look = time::interval(LOOK);
    within("the spans are exported", async {
        while spans(&collector).len() < 3 {
            look.tick().await;
        }
    })
    .await;
    let spans = spans(&collector);
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:?}"));
    let (request, step, call) = (named("http.request"), named("run.step"), named("agent.request"));
    assert_eq!(hex(&request.parent_span_id), CALLER);
    assert_eq!(step.parent_span_id, request.span_id);
    assert_eq!(call.parent_span_id, step.span_id);
    assert_eq!(told, format!("00-{TRACE}-{}-01", hex(&call.span_id)));
    assert_eq!(spans.len(), 3, "and nothing else: {spans:?}");
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}

#[tokio::test]
async fn without_a_collector_a_trace_is_told_on_as_it_came() {
    let called = Sink::open().await;
    let turbocat = Turbocat::with_database().await.with_variable("TURBOCAT_EGRESS_ALLOW", "127.0.0.1");
    let (server, address) = turbocat.up().await;

    let told = call_in_a_trace(&turbocat, &address, &called).await;

    assert_eq!(told, format!("00-{TRACE}-{CALLER}-01"));
    server.signal("TERM").await;
    assert_eq!(server.end().await.code(), Some(0));
}
