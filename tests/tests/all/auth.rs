//! Who may ask, and for what: keys are asked for when there are any, compared whole, and never sent on.

use jackfield_tests::gateway::CHAT;
use jackfield_tests::upstream::openai;

use crate::world::{BASE, PLAIN, PROVIDER_KEY, World};

const ANY: &str = "jf-any-0123456789abcdef";
const ONE: &str = "jf-one-0123456789abcdef";

fn yaml() -> String {
    format!(
        "keys:\n  - {{ key: {ANY}, project: search, user: ana }}\n  - {{ key: {ONE}, models: [renamed-model] }}\n{BASE}"
    )
}

#[tokio::test]
async fn a_key_opens_what_it_is_for() {
    let world = World::start(&yaml()).await;
    world.upstream.always(openai::chat("ok"));
    let other = PLAIN.replace("test-model", "renamed-model");
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    let cases: &[(Option<String>, &str, u16, &str)] = &[
        (bearer(ANY), PLAIN, 200, ""),
        (bearer(ANY), &other, 200, ""),
        (bearer(ONE), &other, 200, ""),
        (bearer(ONE), PLAIN, 403, "model_not_allowed"),
        (None, PLAIN, 401, "invalid_api_key"),
        (bearer(""), PLAIN, 401, "invalid_api_key"),
        (bearer(&ANY[..ANY.len() - 1]), PLAIN, 401, "invalid_api_key"),
        (bearer(&format!("{ANY}0")), PLAIN, 401, "invalid_api_key"),
        (bearer(&ANY.to_uppercase()), PLAIN, 401, "invalid_api_key"),
        (bearer(PROVIDER_KEY), PLAIN, 401, "invalid_api_key"),
        (Some(format!("Basic {ANY}")), PLAIN, 401, "invalid_api_key"),
    ];
    let mut served = 0;
    for (authorization, body, status, code) in cases {
        let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        let reply = world.gateway.post_raw(CHAT, body.to_string(), &headers).await;
        let name = format!("{authorization:?} {body}");
        assert_eq!(reply.status, *status, "{name}: {}", reply.text());
        if *status == 200 {
            served += 1;
        } else {
            assert_eq!(reply.error().code.as_deref(), Some(*code), "{name}");
            assert!(!reply.text().contains(ANY), "{name}: {}", reply.text());
        }
    }
    let seen = world.upstream.requests();
    assert_eq!(seen.len(), served, "the provider was asked for a stranger");
    for request in seen {
        assert_eq!(request.header("authorization"), Some(format!("Bearer {PROVIDER_KEY}").as_str()));
    }
}

#[tokio::test]
async fn strangers_learn_nothing_and_probes_need_no_key() {
    let world = World::start(&yaml()).await;
    for (path, status) in [("/health", 200), ("/ready", 200), ("/v1/models", 401)] {
        assert_eq!(world.gateway.get(path).await.status, status, "{path}");
    }
    // Whether a model or a task exists is nobody's business without a key.
    let reply = world.gateway.chat(PLAIN.replace("test-model", "no-such-model")).await;
    assert_eq!(reply.status, 401);
}
