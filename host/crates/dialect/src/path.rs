//! A model's id as one segment of an address: whatever it holds, it stays inside.

use jackfield_core::contract::Fault;

/// The id with every byte percent-encoded that means something in an address.
///
/// # Errors
/// It is none, or one that an address takes, encoded or not, as a step up or as no step: the prompt would go to a place
/// that nobody configured.
pub(crate) fn segment(id: &str) -> Result<String, Fault> {
    if matches!(id, "" | "." | "..") {
        let message =
            format!("'{id}' cannot be a model's id at this provider, whose addresses have it in them");
        return Err(Fault::invalid("model", message));
    }
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_something_is_encoded() {
        assert_eq!(segment("gemini-2.5-pro_x~1").unwrap(), "gemini-2.5-pro_x~1");
        assert_eq!(segment("a/../b?c#d:e%f g\\é").unwrap(), "a%2F..%2Fb%3Fc%23d%3Ae%25f%20g%5C%C3%A9");
        assert_eq!(segment("...").unwrap(), "...");
    }

    #[test]
    fn steps_are_no_ids() {
        for id in ["", ".", ".."] {
            assert_eq!(segment(id).unwrap_err().param.as_deref(), Some("model"), "{id}");
        }
    }

    proptest! {
        #[test]
        fn nothing_gets_out(id in any::<String>()) {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
            prop_assert!(segment(&id).is_ok_and(|out| out.bytes().all(plain)) || ["", ".", ".."].contains(&&*id));
        }
    }
}
