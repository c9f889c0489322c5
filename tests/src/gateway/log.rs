//! What one gateway logged, as values a test can look into.
//!
//! Everything is kept, at every level, from every crate: a test for leaks must see what the loudest
//! setting would print. Fields of the enclosing spans count as the line's own, the line's first.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Map, Value};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::PATIENCE;

/// One line of the log.
#[derive(Clone, Debug)]
pub struct Line {
    /// `ERROR` to `TRACE`.
    pub level: &'static str,
    /// The module that said it.
    pub target: String,
    /// Its fields, `message` among them.
    pub fields: Map<String, Value>,
}

/// What one gateway logged. Cheap to clone; all clones are the same log.
#[derive(Clone, Debug)]
pub struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    changed: Arc<watch::Sender<()>>,
    /// Only WARN and ERROR are kept: for tests of so many requests that the log would be the load.
    quiet: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { lines: Arc::default(), changed: Arc::new(watch::Sender::new(())), quiet: false }
    }
}

impl Line {
    /// A field, `null` when it is not there.
    pub fn get(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }

    /// Whether it is the one line that tells a request's story.
    fn is_request(&self) -> bool {
        self.target == "jackfield::request"
    }
}

impl Log {
    /// A log that keeps only WARN and ERROR.
    pub(super) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    /// How many lines of this level this target wrote.
    pub fn count(&self, level: &str, target: &str) -> usize {
        self.lock().iter().filter(|line| line.level == level && line.target == target).count()
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lock().clone()
    }

    /// The lines at WARN and ERROR, as text: what a failed assertion wants to show.
    pub fn complaints(&self) -> String {
        text_of(self.lock().iter().filter(|line| matches!(line.level, "WARN" | "ERROR")))
    }

    /// The lines that tell requests' stories, one a request.
    pub fn requests(&self) -> Vec<Line> {
        self.lock().iter().filter(|line| line.is_request()).cloned().collect()
    }

    /// Waits until `count` requests' lines are there (they are written after the last byte), and
    /// returns all there are.
    ///
    /// # Panics
    /// When they do not come within [`PATIENCE`], with all that was logged.
    pub async fn wait_for_requests(&self, count: usize) -> Vec<Line> {
        let what = format!("{count} request lines");
        self.wait(&what, |log| Some(log.requests()).filter(|lines| lines.len() >= count)).await
    }

    /// Waits for a line whose text contains this.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`], with all that was logged.
    pub async fn wait_for_text(&self, text: &str) {
        self.wait(text, |log| log.text().contains(text).then_some(())).await;
    }

    /// Everything as text: what any form of the log could print.
    pub fn text(&self) -> String {
        text_of(self.lock().iter())
    }

    /// A runtime whose every thread reports to this log.
    pub(super) fn runtime(&self) -> Runtime {
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(self.clone()));
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("gateway")
            .enable_all()
            .on_thread_start(move || {
                // For the thread's life: it belongs to this gateway's runtime alone.
                std::mem::forget(tracing::dispatcher::set_default(&dispatch));
            })
            .build()
            .expect("a runtime")
    }

    async fn wait<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let waited = async {
            loop {
                if let Some(value) = found(self) {
                    return value;
                }
                // The sender lives in `self`.
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(PATIENCE, waited).await {
            Ok(value) => value,
            Err(_) => panic!("waited {PATIENCE:?} in vain for {what} in the log:\n{}", self.text()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Line>> {
        self.lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn text_of<'a>(lines: impl Iterator<Item = &'a Line>) -> String {
    let mut out = String::new();
    for line in lines {
        let fields = Value::Object(line.fields.clone());
        let _ = writeln!(out, "{} {} {fields}", line.level, line.target);
    }
    out
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        !self.quiet || *metadata.level() <= Level::WARN
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, value) in &outer.0 {
                    fields.0.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        let metadata = event.metadata();
        let line =
            Line { level: metadata.level().as_str(), target: metadata.target().to_owned(), fields: fields.0 };
        self.lock().push(line);
        self.changed.send_replace(());
    }
}

/// Fields as they are recorded.
#[derive(Debug, Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hears_every_thread_of_its_own_runtime_and_no_other() {
        let (one, other) = (Log::default(), Log::default());
        let (runtime, elsewhere) = (one.runtime(), other.runtime());
        let task = runtime.spawn(async {
            let span = tracing::info_span!("request", request_id = "req_1", status = tracing::field::Empty);
            span.record("status", 200);
            tracing::info!(target: "jackfield::request", parent: &span, key = ?"debug", "done");
            let blocking = tokio::task::spawn_blocking(|| tracing::trace!(n = 1.5, "from a blocking thread"));
            blocking.await.unwrap();
        });
        task.await.unwrap();
        elsewhere.spawn(async { tracing::info!("elsewhere") }).await.unwrap();
        one.wait_for_text("from a blocking thread").await;
        let lines = one.wait_for_requests(1).await;
        assert_eq!(lines[0].get("message"), "done");
        assert_eq!(lines[0].get("request_id"), "req_1");
        assert_eq!(lines[0].get("status"), 200);
        assert_eq!(lines[0].get("key"), "\"debug\"");
        assert!(!one.text().contains("elsewhere"));
        other.wait_for_text("elsewhere").await;
        runtime.shutdown_background();
        elsewhere.shutdown_background();
    }
}
