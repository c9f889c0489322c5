//! A panic's last words. The trap that follows tells the host only that there was one; the log line says where
//! and why.

/// Sends panics to the host's log, once an instance.
#[cfg(target_family = "wasm")]
pub(crate) fn to_log() {
    use std::sync::Once;

    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let said = panic.payload_as_str().unwrap_or("no message");
            crate::log::error(match panic.location() {
                Some(location) => format!("panicked at {location}: {said}"),
                None => format!("panicked: {said}"),
            });
        }));
    });
}

/// Natively a panic fails the test and prints itself.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn to_log() {}
