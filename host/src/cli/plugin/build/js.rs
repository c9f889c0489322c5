//! A plugin in JavaScript or TypeScript, made by its kit.

use std::path::Path;

use super::error::BuildError;
use super::project::Project;
use super::{Embedded, Made};

/// The SDK's own files; the digest covers them.
pub(super) const SDK: Embedded = &[];

/// Makes the plugin in an empty folder of its own.
pub(super) fn make(project: &Project, _work: &Path) -> Result<Made, BuildError> {
    Err(BuildError::NoKit(project.language))
}
