//! What comes out of the log in each form.

use std::io::{Result, Write};
use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fn written(format: LogFormat, level: LogLevel, colour: bool) -> String {
    let sink = Sink::default();
    let to = sink.clone();
    if let Some(dispatch) = dispatch(format, level, move || to.clone(), colour) {
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(model = "fast-model", "answered");
            tracing::debug!("detail");
            tracing::info!(target: "hyper::proto", "socket noise");
        });
    }
    let bytes = sink.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn json_is_one_object_a_line() {
    let log = written(LogFormat::Json, LogLevel::Info, false);
    let line: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
    assert_eq!((&line["message"], &line["model"]), (&"answered".into(), &"fast-model".into()));
}

#[test]
fn pretty_is_coloured_only_when_wanted() {
    assert!(!written(LogFormat::Pretty, LogLevel::Info, false).contains('\u{1b}'));
    assert!(written(LogFormat::Pretty, LogLevel::Info, true).contains('\u{1b}'));
}

#[test]
fn levels_let_through_what_they_say() {
    assert_eq!(written(LogFormat::Pretty, LogLevel::Warn, false), "");
    let debug = written(LogFormat::Pretty, LogLevel::Debug, false);
    assert!(debug.contains("detail") && !debug.contains("socket noise"), "{debug}");
    assert!(written(LogFormat::Pretty, LogLevel::Trace, false).contains("socket noise"));
    assert_eq!(written(LogFormat::Off, LogLevel::Trace, false), "");
}

#[test]
fn a_second_call_changes_nothing() {
    init(LogFormat::Json, LogLevel::Error);
    assert!(!init(LogFormat::Pretty, LogLevel::Error));
}
