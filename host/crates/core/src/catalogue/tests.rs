//! The table is whole, and prices are what the list says to the last digit.

use proptest::prelude::*;

use super::facts::{TABLE, parse};
use super::{Capability as C, Facts, Mode, Price, TokenPrice, Vendor, facts};

#[test]
fn every_line_is_read_found_and_stands_in_its_place_once() {
    assert!(TABLE.len() < 100_000, "{} bytes: the table is part of every copy of the program", TABLE.len());
    assert!(TABLE.ends_with('\n') && TABLE.is_ascii());
    let mut lines = TABLE.lines();
    assert!(lines.next().unwrap().starts_with("# "), "the first line says what the table is");
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() > 1_000, "{}", lines.len());
    assert!(lines.is_sorted(), "make.py sorts it");
    let mut last = ("", "");
    for line in lines {
        let [vendor, id] = line.split('\t').take(2).collect::<Vec<_>>()[..] else { panic!("{line}") };
        assert_ne!((vendor, id), last, "it is there twice");
        last = (vendor, id);
        let vendor =
            *Vendor::ALL.iter().find(|known| known.name() == vendor).unwrap_or_else(|| panic!("{line}"));
        let read = parse(line).unwrap_or_else(|| panic!("malformed: {line}"));
        if let Some(price) = read.price {
            assert!(price.input > TokenPrice::ZERO, "{line}");
            assert!(price.output > TokenPrice::ZERO || read.mode == Mode::Embedding, "{line}");
        }
        assert_eq!(facts(vendor, id), Some(read), "{line}");
    }
}

#[test]
fn malformed_lines_are_not_taken() {
    let whole = "openai\tgpt-4o\tc\t2.5\t10\t1.25\t\t128000\t16384\ttvsp";
    assert!(parse(whole).is_some());
    for (from, to) in [
        ("\tc\t", "\tx\t"),
        ("2.5", "2.5e0"),
        ("2.5", "-2.5"),
        ("\t10\t", "\t\t"),
        ("128000", "128k"),
        ("16384", "0"),
        ("tvsp", "tvsq"),
        ("tvsp", "tvsp\tmore"),
    ] {
        assert_eq!(parse(&whole.replacen(from, to, 1)), None, "{from:?} as {to:?}");
    }
}

/// Figures copied by hand from the file of facts, prices in pico-dollars for a token.
#[test]
fn the_table_says_what_the_facts_say() {
    type Row<'a> = (Vendor, &'a str, Mode, [Option<u64>; 4], [Option<u64>; 2], &'a [C]);
    let (chat, all) = (Mode::Chat, [C::Tools, C::Vision, C::ResponseSchema, C::Reasoning, C::PromptCaching]);
    let gpt = [C::Tools, C::Vision, C::ResponseSchema, C::PromptCaching];
    let rows: [Row<'_>; 12] = [
        (
            Vendor::Anthropic,
            "claude-3-opus-20240229",
            chat,
            [Some(15_000_000), Some(75_000_000), None, None],
            [Some(200_000), Some(4_096)],
            &[C::Tools, C::Vision],
        ),
        (
            Vendor::Anthropic,
            "claude-3-haiku-20240307",
            chat,
            [Some(250_000), Some(1_250_000), None, None],
            [Some(200_000), Some(4_096)],
            &[C::Tools, C::Vision],
        ),
        (
            Vendor::Anthropic,
            "claude-opus-4-6",
            chat,
            [Some(5_000_000), Some(25_000_000), Some(500_000), Some(6_250_000)],
            [Some(1_000_000), Some(128_000)],
            &all,
        ),
        (
            Vendor::OpenAi,
            "gpt-4o",
            chat,
            [Some(2_500_000), Some(10_000_000), Some(1_250_000), None],
            [Some(128_000), Some(16_384)],
            &gpt,
        ),
        (
            Vendor::OpenAi,
            "gpt-4o-mini",
            chat,
            [Some(150_000), Some(600_000), Some(75_000), None],
            [Some(128_000), Some(16_384)],
            &gpt,
        ),
        (
            Vendor::OpenAi,
            "gpt-4",
            chat,
            [Some(30_000_000), Some(60_000_000), None, None],
            [Some(8_192), Some(4_096)],
            &[C::Tools, C::PromptCaching],
        ),
        (
            Vendor::OpenAi,
            "gpt-3.5-turbo",
            chat,
            [Some(500_000), Some(1_500_000), None, None],
            [Some(16_385), Some(4_096)],
            &[C::Tools, C::PromptCaching],
        ),
        // The same name sold elsewhere has another window.
        (
            Vendor::Azure,
            "gpt-3.5-turbo",
            chat,
            [Some(500_000), Some(1_500_000), None, None],
            [Some(4_097), Some(4_096)],
            &[C::Tools],
        ),
        (
            Vendor::OpenAi,
            "o1",
            chat,
            [Some(15_000_000), Some(60_000_000), Some(7_500_000), None],
            [Some(200_000), Some(100_000)],
            &all,
        ),
        (
            Vendor::DeepSeek,
            "deepseek-coder",
            chat,
            [Some(140_000), Some(280_000), Some(14_000), None],
            [Some(128_000), Some(4_096)],
            &[C::Tools, C::PromptCaching],
        ),
        (
            Vendor::OpenAi,
            "text-embedding-3-small",
            Mode::Embedding,
            [Some(20_000), Some(0), None, None],
            [Some(8_191), None],
            &[],
        ),
        // Free for a while, and so of no known price.
        (
            Vendor::Gemini,
            "gemini-exp-1206",
            chat,
            [None; 4],
            [Some(2_097_152), Some(8_192)],
            &[C::Tools, C::Vision, C::ResponseSchema],
        ),
    ];
    for (vendor, id, mode, price, [context, max_output], capabilities) in rows {
        let price = price.map(|pico| pico.map(|pico| TokenPrice::from_pico_usd(pico).unwrap()));
        let price = match price {
            [Some(input), Some(output), cached_input, cache_write] => {
                Some(Price { input, output, cached_input, cache_write })
            }
            _ => None,
        };
        let want = Facts { mode, price, context, max_output, capabilities: capabilities.to_vec() };
        assert_eq!(facts(vendor, id), Some(want), "{} {id}", vendor.name());
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    for (vendor, id) in [
        (Vendor::OpenAi, ""),
        (Vendor::OpenAi, "gpt-4"),
        (Vendor::OpenAi, "gpt-4o\tc"),
        (Vendor::OpenAi, "gpt-4o\n"),
        (Vendor::OpenAi, "gpt-"),
        (Vendor::OpenAi, "zzz"),
        (Vendor::OpenAi, "\u{10FFFF}"),
        (Vendor::Anthropic, "claude-3-opus"),
        (Vendor::Anthropic, "gpt-4o"),
        (Vendor::Xai, "zzz"),
        (Vendor::Azure, "eu/gpt-4o"),
        (Vendor::OpenAi, "container"),
        (Vendor::OpenAi, "ft:gpt-9:acme::1"),
    ] {
        assert_eq!(facts(vendor, id).is_some(), id == "gpt-4", "{} {id:?}", vendor.name());
    }
}

#[test]
fn a_tuned_model_costs_what_its_base_costs_tuned() {
    let tuned = facts(Vendor::OpenAi, "ft:gpt-4o-mini-2024-07-18:acme::AbC123").unwrap();
    assert_eq!(facts(Vendor::OpenAi, "ft:gpt-4o-mini-2024-07-18").as_ref(), Some(&tuned));
    assert_ne!(facts(Vendor::OpenAi, "gpt-4o-mini-2024-07-18").unwrap().price, tuned.price);
}

#[test]
fn a_vendor_is_known_by_its_host_and_called_the_same_everywhere() {
    for (host, vendor) in [
        ("api.openai.com", Some(Vendor::OpenAi)),
        ("API.OpenAI.com", Some(Vendor::OpenAi)),
        ("api.anthropic.com", Some(Vendor::Anthropic)),
        ("generativelanguage.googleapis.com", Some(Vendor::Gemini)),
        ("mine.openai.azure.com", Some(Vendor::Azure)),
        ("bedrock-runtime.us-west-2.amazonaws.com", Some(Vendor::Bedrock)),
        ("api.groq.com", Some(Vendor::Groq)),
        ("api.openai.com.evil.example", None),
        ("openai.azure.com", None),
        ("127.0.0.1", None),
        ("localhost", None),
        ("", None),
    ] {
        assert_eq!(Vendor::of_host(host), vendor, "{host}");
    }
    for vendor in Vendor::ALL {
        assert_eq!(serde_json::to_value(vendor).unwrap(), vendor.name());
        assert!(TABLE.contains(&format!("\n{}\t", vendor.name())), "{vendor:?} has no model");
    }
    for capability in [C::Tools, C::Vision, C::ResponseSchema, C::Reasoning, C::PromptCaching] {
        assert_eq!(serde_json::to_value(capability).unwrap(), capability.name());
    }
}

#[test]
fn prices_are_read_to_the_last_decimal_and_no_further() {
    for (text, pico) in [
        ("0", 0),
        ("15", 15_000_000),
        ("15.00", 15_000_000),
        ("0.075", 75_000),
        ("0.000001", 1),
        ("0.0000010000", 1),
        ("007.5", 7_500_000),
        ("1000000", 1_000_000_000_000),
        // The floats nearest to these have other digits further on.
        ("0.1", 100_000),
        ("0.3", 300_000),
        ("123456.654321", 123_456_654_321),
    ] {
        assert_eq!(text.parse::<TokenPrice>().map(TokenPrice::pico_usd), Ok(pico), "{text}");
    }
    for (text, why) in [
        ("", "plain decimal"),
        (".", "plain decimal"),
        (".5", "plain decimal"),
        ("5.", "plain decimal"),
        ("-1", "plain decimal"),
        ("+1", "plain decimal"),
        ("1e3", "plain decimal"),
        ("1_000", "plain decimal"),
        ("1.5.5", "plain decimal"),
        (" 1", "plain decimal"),
        ("٣", "plain decimal"),
        ("NaN", "plain decimal"),
        ("0.0000001", "six decimals"),
        ("0.30000000000000001", "six decimals"),
        ("1000000.000001", "a million"),
        ("99999999999999999999999", "a million"),
        ("18446744073710", "a million"),
    ] {
        let error = text.parse::<TokenPrice>().unwrap_err().to_string();
        assert!(error.contains(why), "{text:?}: {error}");
    }
}

proptest! {
    #[test]
    fn a_price_reads_back_as_it_prints_and_as_a_float_shows_it(pico in 0_u64..=1_000_000_000_000) {
        let price = TokenPrice::from_pico_usd(pico).unwrap();
        prop_assert_eq!(price.to_string().parse::<TokenPrice>(), Ok(price));
        prop_assert_eq!(price.usd_per_mtok().to_string().parse::<TokenPrice>(), Ok(price));
        let padded = format!("{}.{:06}000", pico / 1_000_000, pico % 1_000_000);
        prop_assert_eq!(padded.parse::<TokenPrice>(), Ok(price));
    }

    #[test]
    fn no_text_panics(text in "\\PC*", nearly in "[0-9]{0,24}[.]?[0-9]{0,24}[.e€-]?") {
        let _ = (text.parse::<TokenPrice>(), nearly.parse::<TokenPrice>());
        for vendor in Vendor::ALL {
            let _ = (facts(*vendor, &text), super::alias(*vendor, &text), parse(&text));
        }
    }

    #[test]
    fn what_parses_is_the_number_that_is_written(whole in 0_u64..1_000_000, decimals in "[0-9]{0,6}") {
        let text = if decimals.is_empty() { whole.to_string() } else { format!("{whole}.{decimals}") };
        let pico: u64 = format!("{whole}{decimals:0<6}").parse().unwrap();
        prop_assert_eq!(text.parse::<TokenPrice>().map(TokenPrice::pico_usd), Ok(pico));
    }
}
