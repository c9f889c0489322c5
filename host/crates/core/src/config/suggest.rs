//! "Did you mean …?": the names nearest to one that is not known.

/// Below this Jaro-Winkler likeness two names have nothing to do with each other.
const LIKENESS: f64 = 0.8;
/// More suggestions than this confuse.
const MOST: usize = 3;
/// A longer list of names is cut.
const LISTED: usize = 20;

/// The known names nearest to this one, best first; empty when none is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = name.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|candidate| (likeness(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(score, _)| *score >= LIKENESS)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.truncate(MOST);
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The better of two measures: one forgives endings, the other swapped letters in short names.
fn likeness(a: &str, b: &str) -> f64 {
    // Both measures are quadratic; no real name is that long.
    if a.len().max(b.len()) > 128 {
        return 0.0;
    }
    strsim::jaro_winkler(a, b).max(strsim::normalized_damerau_levenshtein(a, b) + 0.15)
}

/// A hint: what was probably meant, then everything there is. `what` is the plural of what the names are.
pub(crate) fn hint<'a>(name: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let all = match known.is_empty() {
        true => format!("there are no {what}"),
        false if known.len() > LISTED => {
            format!("{what}: {}, and {} more", known[..LISTED].join(", "), known.len() - LISTED)
        }
        false => format!("{what}: {}", known.join(", ")),
    };
    match nearest(name, known.iter().copied()).first() {
        Some(best) => format!("did you mean `{best}`? {all}"),
        None => all,
    }
}

/// A hint for a reference to something that a section of the file has to declare.
pub(crate) fn undeclared<'a>(name: &str, section: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut known = known.into_iter().peekable();
    match known.peek() {
        Some(_) => hint(name, &format!("declared under `{section}`"), known),
        None => format!("declare it under `{section}`"),
    }
}
