//! What a guest may ask of the host, one file an interface. Every function counts itself first; none waits or reaches
//! outside the process but `llm`, which needs a grant (WASI's may wait, and that ends with the call); none shows a
//! credential.

mod about;
mod config;
mod kv;
mod llm;
mod log;
mod models;
mod request;
mod response;
mod stdio;
pub(crate) mod wasi;

pub(crate) use kv::KvStore;
pub(crate) use log::LogBucket;
