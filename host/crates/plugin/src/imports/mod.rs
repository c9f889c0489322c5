//! What a guest may ask of the host, one file an interface. Every function counts itself first; none
//! waits (but WASI's, which ends with the call), none reaches outside the process, and none shows a credential.

mod about;
mod config;
mod kv;
mod log;
mod models;
mod request;
mod response;
mod stdio;
pub(crate) mod wasi;

pub(crate) use kv::KvStore;
pub(crate) use log::LogBucket;
