//! Keys of the design that this version does not act on yet. A setting that nothing obeys is
//! refused, but with the truth: it is not the writer's mistake.

use super::pointer::Pointer;

/// Sections and the keys in them that are to come. `*` stands for any name.
const LATER: &[(&[&str], &[&str])] = &[(&["telemetry"], &["otlp"])];

/// The hint for a key that is to come at this place.
pub(crate) fn hint(section: &Pointer, key: &str) -> Option<String> {
    let segments: Vec<String> = section.segments().collect();
    let here = |pattern: &[&str]| {
        pattern.len() == segments.len() && pattern.iter().zip(&segments).all(|(p, s)| *p == "*" || p == s)
    };
    let (_, keys) = LATER.iter().find(|(pattern, _)| here(pattern))?;
    keys.contains(&key).then(|| format!("`{key}` is not in this version yet; remove it"))
}
