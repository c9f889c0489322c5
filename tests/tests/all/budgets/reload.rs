//! Budgets that come and change while the gateway serves: no request fails by it, and nothing that is spent is forgotten.

use jackfield_tests::upstream::openai;
use serde_json::json;

use super::home::{Home, budgets, until_limit};
use super::{ANSWER, body, daily, used};

#[tokio::test]
async fn the_first_budget_opens_the_file_and_a_restart_goes_on_from_it() {
    let home = Home::new("", "").await;
    let gateway = home.start().await;
    home.upstream.push(openai::chat("early").hang_before_head("gate"));
    let asking = async { gateway.chat(body(&json!({}))).await };
    let changing = async {
        home.upstream.all_at_gate("gate", 1).await;
        assert!(!home.state().exists(), "nothing needs a file yet");
        home.write("", &daily(1_000_000_000));
        gateway.log().wait_for_text("the state's file is open").await;
        until_limit(&gateway, 1.0).await;
        home.upstream.open("gate");
    };
    let (reply, ()) = tokio::join!(asking, changing);
    assert_eq!((reply.status, reply.text().contains("early")), (200, true));
    let file = home.state().display().to_string();
    assert_eq!(budgets(&gateway).await["state"], json!(file));

    home.upstream.always(openai::chat("fine"));
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    assert_eq!(used(&gateway).await, ANSWER, "what began before the budget is not counted");
    gateway.stop().await;
    let gateway = home.start().await;
    assert_eq!(used(&gateway).await, ANSWER);
}

#[tokio::test]
async fn a_reload_whose_file_cannot_be_opened_is_refused_and_the_old_world_goes_on() {
    let home = Home::new("", "").await;
    home.upstream.always(openai::chat("fine"));
    let gateway = home.start().await;
    home.write("state: sqlite:missing/state.db", &daily(1_000));
    gateway.log().wait_for_text("make its folder").await;
    gateway.log().wait_for_text("the last good one goes on").await;
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    assert_eq!(budgets(&gateway).await, json!({ "state": null, "budgets": [] }));
    std::fs::create_dir(home.dir.path().join("missing")).unwrap();
    home.write("state: sqlite:missing/state.db", &daily(1_000));
    until_limit(&gateway, 0.000_001).await;
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 402);
    assert!(home.dir.path().join("missing/state.db").exists());
    assert!(!gateway.log().text().contains("take effect at the next start"), "it is in force");
}

#[tokio::test]
async fn limits_change_under_open_reservations_and_what_is_held_stays_held() {
    let home = Home::new("", &daily(1_000_000_000)).await;
    let gateway = home.start().await;
    home.upstream.push(openai::chat("slow").hang_before_head("gate"));
    let asking = async { gateway.chat(body(&json!({}))).await };
    let changing = async {
        home.upstream.all_at_gate("gate", 1).await;
        home.write("", &daily(10 * ANSWER));
        let limit = until_limit(&gateway, 0.000_81).await;
        assert!(limit["reserved"].as_f64().unwrap() > 0.000_81, "{limit}");
        assert_eq!((&limit["spent"], &limit["left"]), (&json!(0.0), &json!(0.0)));
        let reply = gateway.chat(body(&json!({}))).await;
        assert_eq!(reply.status, 402, "all of it is held: {}", reply.text());
        home.upstream.open("gate");
    };
    let (reply, ()) = tokio::join!(asking, changing);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(used(&gateway).await, ANSWER);
    home.upstream.always(openai::chat("fine"));
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    home.write("", &daily(2 * ANSWER));
    until_limit(&gateway, 0.000_162).await;
    let reply = gateway.chat(body(&json!({}))).await;
    assert_eq!((reply.status, used(&gateway).await), (402, 2 * ANSWER), "{}", reply.text());
    home.write("", &daily(1_000_000_000));
    until_limit(&gateway, 1.0).await;
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    assert_eq!(used(&gateway).await, 3 * ANSWER);
}

#[tokio::test]
async fn what_was_counted_in_memory_is_not_swapped_for_a_file_before_the_next_start() {
    let home = Home::new("state: ':memory:'", &daily(1_000_000_000)).await;
    home.upstream.always(openai::chat("fine"));
    let gateway = home.start().await;
    assert_eq!(gateway.chat(body(&json!({}))).await.status, 200);
    home.write("", &daily(1_000_000_000));
    gateway.log().wait_for_text("take effect at the next start").await;
    home.write("", &daily(2_000_000_000));
    until_limit(&gateway, 2.0).await;
    assert_eq!(used(&gateway).await, ANSWER);
    assert!(!home.state().exists(), "nothing is written down before the next start");
}
