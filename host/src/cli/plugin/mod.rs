//! `jackfield plugin …`: what a plugin's author runs.

pub mod build;
mod cargo;
pub(crate) mod check;
pub mod digest;
mod file;
mod judge;
pub(crate) mod list;
pub(crate) mod new;
pub(crate) mod run;
mod seal;
pub mod stamp;
pub(crate) mod test;
mod toolchain;

pub(super) use file::bytes;

#[cfg(test)]
mod tests;
