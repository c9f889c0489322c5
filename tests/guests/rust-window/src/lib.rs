//! A stream-validator as an author writes one, on the contract alone: the SDK has no attribute for it yet.
//!
//! It holds back the last characters of each choice, one fewer than its longest word has; rejects `secret`, also when it
//! comes in pieces and in tool calls; and puts `d***` in place of `darn`. It counts characters, not bytes.

use std::cell::RefCell;
use std::collections::BTreeMap;

wit_bindgen::generate!({
    path: "../../../wit",
    generate_all,
    inline: "package test:guest; world guest { export jackfield:plugin/stream-validation@1.0.0; }",
});

use exports::jackfield::plugin::stream_validation::{Delta, Guest, Piece, PluginError, RequestSummary, Step};

const FORBIDDEN: &str = "secret";
const HIDDEN: (&str, &str) = ("darn", "d***");
/// Characters held back.
const TAIL: usize = FORBIDDEN.len() - 1;

thread_local! {
    /// What is held of each choice: the host keeps the same.
    static HELD: RefCell<BTreeMap<u32, String>> = const { RefCell::new(BTreeMap::new()) };
}

struct Window;

impl Guest for Window {
    fn open(_: RequestSummary) -> Result<(), PluginError> {
        Ok(())
    }

    fn push(delta: Delta) -> Result<Step, PluginError> {
        HELD.with_borrow_mut(|held| {
            let held = held.entry(delta.choice).or_default();
            match delta.piece {
                Piece::Text(text) => held.push_str(&text),
                Piece::ToolCall(arguments) if arguments.contains(FORBIDDEN) => return Ok(reject()),
                Piece::ToolCall(_) => return Ok(Step::Hold),
                Piece::Finish(_) => return Ok(Step::Release(let_go(held, 0))),
            }
            if held.contains(FORBIDDEN) {
                return Ok(reject());
            }
            if held.contains(HIDDEN.0) {
                return Ok(Step::Replace(std::mem::take(held).replace(HIDDEN.0, HIDDEN.1)));
            }
            Ok(Step::Release(let_go(held, TAIL)))
        })
    }

    fn finish() -> Result<Step, PluginError> {
        Ok(Step::Release(u32::MAX))
    }
}

fn reject() -> Step {
    Step::Reject(vec!["a forbidden word".into()])
}

/// Keeps the last so many characters; how many bytes that lets go.
fn let_go(held: &mut String, keep: usize) -> u32 {
    let from = held.char_indices().rev().nth(keep.wrapping_sub(1)).map_or(0, |(at, _)| at);
    let end = if keep == 0 { held.len() } else { from };
    held.drain(..end);
    end as u32
}

export!(Window);
