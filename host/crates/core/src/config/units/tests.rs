//! Quantities read back as they print, and refuse what has no meaning.

use std::time::Duration;

use proptest::prelude::*;

use super::{Count, Period, Share, Size};

#[test]
fn reads_what_people_write() {
    let period = |t: &str| t.parse::<Period>().unwrap().get();
    assert_eq!(period("3600"), Duration::from_secs(3600));
    assert_eq!(period("250ms"), Duration::from_millis(250));
    assert_eq!(period("1m30s"), Duration::from_secs(90));
    assert_eq!(period("1h 5m"), Duration::from_secs(3900));
    assert_eq!("64KiB".parse::<Size>().unwrap().bytes(), 65_536);
    assert_eq!("32 MiB".parse::<Size>().unwrap().bytes(), 32 << 20);
    assert_eq!("1GB".parse::<Size>().unwrap().bytes(), 1_000_000_000);
    assert_eq!("200k".parse::<Count>().unwrap().get(), 200_000);
    assert_eq!("20M".parse::<Count>().unwrap().get(), 20_000_000);
    assert_eq!(serde_json::from_str::<Count>("10.0").unwrap().get(), 10);
}

#[test]
fn shares_are_read_and_printed_as_people_write_them() {
    for (text, printed) in [
        ("5%", "5%"),
        ("0.5 %", "0.5%"),
        ("100%", "100%"),
        ("0.0001%", "0.0001%"),
        ("12.3400%", "12.34%"),
        ("007%", "7%"),
    ] {
        assert_eq!(text.parse::<Share>().unwrap().to_string(), printed);
    }
}

#[test]
fn which_requests_fall_into_a_share_never_changes() {
    // printf %s rule/req_A | sha256sum | cut -c1-16, modulo 1 000 000
    for (of, request, millionths) in [
        ("rule", "req_A", 762971_u32),
        ("other", "req_A", 15899_u32),
        ("rule", "req_01JZ0000000000000000000000", 483116_u32),
    ] {
        let below: Share = format!("{}.{:04}%", millionths / 10_000, millionths % 10_000).parse().unwrap();
        let above = millionths + 1;
        let above: Share = format!("{}.{:04}%", above / 10_000, above % 10_000).parse().unwrap();
        assert!(!below.takes(of, request) && above.takes(of, request), "{of}/{request}");
    }
    let all: Share = "100%".parse().unwrap();
    assert!((0..1_000).all(|n| all.takes("rule", &n.to_string())));
}

#[test]
fn refuses_what_has_no_meaning() {
    for text in
        ["", " ", "s", "-1s", "1.5s", "5 parsecs", "1s1m", "1s1s", "400d", "99999999999999999999h", "10s5"]
    {
        assert!(text.parse::<Period>().is_err(), "{text:?}");
    }
    for text in ["", "MiB", "1MiB5", "1mib", "1PiB", "2048GiB", "-1"] {
        assert!(text.parse::<Size>().is_err(), "{text:?}");
    }
    for text in ["", "k", "1m", "200 kk", "1e9", "99999999999M"] {
        assert!(text.parse::<Count>().is_err(), "{text:?}");
    }
    for text in
        ["", "%", "5", "0%", "0.0%", "0.00001%", ".5%", "5.%", "-5%", "101%", "100.0001%", "5%%", "1e1%"]
    {
        assert!(text.parse::<Share>().is_err(), "{text:?}");
    }
    assert!(serde_json::from_str::<Share>("5").is_err());
    assert!(serde_json::from_str::<Period>("-1").is_err());
    assert!(serde_json::from_str::<Period>("1.5").is_err());
    assert!(serde_json::from_str::<Size>("true").is_err());
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(number in 0_u64..=u64::MAX) {
        let period = Period::from_millis(number);
        prop_assert_eq!(period.to_string().parse::<Period>(), Ok(period));
        let size = Size::from_bytes(number);
        prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        let count = Count::new(number);
        prop_assert_eq!(count.to_string().parse::<Count>(), Ok(count));
        let json = serde_json::to_string(&(period, size, count)).unwrap();
        prop_assert_eq!(serde_json::from_str::<(Period, Size, Count)>(&json).unwrap(), (period, size, count));
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = (text.parse::<Period>(), text.parse::<Size>(), text.parse::<Count>(), text.parse::<Share>());
    }

    #[test]
    fn nearly_right_texts_do_not_panic(text in "[0-9]{0,22}(ms|s|m|h|d|KiB|MiB|k|M|%|[.]| |€){0,3}[0-9]{0,3}") {
        let _ = (text.parse::<Period>(), text.parse::<Size>(), text.parse::<Count>(), text.parse::<Share>());
    }
}
