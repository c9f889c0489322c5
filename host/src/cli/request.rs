//! A request for commands that decide without answering: read from a file, or made of a prompt.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hyper::HeaderMap;
use hyper::body::Bytes;
use serde_json::json;

use jackfield_core::base::RequestId;
use jackfield_core::contract::Caller;
use jackfield_dialect::openai::parse_request;
use jackfield_gateway::pipeline::Incoming;
use jackfield_gateway::world::Load;

use super::Failed;

/// The body of a chat request with one user message that leaves the choice of the model to the gateway.
pub(super) fn of_prompt(prompt: &str) -> Bytes {
    json!({ "messages": [{ "role": "user", "content": prompt }] }).to_string().into()
}

/// The body in a file, of at most `limit` bytes: what the gateway itself would take.
pub(super) fn of_file(path: &Path, limit: usize) -> Result<Bytes, Failed> {
    let failed = |why: &dyn std::fmt::Display| Failed(format!("error: read {}: {why}", path.display()));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| failed(&e))?;
    file.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() > limit {
        return Err(failed(&format!("it is larger than {limit} bytes, the bound `server.limits.body`")));
    }
    Ok(bytes.into())
}

/// A body as the pipeline takes it: nobody's key, no headers, arrived now. `from` is what faults call it.
pub(super) fn incoming(from: &str, body: Bytes, task: Option<String>) -> Result<Incoming, Failed> {
    let request =
        parse_request(body).map_err(|fault| Failed(format!("error: understand {from}: {fault}")))?;
    let place =
        Arc::new(Load::default()).enter(1).ok_or_else(|| Failed("error: admit the request".into()))?;
    Ok(Incoming {
        id: RequestId::generate(),
        request,
        caller: Caller::default(),
        task,
        headers: HeaderMap::new(),
        run: None,
        step: None,
        started: Instant::now(),
        place,
    })
}
