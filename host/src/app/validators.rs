//! Whether a plugin can be the validator that the configuration names, in words for the log, `check` and `plugin list`.

use jackfield_core::config::StreamMode;
use jackfield_plugin_host::Plugin;

/// Why this plugin cannot be a validator that does so with streams, if it cannot.
pub fn unfit_validator(plugin: Option<&Plugin>, mode: StreamMode) -> Option<&'static str> {
    let kind = plugin.map(Plugin::kind).unwrap_or_default();
    match (kind.validator, kind.stream_validator, mode) {
        (false, false, _) => Some("it is named as a validator, and no such validator is loaded"),
        (true, false, StreamMode::Window) => Some(
            "it has `stream: window`, and its component exports `validation` alone: write `stream: hold` or \
             `stream: after`, or build it for the world `stream-validator`",
        ),
        _ => None,
    }
}
