//! The second tutorial: words that no answer may hold.

use jackfield::prelude::*;

/// The plugin's settings.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// ASCII case is ignored.
    forbidden: Vec<String>,
}

#[jackfield::validator]
fn validate(_request: &Request, response: &Response, config: &Config) -> Validation {
    let text = response.text().to_ascii_lowercase();
    let found: Vec<&String> =
        config.forbidden.iter().filter(|word| text.contains(&word.to_ascii_lowercase())).collect();
    match found.as_slice() {
        [] => Validation::accept().score(1.0),
        [word] => Validation::repair(format!("Answer again, without the word `{word}`.")),
        words => Verdict::Reject(words.iter().map(|word| format!("the answer contains `{word}`")).collect()).into(),
    }
}
