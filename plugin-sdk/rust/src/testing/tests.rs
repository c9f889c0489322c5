//! The played host keeps the contract where a rule can see it.

use std::time::Duration;

use super::{Host, Model};
use crate::budget::{self, Headroom, Scope};
use crate::kv::{self, KvError};
use crate::llm::{Completion, LlmError, LlmMessage, Options};
use crate::log::Level;
use crate::{clock, llm, log, models};

#[test]
#[should_panic(expected = "`clock.now-ms` asks the host, and there is none")]
fn outside_of_a_run_there_is_no_host() {
    let _ = clock::now();
}

#[test]
fn a_run_inside_another_ends_with_itself() {
    let (outer, inner) = (Host::new().prompt("outer"), Host::new().prompt("inner"));
    outer.run(|request| {
        inner.run(|request| assert!(request.contains("inner")));
        assert!(request.contains("outer"));
    });
}

#[test]
fn the_request_is_what_was_said() {
    let host = Host::new()
        .system("be brief")
        .prompt("first")
        .message("assistant", "ok")
        .prompt("second")
        .header("X-Team", "search")
        .label("tier", "low")
        .label("tier", "high")
        .task("summarization");
    host.run(|request| {
        assert_eq!((request.prompt(), request.system_text()), ("second", "be brief"));
        assert_eq!((request.message_count, request.messages().len()), (4, 4));
        assert_eq!(request.message(1).map(|message| message.text), Some("first".into()));
        assert_eq!(request.header("x-TEAM").as_deref(), Some("search"));
        assert_eq!(request.label("tier").as_deref(), Some("high"));
        assert!(request.is_task("summarization") && request.contains(""));
        assert_eq!(request.body_value::<String>("/messages/3/content").as_deref(), Some("second"));
        assert_eq!(request.body_value::<u32>("/messages/3/content"), None);
    });
}

#[test]
fn values_end_when_their_time_is_up() {
    let minute = Some(Duration::from_secs(60));
    let host = Host::new().now(Duration::from_secs(1_000));
    host.run(|_| {
        assert_eq!(kv::set("word", "urgent", minute), Ok(()));
        assert_eq!((kv::increment("count", 2, minute), kv::increment("count", 3, None)), (Ok(2), Ok(5)));
        assert_eq!(kv::increment("word", 1, None), Err(KvError::NotACounter));
        assert_eq!(kv::set("", "x", None), Err(KvError::TooLarge));
    });
    let host = host.now(Duration::from_secs(1_059));
    host.run(|_| assert_eq!(kv::get_text("word").as_deref(), Some("urgent")));
    let host = host.now(Duration::from_secs(1_060));
    host.run(|_| assert_eq!((kv::get("word"), kv::increment("count", 1, None)), (None, Ok(1))));
}

#[test]
fn models_budgets_and_logs_are_seen() {
    let headroom = Headroom { remaining_usd: 1.5, used_ratio: 0.97 };
    let host = Host::new()
        .model("b")
        .model(Model::new("a").price(2.0, 10.0).can("tools"))
        .budget(Scope::User, headroom);
    host.run(|_| {
        assert_eq!(models::names(), ["a", "b"]);
        assert_eq!(
            models::all().filter_map(|model| model.cost_usd(1_000_000, 100_000)).collect::<Vec<_>>(),
            [3.0]
        );
        assert!(models::info("c").is_none() && models::live("a").is_some_and(|live| live.healthy));
        assert_eq!(
            (budget::remaining(Scope::User), budget::remaining(Scope::Global)),
            (Some(headroom), None)
        );
        log::warn("nearly spent");
    });
    assert_eq!(host.logged(), [(Level::Warn, "nearly spent".to_owned())]);
}

#[test]
fn a_played_model_answers_and_others_are_unknown() {
    let ask = || llm::complete("judge", &[LlmMessage::user("2 + 2?")], &Options::default());
    assert_eq!(Host::new().run(|_| ask()), Err(LlmError::UnknownModel("judge".into())));
    let host = Host::new()
        .llm(|model, messages| Ok(Completion { text: format!("{model}: {}", messages.len()), usage: None }));
    assert_eq!(host.run(|_| ask()).map(|completion| completion.text), Ok("judge: 1".into()));
}
