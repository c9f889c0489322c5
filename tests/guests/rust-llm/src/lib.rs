//! Asking models with the Rust SDK: a router that has the prompt rated, and a validator with a judge.
//!
//! Whatever goes wrong with a question is no failure of the plugin: the router then has no opinion, and the validator
//! accepts and says so.

use jackfield::llm::{self, LlmMessage, Options};
use jackfield::prelude::*;

/// Who is asked, and where a hard prompt goes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    judge: String,
    hard: String,
}

/// One word of a model about a text.
fn word(judge: &str, instruction: &str, text: &str) -> Result<String, String> {
    let messages = [LlmMessage::system(instruction), LlmMessage::user(text)];
    let options = Options { temperature: Some(0.0), max_output_tokens: Some(16), ..Options::default() };
    llm::complete(judge, &messages, &options)
        .map(|answer| answer.text.trim().to_lowercase())
        .map_err(|error| format!("{error:?}"))
}

#[jackfield::router]
fn route(request: &Request, config: &Config) -> Option<Target> {
    let rated = word(&config.judge, "Is this hard or easy? One word.", request.prompt());
    (rated.ok()? == "hard").then(|| Target::model(&config.hard))
}

#[jackfield::validator(lifecycle = false)]
fn check(_request: &Request, response: &Response, config: &Config) -> Validation {
    match word(&config.judge, "Is this answer fine? yes or no.", response.text()) {
        Ok(said) if said == "no" => Validation::reject("the judge says no"),
        Ok(_) => Validation::accept(),
        Err(why) => Validation::accept().issue(format!("not judged: {why}")),
    }
}
