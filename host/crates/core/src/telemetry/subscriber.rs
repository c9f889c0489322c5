//! The one subscriber of the process. It writes to standard error: standard output belongs to the
//! command that runs.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use super::{LogFormat, LogLevel};

/// Crates below ours that narrate every socket: they speak at `warn` unless `trace` is asked for.
const CHATTY: &[&str] = &["cranelift_codegen", "h2", "hyper", "hyper_util", "reqwest", "rustls", "wasmtime"];

/// Installs the subscriber. Returns whether this call did: a second one changes nothing, so tests
/// and embedders may call it freely.
pub fn init(format: LogFormat, level: LogLevel) -> bool {
    match dispatch(format, level, std::io::stderr, wants_colour()) {
        Some(dispatch) => dispatch.try_init().is_ok(),
        None => false,
    }
}

/// Colour on a terminal, unless `NO_COLOR` (any value but an empty one, see no-color.org) is set.
fn wants_colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A subscriber over this writer; `None` when nothing is to be logged.
fn dispatch<W>(format: LogFormat, level: LogLevel, writer: W, colour: bool) -> Option<tracing::Dispatch>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(writer);
    match format {
        LogFormat::Pretty => Some(builder.with_ansi(colour).with_target(false).finish().into()),
        LogFormat::Json => {
            // Fields at the top level: log stores index those without further setup.
            let json = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
            Some(json.finish().into())
        }
        LogFormat::Off => None,
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let all = EnvFilter::default().add_directive(level.filter().into());
    if matches!(level, LogLevel::Error | LogLevel::Warn | LogLevel::Trace) {
        return all;
    }
    let quiet = CHATTY.iter().filter_map(|name| format!("{name}=warn").parse::<Directive>().ok());
    quiet.fold(all, EnvFilter::add_directive)
}

#[cfg(test)]
mod tests;
