//! `jackfield workflow …`: runs of workflows through a running gateway.

mod follow;
mod gateway;
pub(super) mod resume;
pub(super) mod run;
