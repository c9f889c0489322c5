//! The address of a value in the document: a JSON pointer, shown to people as `routes[1].model`.

use std::fmt;

/// A JSON pointer (RFC 6901). The empty pointer is the whole document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pointer(String);

impl Pointer {
    /// The whole document.
    pub(crate) fn root() -> Self {
        Self::default()
    }

    /// A pointer that is one already.
    pub(crate) fn from_raw(raw: &str) -> Self {
        Self(raw.to_owned())
    }

    /// The member of this name.
    pub(crate) fn key(&self, name: &str) -> Self {
        Self(format!("{}/{}", self.0, name.replace('~', "~0").replace('/', "~1")))
    }

    /// The element at this index.
    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// The value this one is in.
    pub(crate) fn parent(&self) -> Option<Self> {
        self.0.rfind('/').map(|at| Self(self.0[..at].to_owned()))
    }

    /// The names on the way, unescaped.
    pub(crate) fn segments(&self) -> impl Iterator<Item = String> {
        self.0.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~"))
    }

    /// The last name on the way.
    pub(crate) fn last(&self) -> Option<String> {
        self.segments().last()
    }

    /// Whether this is the whole document.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The pointer as `serde_json` takes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("the file");
        }
        for (at, segment) in self.segments().enumerate() {
            if segment.bytes().all(|b| b.is_ascii_digit()) {
                write!(f, "[{segment}]")?;
            } else {
                write!(f, "{}{segment}", if at == 0 { "" } else { "." })?;
            }
        }
        Ok(())
    }
}
