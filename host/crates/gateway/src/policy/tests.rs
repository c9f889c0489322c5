//! Canaries and shadows with rules of the host's own: which generation is asked, what a shadow sees, what is counted.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use jackfield_core::base::{JsonObject, RequestId};
use jackfield_core::config::{OnError, Rollback};
use jackfield_core::contract::{
    Ask, BoxFuture, Caller, ChatRequest, Decision, Dialect, PluginFault, PluginFaultKind, RejectClass,
    Router, Routing, Target, Trail,
};

use super::*;
use crate::world::{LiveTable, Load};
use jackfield_core::telemetry::metrics::Metrics;

type Labels = Vec<(String, String)>;

/// A rule that says what it is told to.
struct Rule {
    says: Box<dyn Fn() -> Result<Decision, PluginFaultKind> + Send + Sync>,
    gate: Option<Arc<Semaphore>>,
    saw: Mutex<Vec<Labels>>,
}

impl Router for Rule {
    fn name(&self) -> &str {
        "rule"
    }

    fn route(&self, ask: Ask) -> BoxFuture<'_, Result<Routing, PluginFault>> {
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let mut saw = self.saw.lock().unwrap();
            saw.push(ask.labels.to_vec());
            let labels = vec![("heard".to_owned(), ask.labels.len().to_string())];
            match (self.says)() {
                Ok(decision) => Ok(Routing { decision, reason: "because".into(), labels }),
                Err(kind) => Err(PluginFault { kind, message: "broken".into() }),
            }
        })
    }
}

fn rule(says: impl Fn() -> Result<Decision, PluginFaultKind> + Send + Sync + 'static) -> Arc<Rule> {
    Arc::new(Rule { says: Box::new(says), gate: None, saw: Mutex::default() })
}

fn to(model: &'static str) -> Arc<Rule> {
    rule(move || Ok(Decision::Route(vec![Target::model(model)])))
}

fn seat(rule: &Arc<Rule>) -> Seat {
    let breaker = Breaker::new(Rollback { faults: 2, within: Duration::from_secs(60) });
    Seat {
        router: Arc::clone(rule) as Arc<dyn Router>,
        breaker: Arc::new(breaker),
        opened: Arc::new(|| {}),
        stats: Arc::default(),
        series: Metrics::default().plugins.of("rule", false),
        consults: false,
    }
}

fn slot(base: &Arc<Rule>, canary: Option<(&str, &Arc<Rule>)>) -> RouterSlot {
    let canary = canary.map(|(share, rule)| (share.parse().unwrap(), seat(rule)));
    RouterSlot { base: seat(base), canary, on_error: OnError::Fail }
}

fn shadow(rule: &Arc<Rule>, place: usize) -> ShadowSlot {
    ShadowSlot { seat: seat(rule), place, tally: Arc::default() }
}

fn world(routers: Vec<RouterSlot>, shadows: Vec<ShadowSlot>) -> World {
    let yaml = "providers: { sim: { kind: simulated } }\nmodels: { a: { provider: sim }, b: { provider: sim } }\n\
                orchestrator: { default_model: a }\n";
    let config = Config::from_text("test.yaml", yaml, &|_| None).unwrap();
    let rules = Rules { routers, shadows, tasks: Arc::new(ShadowTasks::new(64)), ..Rules::default() };
    let (live, load) = (Arc::<LiveTable>::default(), Arc::<Load>::default());
    World::build(1, Arc::new(config), rules, &|_| None, &live, &load, &Arc::default())
}

fn exchange() -> Exchange {
    let request = ChatRequest {
        dialect: Dialect::OpenAiChat,
        body: JsonObject::parse("{}".into()).unwrap(),
        model: None,
        messages: Vec::new(),
        stream: false,
        include_usage: false,
        task: None,
        has_tools: false,
        has_response_schema: false,
        max_output_tokens: None,
    };
    let facts = Facts {
        id: RequestId::generate(),
        request,
        task: None,
        caller: Caller::default(),
        headers: http::HeaderMap::new(),
        run: None,
        step: None,
    };
    let started = Instant::now();
    Exchange { facts: Arc::new(facts), started, deadline: started, trail: Trail::default() }
}

/// The model decided on.
async fn ask(world: &World, exchange: &mut Exchange) -> String {
    match world.policy().plan(world, exchange).await.unwrap() {
        Plan::Candidates(targets) => targets[0].model.clone(),
        Plan::Respond { text, .. } => text,
    }
}

/// Waits until every question is answered.
async fn answered(world: &World, shadow: usize, questions: u64) -> ShadowCounts {
    let waiting = async {
        loop {
            let counts = world.policy().shadows()[shadow].tally.counts();
            let ShadowCounts { agreed, disagreed, abstained, failed, skipped } = counts;
            if agreed + disagreed + abstained + failed + skipped >= questions {
                return counts;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("every question to be answered")
}

#[tokio::test]
async fn a_rule_that_answers_with_a_text_where_embeddings_are_asked_for_has_failed() {
    for (dialect, heard) in
        [(Dialect::OpenAiChat, Ok("hello")), (Dialect::OpenAiEmbeddings, Err("plugin_failed"))]
    {
        let says = rule(|| Ok(Decision::Respond("hello".into())));
        let world = world(vec![slot(&says, None)], Vec::new());
        let mut exchange = exchange();
        Arc::get_mut(&mut exchange.facts).unwrap().request.dialect = dialect;
        let got = match world.policy().plan(&world, &mut exchange).await {
            Ok(Plan::Respond { text, .. }) => Ok(text),
            other => Err(other.unwrap_err().kind.reason()),
        };
        assert_eq!(got, heard.map(str::to_owned));
    }
}

#[tokio::test]
async fn a_canary_decides_for_its_share_and_for_nobody_who_only_asks_why() {
    let world = world(vec![slot(&to("a"), Some(("30%", &to("b"))))], Vec::new());
    let mut seen = [0, 0];
    for _ in 0..200 {
        let mut exchange = exchange();
        let canary = "30%".parse::<jackfield_core::config::Share>().unwrap();
        let canary = canary.takes("rule", &exchange.facts.id.to_string());
        for _ in 0..2 {
            assert_eq!(ask(&world, &mut exchange).await, if canary { "b" } else { "a" });
        }
        assert_eq!(exchange.trail.by_canary(), canary);
        exchange.trail = Trail::default();
        let explained = world.policy().explain(&world, &mut exchange).await.unwrap();
        assert_eq!(explained, Plan::Candidates(vec![Target::model("a")]));
        seen[usize::from(canary)] += 1;
    }
    // 60 of 200 on average; the chance of none is below 10^-30.
    assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
}

#[tokio::test]
async fn a_canary_that_fails_costs_nobody_the_rules_opinion() {
    let broken = rule(|| Err(PluginFaultKind::Trap));
    let world = world(vec![slot(&to("b"), Some(("100%", &broken)))], Vec::new());
    for (round, kind) in ["trap", "trap", "breaker_open"].into_iter().enumerate() {
        let mut exchange = exchange();
        assert_eq!(ask(&world, &mut exchange).await, "b", "round {round}");
        let [Step::RouterFault { fault, then: "base", .. }, Step::Router { canary: false, .. }, _] =
            exchange.trail.steps()
        else {
            panic!("{:?}", exchange.trail);
        };
        assert_eq!(fault.kind.reason(), kind);
        assert!(!exchange.trail.by_canary());
    }
    assert_eq!(broken.saw.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_shadow_sees_the_labels_it_would_have_seen_at_its_place() {
    let routers = [rule(|| Ok(Decision::Abstain)), to("a"), to("b")];
    let shadows = [to("a"), to("a"), to("a"), to("a")];
    let world = world(
        routers.iter().map(|rule| slot(rule, None)).collect(),
        shadows.iter().enumerate().map(|(place, rule)| shadow(rule, place)).collect(),
    );
    ask(&world, &mut exchange()).await;
    assert!(routers[2].saw.lock().unwrap().is_empty(), "decided before");
    for (place, labels) in [0, 1, 2, 2].into_iter().enumerate() {
        answered(&world, place, 1).await;
        let saw = shadows[place].saw.lock().unwrap();
        assert_eq!(saw[0].len(), labels, "at place {place}: {saw:?}");
    }
}

#[tokio::test]
async fn what_a_shadow_says_is_compared_and_counted_and_nothing_else() {
    type Case = (fn() -> Result<Decision, PluginFaultKind>, fn(&ShadowCounts) -> u64);
    let cases: [Case; 7] = [
        (|| Ok(Decision::Route(vec![Target::model("a"), Target::model("b")])), |c| c.agreed),
        (|| Ok(Decision::Route(vec![Target::model("b"), Target::model("a")])), |c| c.disagreed),
        (|| Ok(Decision::Respond("a".into())), |c| c.disagreed),
        (|| Ok(Decision::Reject { class: RejectClass::Forbidden, message: "no".into() }), |c| c.disagreed),
        (|| Ok(Decision::Abstain), |c| c.abstained),
        (|| Err(PluginFaultKind::Trap), |c| c.failed),
        (|| Err(PluginFaultKind::Overloaded), |c| c.skipped),
    ];
    for (number, (says, counted)) in cases.into_iter().enumerate() {
        let shadowed = world(vec![slot(&to("a"), None)], vec![shadow(&rule(says), 0)]);
        let mut exchange = exchange();
        assert_eq!(ask(&shadowed, &mut exchange).await, "a");
        assert_eq!(exchange.trail.steps().len(), 2, "{:?}", exchange.trail);
        let counts = answered(&shadowed, 0, 1).await;
        assert_eq!(counted(&counts), 1, "case {number}: {counts:?}");
    }
    // What was done may be an error as well.
    let no = || Ok(Decision::Reject { class: RejectClass::Forbidden, message: "no".into() });
    let shadowed = world(vec![slot(&rule(no), None)], vec![shadow(&rule(no), 0), shadow(&to("a"), 0)]);
    shadowed.policy().plan(&shadowed, &mut exchange()).await.unwrap_err();
    assert_eq!(answered(&shadowed, 0, 1).await.agreed, 1);
    assert_eq!(answered(&shadowed, 1, 1).await.disagreed, 1);
}

#[tokio::test]
async fn a_shadow_that_keeps_failing_is_left_alone() {
    let world = world(Vec::new(), vec![shadow(&rule(|| Err(PluginFaultKind::Trap)), 0)]);
    for questions in 1..=5 {
        assert_eq!(ask(&world, &mut exchange()).await, "a");
        answered(&world, 0, questions).await;
    }
    let want = ShadowCounts { failed: 2, skipped: 3, ..ShadowCounts::default() };
    assert_eq!(world.policy().shadows()[0].tally.counts(), want);
}

#[tokio::test]
async fn questions_beyond_the_bound_are_skipped_and_an_end_ends_them_all() {
    let gate = Arc::new(Semaphore::new(0));
    let says = || Ok(Decision::Route(vec![Target::model("a")]));
    let slow = Rule { says: Box::new(says), gate: Some(Arc::clone(&gate)), saw: Mutex::default() };
    let slow = Arc::new(slow);
    let world = world(Vec::new(), vec![shadow(&slow, 0)]);
    for _ in 0..67 {
        assert_eq!(ask(&world, &mut exchange()).await, "a");
    }
    assert_eq!(answered(&world, 0, 3).await.skipped, 3);
    gate.add_permits(64);
    assert_eq!(answered(&world, 0, 67).await.agreed, 64);
    // Answered questions make room; what is open at the end is dropped, and nobody is asked any more.
    ask(&world, &mut exchange()).await;
    world.policy().rules.tasks.end().await;
    assert_eq!(Arc::strong_count(&slow), 2, "a task outlived its owner");
    ask(&world, &mut exchange()).await;
    assert_eq!(answered(&world, 0, 68).await.skipped, 4);
}
