//! Verdicts arrive as they were given, nonsense is a fault, and a watch keeps its instance for one stream.

use jackfield_core::contract::{Held, Piece, PluginFaultKind as Kind, Verdict};

use crate::Allocator;
use crate::guests::{engine, limits, load_as, review, validator};

/// Loads the text's bytes 12 at 2056 and asks whether the fourth of them is a space.
const READS: &str = "(call $text (i32.const 4096))
    (if (i32.ne (i32.load (i32.const 4100)) (i32.const 5)) (then unreachable))
    (if (i32.ne (i32.load8_u (i32.load (i32.const 4096))) (i32.const 104)) (then unreachable))";

#[tokio::test]
async fn every_verdict_arrives_and_nonsense_is_a_fault() {
    let good = [
        ("(call $accept)", Verdict::Accept, None, 0),
        ("(call $score (f64.const 0.25)) (call $accept)", Verdict::Accept, Some(0.25), 0),
        (
            "(call $score (f64.const 1)) (call $say (i32.const 1) (i32.const 0))",
            Verdict::Reject,
            Some(1.0),
            0,
        ),
        ("(call $say (i32.const 2) (i32.const 12))", Verdict::Repair("say it again".into()), None, 0),
        ("(call $say (i32.const 3) (i32.const 3))", Verdict::Replace("say".into()), None, 0),
    ];
    let bad = [
        ("unreachable", Kind::Trap, "unreachable"),
        ("(loop $l (br $l)) (call $accept)", Kind::CpuLimit, "computed longer"),
        ("(call $score (f64.const nan)) (call $accept)", Kind::InvalidDecision, "the score NaN"),
        ("(call $score (f64.const -0.5)) (call $accept)", Kind::InvalidDecision, "the score -0.5"),
        ("(call $score (f64.const inf)) (call $accept)", Kind::InvalidDecision, "the score inf"),
        (
            "(call $say (i32.const 2) (i32.const 0))",
            Kind::InvalidDecision,
            "an instruction to repair of 0 bytes",
        ),
        ("(call $say (i32.const 1) (i32.const 65))", Kind::InvalidDecision, "65 issues"),
        ("(call $say (i32.const 4) (i32.const 0))", Kind::Abi, "discriminant"),
    ];
    for allocator in [Allocator::Pooling, Allocator::OnDemand] {
        for warm in [false, true] {
            let engine = engine(allocator);
            for (body, verdict, score, issues) in &good {
                let guest = validator(&format!("{READS} {body}"));
                let plugin = load_as(&engine, &guest, limits(), warm).await.unwrap();
                assert!(plugin.router().is_none());
                let found = plugin.validator().unwrap().validate(review("hello")).await.expect(body);
                assert_eq!(
                    (&found.verdict, found.score, found.issues.len()),
                    (verdict, *score, *issues),
                    "{body}"
                );
            }
            for (body, kind, says) in bad {
                let plugin = load_as(&engine, &validator(body), limits(), warm).await.unwrap();
                let fault = plugin.validator().unwrap().validate(review("hello")).await.expect_err(body);
                assert_eq!(fault.kind, kind, "{body}: {fault}");
                assert!(fault.message.contains(says), "{body}: {fault}");
            }
        }
    }
}

#[tokio::test]
async fn a_watch_keeps_one_instance_for_one_stream_and_ends_with_a_fault() {
    for warm in [false, true] {
        let engine = engine(Allocator::Pooling);
        let plugin = load_as(&engine, &validator("(call $accept)"), limits(), warm).await.unwrap();
        let validator = plugin.stream_validator().unwrap();
        let ask = || review("").ask;
        let text = || Piece::Text("some text".into());
        // Two streams at once do not see each other's count.
        let (mut one, mut two) = (validator.open(ask()).await.unwrap(), validator.open(ask()).await.unwrap());
        assert_eq!(one.push(0, text()).await.unwrap(), Held::Hold);
        assert_eq!(one.push(0, text()).await.unwrap(), Held::Release(3));
        assert_eq!(two.push(0, text()).await.unwrap(), Held::Hold);
        assert_eq!(one.push(0, Piece::ToolCall("{}".into())).await.unwrap(), Held::Replace("say".into()));
        assert_eq!(two.finish().await.unwrap(), Held::Reject(vec![]));
        assert_eq!(one.push(0, Piece::Finish(None)).await.unwrap_err().kind, Kind::Trap);
        assert_eq!(one.push(0, text()).await.unwrap_err().kind, Kind::Overloaded, "its instance is gone");
    }
}
