//! What a guest may ask of the host, one file an interface. Every function counts itself first; none
//! waits, none reaches outside the process, and none shows a credential.

mod about;
mod config;
mod kv;
mod log;
mod models;
mod request;

pub(crate) use kv::KvStore;
pub(crate) use log::LogBucket;
