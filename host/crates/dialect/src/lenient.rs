//! Reading what others wrote without insisting on its shape: a field we only look at and cannot read counts as
//! not there. The bytes that are forwarded are the provider's own either way.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The value, or its default when it has another shape. For `#[serde(default, deserialize_with = "lenient")]`.
pub(crate) fn lenient<'de, D, T>(reader: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned + Default,
{
    let raw = <&RawValue>::deserialize(reader)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}
