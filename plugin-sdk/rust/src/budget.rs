//! What may still be spent.

use crate::imports;

pub use crate::bindings::imports::jackfield::plugin::budget::{Headroom, Scope};

/// The tightest limit of one scope; absent when it has none.
pub fn remaining(of: Scope) -> Option<Headroom> {
    imports::budget::remaining(of)
}
