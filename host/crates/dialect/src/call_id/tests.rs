use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn a_signature_comes_back_as_it_went() {
    for signature in ["AAAA", "ab+/cd==", "q/8=", "Zg=="] {
        let signed = sign("call_7", signature);
        assert!(signed.bytes().all(is_carried), "{signed}");
        assert_eq!(split(&signed), ("call_7", Some(signature.to_owned())));
    }
    assert_eq!(split(&sign("id.of:theirs", "AAAA")).0, "id.of:theirs");
}

#[test]
fn what_cannot_be_carried_is_left_out() {
    for (id, signature) in [
        ("c", String::new()),
        ("c", "no base64!".into()),
        ("c", "A".repeat(MAX_SIGNATURE + 1)),
        ("", "AAAA".into()),
        ("c__jfsig4_AAAA", "BBBB".into()),
    ] {
        assert_eq!(sign(id, &signature), id, "{signature}");
    }
    assert_ne!(sign("c", &"A".repeat(MAX_SIGNATURE)), "c");
}

#[test]
fn an_id_that_was_cut_has_no_signature_and_an_odd_one_is_nobodys() {
    let signed = sign("call_7", "AAAABBBB");
    assert_eq!(split(&signed[..signed.len() - 1]), ("call_7", None));
    for odd in ["call_7", "", "__jfsig4_AAAA", "a__jfsig4_AA A", "a__jfsig4_AA\"A"] {
        assert_eq!(split(odd), (odd, None), "{odd}");
    }
    for broken in
        ["a__jfsig", "a__jfsig_", "a__jfsigx_AAAA", "a__jfsig0_", "a__jfsig99999999999999999999999_A"]
    {
        assert_eq!(split(broken), ("a", None), "{broken}");
    }
}

#[test]
fn other_providers_get_plain_ids_and_every_other_byte() {
    let (one, two) = (sign("call_0", "AAAA"), sign("call_1", "B+/B"));
    let sent = format!(
        r#"[{{"tool_calls":[{{ "id" :	"{one}" }},{{"id":"{two}"}}]}},{{"tool_call_id":"{one}","content":"about {one} \"id\":\"{two}\"","name":"{one}"}}]"#
    );
    let want = format!(
        r#"[{{"tool_calls":[{{ "id" :	"call_0" }},{{"id":"call_1"}}]}},{{"tool_call_id":"call_0","content":"about {one} \"id\":\"{two}\"","name":"{one}"}}]"#
    );
    assert_eq!(stripped(&sent).unwrap(), want);
    assert_eq!(stripped(&want), None);
}

#[test]
fn numbers_go_on_above_the_conversations() {
    let next = |body: &str| Ids::after(body.as_bytes()).id(None, None);
    assert_eq!(next("{}"), "call_0");
    assert_eq!(next(r#"["call_0","call_12","call_abc","call_9__jfsig4_AAAA"]"#), "call_13");
    assert_eq!(next(r#"["call_9999999999999999999999"]"#), "call_0");
    let mut ids = Ids::after(b"{}");
    assert_eq!(
        [ids.id(None, None), ids.id(Some("x".into()), None), ids.id(Some(String::new()), None)],
        ["call_0", "x", "call_1"]
    );
}

proptest! {
    #[test]
    fn any_signature_survives(id in "[a-zA-Z0-9_.-]{1,40}", signature in "([A-Za-z0-9+/]{4}){1,60}") {
        prop_assume!(!id.contains(MARK));
        let signed = sign(&id, &signature);
        prop_assert_eq!(split(&signed), (&*id, Some(signature)));
    }

    #[test]
    fn any_id_can_be_split(id in any::<String>(), rest in "[a-zA-Z0-9_-]{0,40}") {
        split(&id);
        let signed = format!("{id}{MARK}{rest}");
        prop_assert!(signed.starts_with(split(&signed).0));
    }

    #[test]
    fn json_stays_json(text in any::<String>(), id in "[a-z]{1,9}", said in "[a-zA-Z0-9_\"\\\\: -]{0,30}") {
        let signed = sign(&id, "AAAA");
        let sent = json!({"id": signed, "text": text, "said": format!("{said}{signed}"), "call_id": signed});
        let got: Value = serde_json::from_str(&stripped(&sent.to_string()).unwrap()).unwrap();
        let mut want = sent.clone();
        want["id"] = json!(id);
        want["call_id"] = json!(id);
        prop_assert_eq!(got, want);
    }

    #[test]
    fn any_request_has_a_next_number(body in prop::collection::vec(any::<u8>(), 0..200)) {
        Ids::after(&body).id(None, None);
    }
}
