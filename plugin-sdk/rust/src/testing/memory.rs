//! The played host's key-value memory, life times included.

use std::collections::BTreeMap;

use crate::kv::KvError;

/// Values with the millisecond at which they end.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<String, (Vec<u8>, Option<u64>)>);

impl Memory {
    pub(super) fn get(&self, key: &str, now_ms: u64) -> Option<Vec<u8>> {
        self.live(key, now_ms).map(|(value, _)| value.clone())
    }

    pub(super) fn set(
        &mut self,
        key: &str,
        value: &[u8],
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<(), KvError> {
        if key.is_empty() || key.len() > 256 || value.len() > 64 * 1024 {
            return Err(KvError::TooLarge);
        }
        self.0.insert(key.to_owned(), (value.to_vec(), ttl_ms.map(|ttl| now_ms.saturating_add(ttl))));
        Ok(())
    }

    pub(super) fn delete(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Counters are decimal text here: what the real host keeps is not to be seen by plugins.
    pub(super) fn increment(
        &mut self,
        key: &str,
        by: i64,
        ttl_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<i64, KvError> {
        let (count, end) = match self.live(key, now_ms) {
            None => (0, ttl_ms.map(|ttl| now_ms.saturating_add(ttl))),
            Some((value, end)) => {
                let text = std::str::from_utf8(value).map_err(|_| KvError::NotACounter)?;
                (text.parse::<i64>().map_err(|_| KvError::NotACounter)?, *end)
            }
        };
        let count = count.saturating_add(by);
        self.set(key, count.to_string().as_bytes(), None, now_ms)?;
        if let Some(entry) = self.0.get_mut(key) {
            entry.1 = end;
        }
        Ok(count)
    }

    fn live(&self, key: &str, now_ms: u64) -> Option<&(Vec<u8>, Option<u64>)> {
        self.0.get(key).filter(|(_, end)| end.is_none_or(|end| end > now_ms))
    }
}
