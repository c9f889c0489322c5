//! Server-sent events as bytes: cutting a stream into frames and reading them.
//!
//! A frame here keeps every byte, its blank line included, because what is tested is that the gateway
//! keeps them. It is the harness's own reading of the format, independent of the gateway's.

use bytes::{Buf, Bytes, BytesMut};

/// Cuts a growing stream into frames. Line ends may be LF, CRLF or CR, as the format allows.
#[derive(Debug, Default)]
pub struct Frames {
    held: BytesMut,
}

impl Frames {
    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame, with the blank line that ends it.
    pub fn pop(&mut self) -> Option<Bytes> {
        let end = frame_end(&self.held)?;
        Some(self.held.copy_to_bytes(end))
    }

    /// What has come without a blank line after it.
    pub fn rest(&self) -> &[u8] {
        &self.held
    }
}

/// All whole frames of a body, and what stands after the last one.
pub fn split(body: &[u8]) -> (Vec<Bytes>, Bytes) {
    let mut frames = Frames::default();
    frames.push(body);
    let whole = std::iter::from_fn(|| frames.pop()).collect();
    (whole, Bytes::copy_from_slice(frames.rest()))
}

/// A frame's data: its `data` lines, joined by line feeds; `None` when it has none.
pub fn data(frame: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(frame).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .map(|value| value.strip_prefix(' ').unwrap_or(value))
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Where the first frame ends: after the second of two line ends with nothing between them.
fn frame_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut line_start = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'\n' => at + 1,
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => at + 2,
            b'\r' => at + 1,
            _ => {
                at += 1;
                continue;
            }
        };
        if at == line_start {
            return Some(end);
        }
        line_start = end;
        at = end;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_frames_at_blank_lines_of_every_kind_and_loses_no_byte() {
        let cases: &[(&str, &[&str], &str)] = &[
            ("data: a\n\ndata: b\n\n", &["data: a\n\n", "data: b\n\n"], ""),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["data: a\r\n\r\n", "data: b\r\n\r\n"], ""),
            ("data: a\r\rdata: b", &["data: a\r\r"], "data: b"),
            (": note\n\ndata: a\n", &[": note\n\n"], "data: a\n"),
            ("\n\ndata: a\n\n", &["\n", "\n", "data: a\n\n"], ""),
            ("", &[], ""),
        ];
        for (body, want, rest) in cases {
            let (frames, left) = split(body.as_bytes());
            assert_eq!(frames, want.iter().map(|f| f.as_bytes()).collect::<Vec<_>>(), "{body:?}");
            assert_eq!(left, rest.as_bytes(), "{body:?}");
        }
    }

    #[test]
    fn reads_the_data_of_a_frame() {
        let cases = [
            ("data: a\n\n", Some("a")),
            ("data:a\r\ndata:  b\r\n\r\n", Some("a\n b")),
            (": comment\n\n", None),
            ("event: x\ndata: {}\nid: 7\n\n", Some("{}")),
        ];
        for (frame, want) in cases {
            assert_eq!(data(frame.as_bytes()).as_deref(), want, "{frame:?}");
        }
    }

    #[test]
    fn a_frame_may_come_byte_by_byte() {
        let mut frames = Frames::default();
        let mut got = Vec::new();
        for byte in b"data: a\n\ndata: b\n\n" {
            frames.push(&[*byte]);
            got.extend(frames.pop());
        }
        assert_eq!(got, [&b"data: a\n\n"[..], &b"data: b\n\n"[..]]);
    }
}
