//! `jackfield plugin …`: what a plugin's author runs.

pub mod build;
mod cargo;
pub mod digest;
mod seal;
pub mod stamp;
mod toolchain;

#[cfg(test)]
mod tests;
