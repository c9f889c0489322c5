//! A streamed answer played to a stream-validator, piece by piece, as the gateway does under `stream: window`: what it lets go, and what
//! it stops.

use jackfield_core::contract::{
    Ask, FinishReason, Held, Piece, PluginFault, PluginFaultKind, StreamValidator,
};

use super::outcome::Seen;

/// What has gone to the client, and what is held back.
#[derive(Default)]
struct Window {
    gone: String,
    held: String,
    /// Bytes that were let go of a character that is not whole yet.
    ahead: usize,
}

/// Plays an answer of one choice to its end.
pub(super) async fn play(
    validator: &dyn StreamValidator,
    ask: Ask,
    pieces: &[String],
) -> Result<Seen, PluginFault> {
    let mut watch = validator.open(ask).await?;
    let mut window = Window::default();
    let finish = Piece::Finish(Some(FinishReason::Stop));
    for piece in pieces.iter().cloned().map(Piece::Text).chain([finish]) {
        if let Piece::Text(text) = &piece {
            window.held.push_str(text);
        }
        if let Some(issues) = window.take(watch.push(0, piece).await?) {
            return Ok(Seen::of_stopped(window.gone, issues));
        }
    }
    if let Some(issues) = window.take(watch.finish().await?) {
        return Ok(Seen::of_stopped(window.gone, issues));
    }
    match window.held.is_empty() {
        true => Ok(Seen::of_delivered(window.gone)),
        false => Err(PluginFault {
            kind: PluginFaultKind::InvalidDecision,
            message: format!("it still held {} bytes at the stream's end", window.held.len()),
        }),
    }
}

impl Window {
    /// Does what the plugin says; its issues when it stops the stream.
    fn take(&mut self, said: Held) -> Option<Vec<String>> {
        match said {
            Held::Hold => {}
            Held::Release(bytes) => {
                let wanted = self.ahead.saturating_add(bytes).min(self.held.len());
                let whole = self.held.floor_char_boundary(wanted);
                self.gone.extend(self.held.drain(..whole));
                self.ahead = wanted - whole;
            }
            Held::Replace(text) => {
                self.gone.push_str(&text);
                self.held.clear();
                self.ahead = 0;
            }
            Held::Reject(issues) => return Some(issues),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_goes_and_no_character_is_cut() {
        let mut window = Window { held: "a€b".into(), ..Window::default() };
        let mut gone = Vec::new();
        for said in [Held::Release(2), Held::Hold, Held::Release(2), Held::Release(99)] {
            assert_eq!(window.take(said), None);
            gone.push(window.gone.clone());
        }
        assert_eq!(gone, ["a", "a", "a€", "a€b"]);
        window.held = "rude".into();
        window.take(Held::Replace("kind".into()));
        assert_eq!((window.gone.as_str(), window.held.as_str()), ("a€bkind", ""));
        assert_eq!(window.take(Held::Reject(vec!["no".into()])), Some(vec!["no".into()]));
    }
}
