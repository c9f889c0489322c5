//! The pipeline over a provider in memory: what is kept of a request, however it ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jackfield_core::base::{JsonObject, RequestId};
use jackfield_core::config::Config;
use jackfield_core::contract::{
    Answer, BoxFuture, Call, Caller, ChatRequest, Content, Dialect, Fault, FaultKind, Message, Provider,
    Role, Usage,
};

use super::attempt::text_reply;
use super::{Body, Incoming, run};
use crate::policy::Rules;
use crate::world::{LiveTable, Load, RequestRecord, World};

/// Answers what is written down, then never again.
#[derive(Default)]
struct Scripted(Mutex<VecDeque<Result<&'static str, FaultKind>>>);

impl Provider for Scripted {
    fn name(&self) -> &str {
        "up"
    }

    fn call(&self, _call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        let next = self.0.lock().unwrap().pop_front();
        Box::pin(async move {
            match next {
                Some(Ok(text)) => {
                    let usage = Usage { input_tokens: 3, output_tokens: 5, ..Usage::default() };
                    let mut reply = text_reply("m", text.to_owned());
                    reply.usage = Some(usage);
                    Ok(Answer::Whole { reply, waited: Duration::ZERO, dropped: Vec::new() })
                }
                Some(Err(kind)) => Err(Fault::new(kind, "the provider said a word of the prompt")),
                None => std::future::pending().await,
            }
        })
    }
}

pub(super) fn world(script: Vec<Result<&'static str, FaultKind>>, live: &Arc<LiveTable>) -> Arc<World> {
    let text = "providers: { up: { kind: simulated } }
models: { one: { provider: up }, two: { provider: up, retries: 0 } }
orchestrator: { default_model: one, fallback: { one: [two] } }";
    let config = Config::from_text("test", text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let provider: Arc<dyn Provider> = Arc::new(Scripted(Mutex::new(script.into())));
    let provider = |_: &str| Some(Arc::clone(&provider));
    Arc::new(World::build(
        1,
        Arc::new(config),
        Rules::default(),
        &provider,
        live,
        &Arc::default(),
        &Arc::default(),
    ))
}

pub(super) fn incoming() -> Incoming {
    let body = br#"{"messages":[{"role":"user","content":"a word"}]}"#;
    let request = ChatRequest {
        dialect: Dialect::OpenAiChat,
        body: JsonObject::parse(body.to_vec().into()).unwrap(),
        model: None,
        messages: vec![Message { role: Role::User, content: Content::Empty, raw: b"{}".to_vec().into() }],
        stream: false,
        include_usage: false,
        task: None,
        has_tools: false,
        has_response_schema: false,
        max_output_tokens: None,
    };
    let place = Arc::new(Load::default()).enter(1).unwrap();
    let caller = Caller { project: Some("search".into()), ..Caller::default() };
    let headers = http::HeaderMap::new();
    Incoming {
        id: RequestId::generate(),
        request,
        caller,
        task: None,
        headers,
        run: None,
        step: None,
        started: Instant::now(),
        place,
    }
}

/// The steps, each with its first few words.
fn steps(record: &RequestRecord) -> Vec<String> {
    let shown = |step| format!("{step:?}").split(',').next().unwrap_or_default().replace(['{', '"'], "");
    record.steps.iter().map(shown).collect()
}

#[tokio::test(start_paused = true)]
async fn every_end_is_kept_with_its_steps_and_outlives_its_world() {
    use FaultKind as K;
    let live = Arc::<LiveTable>::default();
    let answered = run(world(vec![Err(K::UpstreamFailed), Ok("an answer")], &live), incoming()).await;
    assert!(matches!(answered.map(|delivery| delivery.body), Ok(Body::Whole(_))));
    let refused = run(world(vec![Err(K::UpstreamRefused)], &live), incoming()).await;
    assert!(refused.is_err());
    let left = run(world(Vec::new(), &live), incoming());
    assert!(tokio::time::timeout(Duration::from_millis(1), left).await.is_err());
    let world = world(Vec::new(), &live);
    let kept = world.requests().recent();
    let outcomes: Vec<_> = kept.iter().map(|r| (r.outcome, r.reason, r.attempts, r.retries)).collect();
    assert_eq!(
        outcomes,
        [("client_left", None, 1, 0), ("failed", Some("upstream_refused"), 1, 0), ("answered", None, 2, 1),]
    );
    let first = &kept[2];
    assert_eq!(
        steps(first),
        [
            "Decided  by: default",
            "Fallback  models: [two] }",
            "Attempt  model: one",
            "Retry  model: one",
            "Attempt  model: one"
        ]
    );
    assert_eq!(
        (first.project.as_deref(), first.route.as_deref(), first.model.as_deref()),
        (Some("search"), Some("default"), Some("one"))
    );
    assert_eq!(first.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((3, 5)));
    assert!(first.overhead_us.is_some() && first.at_ms > 0);
    assert_eq!(world.requests().get(&first.id).map(|found| found.outcome), Some("answered"));
    for record in &kept {
        let shown = format!("{record:?}");
        assert!(!shown.contains("a word") && !shown.contains("an answer"), "{shown}");
    }
}

/// Answers every request for embeddings at once, with a number for each input.
#[derive(Default)]
struct Embedding(AtomicUsize);

impl Provider for Embedding {
    fn name(&self) -> &str {
        "up"
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Answer, Fault>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let inputs = jackfield_dialect::openai::embeddings::inputs(&call.facts.request);
        let data: Vec<String> = (0..inputs.len())
            .map(|at| format!(r#"{{"object":"embedding","index":{at},"embedding":[{at}]}}"#))
            .collect();
        let wire = format!(r#"{{"object":"list","data":[{}],"model":"m"}}"#, data.join(","));
        let mut reply = text_reply("m", String::new());
        reply.wire = Some(wire.into());
        reply.usage = Some(Usage { input_tokens: 3, ..Usage::default() });
        Box::pin(async move { Ok(Answer::Whole { reply, waited: Duration::ZERO, dropped: Vec::new() }) })
    }
}

#[tokio::test(start_paused = true)]
async fn embeddings_that_all_came_to_be_kept_since_they_were_looked_for_are_delivered() {
    let text = "providers: { up: { kind: simulated } }
models: { one: { provider: up } }
orchestrator: { default_model: one, cache: { enabled: true } }";
    let config = Config::from_text("test", text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let embedding = Arc::<Embedding>::default();
    let up: Arc<dyn Provider> = Arc::<Embedding>::clone(&embedding);
    let provider = |_: &str| Some(Arc::clone(&up));
    let live = Arc::<LiveTable>::default();
    let (load, metrics) = (Arc::default(), Arc::default());
    let world =
        Arc::new(World::build(1, Arc::new(config), Rules::default(), &provider, &live, &load, &metrics));
    let ask = |input: &str| {
        let mut incoming = incoming();
        let body = format!(r#"{{"model":"one","input":{input}}}"#).into_bytes();
        incoming.request.body = JsonObject::parse(body.into()).unwrap();
        incoming.request.dialect = Dialect::OpenAiEmbeddings;
        run(Arc::clone(&world), incoming)
    };
    // Both have looked before the first one's call is over; the other's begins after it.
    let (one, other) = tokio::join!(ask(r#"["x","y"]"#), ask(r#"["y","x"]"#));
    for (delivered, want) in [(one, "[0]"), (other, "[1]")] {
        let Ok(Body::Whole(reply)) = delivered.map(|delivery| delivery.body) else { panic!("no answer") };
        let wire = String::from_utf8(reply.wire.unwrap().to_vec()).unwrap();
        assert!(wire.find(want).unwrap() < wire.find("\"index\":1").unwrap(), "{wire}");
    }
    assert_eq!(embedding.0.load(Ordering::Relaxed), 1);
}
