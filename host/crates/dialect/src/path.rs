//! A model's id as one segment of an address: whatever it holds, it stays inside.

/// The id with every byte percent-encoded that means something in an address.
pub(crate) fn segment(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_means_something_is_encoded() {
        assert_eq!(segment("gemini-2.5-pro_x~1"), "gemini-2.5-pro_x~1");
        assert_eq!(segment("a/../b?c#d:e%f g\\é"), "a%2F..%2Fb%3Fc%23d%3Ae%25f%20g%5C%C3%A9");
    }

    proptest! {
        #[test]
        fn nothing_gets_out(id in any::<String>()) {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
            prop_assert!(segment(&id).bytes().all(plain));
        }
    }
}
