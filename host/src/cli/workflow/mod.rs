//! `jackfield workflow …`: the workflows of the configuration, and runs of them through a running gateway.

mod follow;
mod gateway;
mod graph;
pub(super) mod list;
pub(super) mod resume;
pub(super) mod run;
pub(super) mod runs;
pub(super) mod show;
