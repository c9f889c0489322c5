//! What a model's id tells of what the API takes for it.

/// The model's bare id: people copy it with the collection's name in front, as the API lists it.
pub(super) fn bare(model_id: &str) -> &str {
    model_id.strip_prefix("models/").unwrap_or(model_id)
}

/// Whether this is Gemini 3 or newer: it thinks in levels instead of budgets and refuses function calls without a signature.
/// Names without a number (`gemini-pro-latest`) stand for the newest.
pub(super) fn is_recent(model_id: &str) -> bool {
    let Some(version) = bare(model_id).strip_prefix("gemini-") else { return false };
    let digits = version.bytes().take_while(u8::is_ascii_digit).count();
    version[..digits].parse::<u64>().map_or(true, |major| major >= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_told_apart() {
        for recent in
            ["gemini-3-pro-preview", "gemini-3.1-flash", "models/gemini-10-x", "gemini-flash-latest"]
        {
            assert!(is_recent(recent), "{recent}");
        }
        for older in
            ["gemini-2.5-pro", "gemini-1.5-flash", "models/gemini-2.0-flash", "gemma-3-27b", "other", ""]
        {
            assert!(!is_recent(older), "{older}");
        }
    }
}
