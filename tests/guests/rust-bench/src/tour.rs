//! One branch a task, so that every interface, every kind of decision and every failure of the contract is met
//! once in Rust: a clash of names or a wrong lowering shows as a wrong answer.
//!
//! The same tour, with the same answers, is in ../../js/tour.js and ../../python/tour.py;
//! tests/tests/all/guests.rs compares them, and tests/benches/plugins.rs times some branches.

use std::time::Duration;

use jackfield::budget::Scope;
use jackfield::kv::KvError;
use jackfield::prelude::*;
use jackfield::{budget, clock, config, kv, load, log, models};

/// How often the task `calls` calls the host; the bench divides by it.
const CALLS: u32 = 1000;

/// What the request's task asks for; no opinion when it is none of the tour.
pub(crate) fn branch(request: &Request) -> Result<Routing, Error> {
    Ok(match request.task.as_deref() {
        Some("probe") => chosen(probe(request)?),
        Some("refuse") => Routing::reject(RejectClass::Forbidden, "not on the tour").because("refused"),
        Some("respond") => Routing::respond("the tour answers é😀").because("answered"),
        Some("override") => {
            let target = Target::model("smart-model").temperature(0.5).max_output_tokens(64);
            let target = target.reasoning(Reasoning::Low).prompt_template("In short: ${input}");
            Routing::to(target).because("changed").label("tour", "rust")
        }
        Some("fail") => return Err(Error::invalid_input("the tour fails")),
        Some("unread") => {
            chosen(format!("{} messages, tools: {}", request.message_count, yes(request.has_tools)))
        }
        Some("text") => chosen(format!("found: {}", yes(request.prompt().contains("tour")))),
        Some("calls") => {
            for _ in 0..CALLS {
                std::hint::black_box(clock::monotonic());
            }
            chosen(format!("called {CALLS} times"))
        }
        _ => Routing::abstain(),
    })
}

fn probe(request: &Request) -> Result<String, Error> {
    let mut seen = read_request(request)?;
    seen.extend(read_host()?);
    seen.extend(use_store()?);
    seen.extend(read_self());
    Ok(seen.join("; "))
}

/// What each function of `request` says.
fn read_request(request: &Request) -> Result<Vec<String>, Error> {
    let first = request.message(0).ok_or_else(|| Error::internal("there is no first message"))?;
    let roles: Vec<String> = request.messages().into_iter().map(|message| message.role).collect();
    Ok(vec![
        format!("contains={},{}", yes(request.contains("tour")), yes(request.contains("detour"))),
        format!("prompt={}", request.prompt().chars().count()),
        format!("system={}", request.system_text()),
        format!("first={},{},{}", first.role, first.text, yes(first.has_image)),
        format!("beyond={}", or_none(request.message(9).map(|message| message.text))),
        format!("messages={}", roles.join(",")),
        format!("header={},{}", or_none(request.header("x-tour")), or_none(request.header("authorization"))),
        format!("label={}", or_none(request.label("none-gave-it"))),
        format!("body={}", yes(request.body().starts_with('{'))),
        format!(
            "pointer={},{}",
            or_none(request.body_pointer("/messages/0/role")),
            or_none(request.body_pointer("/nowhere"))
        ),
    ])
}

/// What `models`, `load` and `budget` say.
fn read_host() -> Result<Vec<String>, Error> {
    let missing = || Error::internal("fast-model is not known");
    let info = models::info("fast-model").ok_or_else(missing)?;
    let live = models::live("fast-model").ok_or_else(missing)?;
    let state = load::current();
    let budgets =
        [Scope::Project, Scope::User, Scope::Global].map(|scope| yes(budget::remaining(scope).is_none()));
    Ok(vec![
        format!("names={}", models::names().join(",")),
        format!(
            "info={},{},{},{},{}",
            info.name,
            info.provider,
            or_none(info.context_window.map(|tokens| tokens.to_string())),
            or_none(info.input_usd_per_mtok.map(|usd| (usd * 100.0).to_string())),
            info.tags.join("+")
        ),
        format!(
            "unknown={},{}",
            or_none(models::info("no-such-model").map(|info| info.name)),
            or_none(models::live("no-such-model").map(|live| live.in_flight.to_string()))
        ),
        format!("live={},{},{}", yes(live.healthy), live.in_flight, yes(live.error_rate == 0.0)),
        format!(
            "load={},{},{}",
            yes(state.in_flight >= 1),
            state.queued,
            yes(state.cpu.unwrap_or(0.0) <= 1.0)
        ),
        format!("budget={}", budgets.join(",")),
    ])
}

/// What `kv` keeps, and what it refuses.
fn use_store() -> Result<Vec<String>, Error> {
    let minute = Some(Duration::from_mins(1));
    let failed = |error: KvError| Error::internal(format!("the store: {}", refusal(error)));
    kv::delete("word").map_err(failed)?;
    kv::delete("count").map_err(failed)?;
    let before = or_none(kv::get_text("word"));
    kv::set("word", b"kept", None).map_err(failed)?;
    let kept = or_none(kv::get_text("word"));
    kv::increment("count", 5, minute).map_err(failed)?;
    let count = kv::increment("count", -12, minute).map_err(failed)?;
    let not_a_counter = kv::increment("word", 1, None).err().map_or("none", refusal);
    let too_large = kv::set("", b"", None).err().map_or("none", refusal);
    Ok(vec![
        format!("kv={before},{kept},{count},{}", or_none(kv::get_text("count"))),
        format!("refused={not_a_counter},{too_large}"),
    ])
}

/// What `config`, `clock` and `log` do.
fn read_self() -> Vec<String> {
    const YEAR_2020: Duration = Duration::from_secs(1_600_000_000);
    let earlier = clock::monotonic();
    log::info("the tour passed here: é😀");
    vec![
        format!("config={}", config::text()),
        format!("clock={},{}", yes(clock::now() > YEAR_2020), yes(clock::monotonic() >= earlier)),
    ]
}

fn chosen(reason: String) -> Routing {
    Routing::to("fast-model").because(reason)
}

/// The error as WIT spells it.
fn refusal(error: KvError) -> &'static str {
    match error {
        KvError::QuotaExceeded => "quota-exceeded",
        KvError::TooLarge => "too-large",
        KvError::NotACounter => "not-a-counter",
        KvError::ReadOnly => "read-only",
    }
}

fn yes(condition: bool) -> &'static str {
    if condition { "yes" } else { "no" }
}

fn or_none(text: Option<String>) -> String {
    text.unwrap_or_else(|| "none".into())
}
