//! Every client's dialect against every provider's API: what is sent, and what the client gets of what comes back.
//!
//! `goldens/requests/<case>/<client>.json` is written for every provider, `goldens/replies/<case>/<provider>.json` and
//! `goldens/streams/<case>/<provider>.*` are read and written for every client; what came out stands beside each in a
//! `.golden`. `UPDATE_GOLDENS=1` writes them anew: look at the difference before you keep it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use jackfield_core::contract::{ChatRequest, Dialect, Overrides};
use jackfield_dialect::{Asked, Speech, StreamHead, Written, anthropic, bedrock, client, gemini, openai};

/// Set to anything, the goldens are written instead of compared.
const UPDATE: &str = "UPDATE_GOLDENS";

/// Clients, by the name of their files.
const CLIENTS: &[(&str, Dialect)] = &[
    ("chat", Dialect::OpenAiChat),
    ("messages", Dialect::AnthropicMessages),
    ("responses", Dialect::OpenAiResponses),
];

/// Providers, by the name of their files.
const PROVIDERS: &[(&str, &dyn Speech)] = &[
    ("anthropic", &anthropic::MessagesSpeech),
    ("bedrock", &bedrock::ConverseSpeech),
    ("gemini", &gemini::GeminiSpeech),
    ("openai", &openai::ChatSpeech),
];

fn folder(what: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens").join(what)
}

fn cases(what: &str) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder(what)).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

/// Compares what came out with what should, and says where they part.
fn check(path: &Path, out: &str, wrong: &mut Vec<String>) {
    if std::env::var_os(UPDATE).is_some() {
        fs::write(path, out).unwrap();
        return;
    }
    let golden = fs::read_to_string(path).unwrap_or_default();
    if golden != out {
        let line = golden.lines().zip(out.lines()).take_while(|(a, b)| a == b).count();
        let (was, is) = (golden.lines().nth(line), out.lines().nth(line));
        wrong.push(format!("{}:{}\n  golden {was:?}\n  now    {is:?}", path.display(), line + 1));
    }
}

fn asked(request: &ChatRequest) -> Asked<'_> {
    static NOTHING: Overrides = Overrides {
        temperature: None,
        max_output_tokens: None,
        reasoning: None,
        prompt_template: None,
        answer_format: None,
    };
    Asked { request, model_id: "the-model", overrides: &NOTHING, appended: &[], max_output: Some(4096) }
}

/// JSON on several lines, its keys in their own order.
fn pretty(body: &[u8]) -> String {
    // Through raw values: a tree would sort the keys.
    fn write(raw: &RawValue, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth + 1);
        let inner = |out: &mut String| out.push_str(&format!("\n{}", "  ".repeat(depth)));
        if let Ok(fields) = serde_json::from_str::<Fields>(raw.get()) {
            out.push('{');
            for (at, (key, value)) in fields.0.iter().enumerate() {
                let _ =
                    write!(out, "{}\n{pad}{}: ", if at == 0 { "" } else { "," }, Value::from(key.as_str()));
                write(value, depth + 1, out);
            }
            if !fields.0.is_empty() {
                inner(out);
            }
            out.push('}');
        } else if let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()) {
            out.push('[');
            for (at, value) in items.iter().enumerate() {
                let _ = write!(out, "{}\n{pad}", if at == 0 { "" } else { "," });
                write(value, depth + 1, out);
            }
            if !items.is_empty() {
                inner(out);
            }
            out.push(']');
        } else {
            out.push_str(raw.get());
        }
    }
    let raw: Box<RawValue> = serde_json::from_slice(body).expect("what is sent is JSON");
    let mut out = String::new();
    write(&raw, 0, &mut out);
    out
}

/// An object's fields in their order.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Fields {
    fn deserialize<D: serde::Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> serde::de::Visitor<'de> for Reader {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        reader.deserialize_map(Reader)
    }
}

#[test]
fn requests() {
    let mut wrong = Vec::new();
    for case in cases("requests") {
        for (name, dialect) in CLIENTS {
            let input = case.join(name).with_extension("json");
            let body = fs::read(&input).unwrap_or_else(|e| panic!("{}: {e}", input.display()));
            let request = client(*dialect).parse(Bytes::from(body)).expect("a good request");
            let mut out = String::new();
            for (provider, speech) in PROVIDERS {
                let _ = writeln!(out, "## to {provider}");
                match speech.write(&asked(&request)) {
                    Ok(Written::Call { path, body, dropped }) => {
                        let _ = writeln!(out, "POST {path}\n{}", pretty(&body));
                        if !dropped.is_empty() {
                            let _ = writeln!(out, "left out: {}", dropped.join(", "));
                        }
                    }
                    Ok(Written::Known(reply)) => {
                        let _ = writeln!(out, "no call\n{}", pretty(&client(*dialect).reply(&reply)));
                    }
                    Err(fault) => {
                        let _ = writeln!(out, "{}: {}", fault.kind.reason(), fault.message);
                    }
                }
                out.push('\n');
            }
            check(&input.with_extension("golden"), &out, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn replies() {
    let mut wrong = Vec::new();
    for case in cases("replies") {
        for (provider, speech) in PROVIDERS {
            let input = case.join(provider).with_extension("json");
            // Not every provider has everything.
            let Ok(body) = fs::read(&input).map(Bytes::from) else { continue };
            let mut out = String::new();
            for (name, dialect) in CLIENTS {
                let request = plain(name, *dialect, false);
                let _ = writeln!(out, "## to {name}");
                match speech.read(&asked(&request), body.clone()) {
                    Ok(reply) => {
                        let native = reply.wire.clone();
                        assert_eq!(native.is_some(), speech.is_native(*dialect), "{provider} to {name}");
                        let sent = native.unwrap_or_else(|| client(*dialect).reply(&reply));
                        let _ = writeln!(out, "{}\n", pretty(&sent));
                    }
                    Err(fault) => {
                        let _ = writeln!(out, "{}: {}\n", fault.kind.reason(), fault.message);
                    }
                }
            }
            check(&input.with_extension("golden"), &out, &mut wrong);
        }
        has_a_golden(&case);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn streams() {
    let mut wrong = Vec::new();
    for case in cases("streams") {
        for (provider, speech) in PROVIDERS {
            let Some((input, bytes)) = stream_of(&case, provider) else { continue };
            let mut out = String::new();
            for (name, dialect) in CLIENTS {
                let request = plain(name, *dialect, true);
                let whole = through(*speech, &request, &bytes, bytes.len());
                for step in [1, 7] {
                    let split = through(*speech, &request, &bytes, step);
                    assert_eq!(split, whole, "{} to {name} in pieces of {step}", input.display());
                }
                let _ = writeln!(out, "## to {name}\n{whole}");
            }
            check(&input.with_extension("golden"), &out, &mut wrong);
        }
        has_a_golden(&case);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A case that nobody has is none.
fn has_a_golden(case: &Path) {
    let files: Vec<PathBuf> = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path()).collect();
    let goldens = files.iter().filter(|path| path.extension().is_some_and(|end| end == "golden")).count();
    assert!(goldens > 0 && files.len() == 2 * goldens, "{}: {files:?}", case.display());
}

/// A small request of this client.
fn plain(name: &str, dialect: Dialect, stream: bool) -> ChatRequest {
    let input = folder("requests/plain").join(name).with_extension("json");
    let text = fs::read_to_string(&input).unwrap();
    let text = if stream { text.replacen('{', r#"{"stream":true,"#, 1) } else { text };
    let mut request = client(dialect).parse(Bytes::from(text)).unwrap();
    request.include_usage = true;
    request
}

/// A provider's stream as it stands in its file, if it has such a thing.
fn stream_of(case: &Path, provider: &str) -> Option<(PathBuf, Vec<u8>)> {
    let events = case.join(provider).with_extension("events");
    if events.exists() {
        let bytes = events_of(&fs::read_to_string(&events).unwrap());
        return Some((events, bytes));
    }
    let path = case.join(provider).with_extension("sse");
    fs::read(&path).ok().map(|bytes| (path, bytes))
}

/// AWS's event frames, from one line of JSON each.
fn events_of(lines: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines.lines() {
        let Fields(fields) = serde_json::from_str(line).unwrap();
        let [(kind, name), (_, payload)] = &fields[..] else { panic!("{line}") };
        let text = |text: &str| HeaderValue::String(text.to_owned().into());
        let name: String = serde_json::from_str(name.get()).unwrap();
        let message = Message::new(payload.get().to_owned())
            .add_header(Header::new(format!(":{kind}-type"), text(&name)))
            .add_header(Header::new(":content-type", text("application/json")))
            .add_header(Header::new(":message-type", text(kind)));
        write_message_to(&message, &mut bytes).unwrap();
    }
    bytes
}

/// What a client gets of a provider's stream that comes in pieces of so many bytes.
fn through(speech: &dyn Speech, request: &ChatRequest, bytes: &[u8], step: usize) -> String {
    let mut reader = speech.reader(&asked(request));
    let head =
        StreamHead { id: "req-1".into(), model: "m".into(), created: 1_700_000_000, include_usage: true };
    let mut writer = client(request.dialect).stream(head);
    let mut out = Vec::new();
    let mut pieces = bytes.chunks(step);
    loop {
        let next = match reader.next_chunk() {
            Ok(Some(chunk)) => Ok(chunk),
            Ok(None) => match pieces.next() {
                Some(piece) => {
                    reader.push(piece);
                    continue;
                }
                None => reader.end(),
            },
            Err(fault) => Err(fault),
        };
        let over = match &next {
            Ok(chunk) => chunk.done,
            Err(_) => true,
        };
        match next {
            Ok(chunk) => out.extend(writer.chunk(&chunk).unwrap_or_default()),
            Err(fault) => out.extend(writer.error(&fault)),
        }
        if over {
            return String::from_utf8(out).unwrap();
        }
    }
}
