use proptest::prelude::*;

use super::*;

fn decode(pieces: &[&[u8]], limit: usize) -> Result<(Vec<Frame>, Bytes), FrameTooLarge> {
    let mut decoder = Decoder::with_limit(limit);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        while let Some(frame) = decoder.next_frame()? {
            frames.push(frame);
        }
    }
    Ok((frames, decoder.remainder()))
}

#[test]
fn reads_every_kind_of_frame() {
    let cases: &[(&str, &[Option<&str>])] = &[
        ("data: a\n\n", &[Some("a")]),
        ("data:a\r\n\r\ndata: [DONE]\r\n\r\n", &[Some("a"), Some("[DONE]")]),
        ("data: a\r\rdata: b\r\r", &[Some("a"), Some("b")]),
        ("data: a\ndata: b\n\n", &[Some("a\nb")]),
        ("data: a\ndata: b\ndata\n\n", &[Some("a\nb\n")]),
        (": ping\n\n", &[None]),
        ("event: x\nid: 1\ndata:  two spaces\n\n", &[Some(" two spaces")]),
        ("database: no\n\n", &[None]),
        ("\n\ndata: a\n\n", &[None, None, Some("a")]),
        ("data: cut", &[]),
        ("\u{FEFF}data: bom\n\n", &[Some("bom")]),
    ];
    for (text, want) in cases {
        let (frames, _) = decode(&[text.as_bytes()], MAX_FRAME).unwrap();
        let got: Vec<Option<String>> =
            frames.iter().map(|f| f.data.as_ref().map(|d| String::from_utf8(d.to_vec()).unwrap())).collect();
        let want: Vec<Option<String>> = want.iter().map(|w| w.map(str::to_owned)).collect();
        assert_eq!(got, want, "{text:?}");
    }
}

#[test]
fn a_frame_beyond_the_bound_is_refused_whole_or_growing() {
    assert_eq!(decode(&[b"data: 123456789\n\n"], 10), Err(FrameTooLarge { limit: 10 }));
    assert_eq!(decode(&[b"data: 12", b"3456789"], 10), Err(FrameTooLarge { limit: 10 }));
    assert_eq!(decode(&[b"data: 12\n\n"], 10).unwrap().0.len(), 1);
}

#[test]
fn a_frame_ending_in_bare_cr_is_not_held_back() {
    let (frames, rest) = decode(&[b"data: a\r\r"], MAX_FRAME).unwrap();
    assert_eq!((frames.len(), rest.len()), (1, 0));
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("data: ".to_owned()),
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n\n".to_owned()),
        Just(": c".to_owned()),
        "[a-z{}é:]{0,5}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|p| p.concat().into_bytes())
}

proptest! {
    /// However the network splits the stream, the data is the same and no byte is lost.
    #[test]
    fn splits_change_nothing(text in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6)) {
        let mut at: Vec<usize> = cuts.iter().map(|c| c.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|w| &text[w[0]..w[1]]).collect();
        let (whole, whole_rest) = decode(&[&text], MAX_FRAME).unwrap();
        let (split, split_rest) = decode(&pieces, MAX_FRAME).unwrap();
        let data = |frames: &[Frame]| frames.iter().filter_map(|f| f.data.clone()).collect::<Vec<_>>();
        prop_assert_eq!(data(&whole), data(&split));
        for (frames, rest) in [(whole, whole_rest), (split, split_rest)] {
            let bytes: Vec<u8> = frames.iter().flat_map(|f| f.wire.to_vec()).chain(rest).collect();
            prop_assert_eq!(&bytes, &text);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let cut = at.index(bytes.len() + 1);
        let _ = decode(&[&bytes[..cut], &bytes[cut..]], 64);
    }
}
