//! The parts of an answer beside texts and calls: pictures have a place in an answer; code that Gemini ran and what came of
//! it are text in Markdown, as Google's own libraries show them; what has no place at all is named in the text where it
//! stood, so that nothing is missing in silence.

use serde::Deserialize;

use jackfield_core::base::{LossyText, excerpt};
use jackfield_core::contract::Picture;

use crate::lenient::lenient;

/// The shortest fence of code in Markdown.
const FENCE: &str = "```";
/// What is told of a provider's word, in characters.
const MAX_WORD: usize = 256;

/// What a part may hold beside a text and a call.
pub(super) struct Beside {
    pub(super) inline_data: Option<WireData>,
    pub(super) file_data: Option<WireFile>,
    pub(super) executable_code: Option<WireCode>,
    pub(super) code_execution_result: Option<WireOutcome>,
}

/// Data of any kind.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireData {
    mime_type: LossyText,
    data: LossyText,
}

/// Data that lies elsewhere.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireFile {
    file_uri: LossyText,
}

/// Code that the provider runs.
#[derive(Deserialize)]
pub(super) struct WireCode {
    #[serde(default, deserialize_with = "lenient")]
    language: LossyText,
    code: LossyText,
}

/// What came of it.
#[derive(Deserialize)]
pub(super) struct WireOutcome {
    #[serde(default, deserialize_with = "lenient")]
    outcome: LossyText,
    #[serde(default, deserialize_with = "lenient")]
    output: LossyText,
}

/// What such a part comes to.
pub(super) enum More {
    /// A picture.
    Picture(Picture),
    /// A text that stands for it.
    Text(String),
}

impl Beside {
    /// What it comes to; nothing for a part that only carries what is no part of an answer.
    pub(super) fn read(self) -> Option<More> {
        let Self { inline_data, file_data, executable_code, code_execution_result } = self;
        if let Some(WireData { mime_type, data }) = inline_data {
            let (media_type, data) = (mime_type.0, data.0);
            return Some(match media_type.starts_with("image/") {
                true => More::Picture(Picture { media_type, data }),
                false => {
                    let kind = excerpt(&media_type, MAX_WORD);
                    More::Text(format!("\n[data ({kind}) that has no place in this API's answers]\n"))
                }
            });
        }
        if let Some(WireFile { file_uri }) = file_data {
            return Some(More::Text(format!("\n[a file: {}]\n", excerpt(&file_uri.0, MAX_WORD))));
        }
        if let Some(WireCode { language, code }) = executable_code {
            let language = language.0.to_ascii_lowercase();
            let language = language.strip_prefix("language_unspecified").unwrap_or(&language);
            return Some(More::Text(fenced(&excerpt(language, MAX_WORD), &code.0)));
        }
        code_execution_result.map(|WireOutcome { outcome, output }| {
            let failed = !matches!(outcome.0.as_str(), "OUTCOME_OK" | "OUTCOME_UNSPECIFIED" | "");
            let word = excerpt(&outcome.0, MAX_WORD);
            let marked = if failed { format!("\n[{word}]\n") } else { String::new() };
            More::Text(marked + &fenced("", &output.0))
        })
    }
}

/// Code in Markdown, in a fence that is longer than any in it.
fn fenced(language: &str, code: &str) -> String {
    let mut fence = FENCE.to_owned();
    while code.contains(&fence) {
        fence.push('`');
    }
    format!("\n{fence}{language}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}
