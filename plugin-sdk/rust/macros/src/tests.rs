//! What the attributes refuse, and in which words.

use proc_macro2::TokenStream;
use quote::quote;

use crate::expand::expand;
use crate::signature::Kind;

fn refusal(kind: Kind, arguments: TokenStream, item: TokenStream) -> String {
    expand(kind, arguments, item).expect_err("it is refused").to_string()
}

#[test]
fn functions_of_another_shape_are_refused() {
    let wants = "; this attribute wants `fn(&Request) -> …` or `fn(&Request, &Config) -> …`";
    for (item, what) in [
        (
            quote!(
                async fn route(r: &Request) -> String {}
            ),
            "a rule decides at once and cannot be `async`",
        ),
        (
            quote!(
                fn route<T>(r: &Request) -> T {}
            ),
            "a rule has no type parameters",
        ),
        (
            quote!(
                fn route(r: &Request) {}
            ),
            "a rule returns what it decides",
        ),
        (
            quote!(
                fn route(&self, r: &Request) -> String {}
            ),
            "a rule is no method",
        ),
        (
            quote!(
                fn route(r: Request) -> String {}
            ),
            "a rule takes its parameters by reference",
        ),
        (
            quote!(
                fn route(r: &mut Request) -> String {}
            ),
            "a rule takes its parameters by reference",
        ),
        (
            quote!(
                fn route() -> String {}
            ),
            "the number of parameters does not fit",
        ),
        (
            quote!(
                fn route(a: &A, b: &B, c: &C) -> String {}
            ),
            "the number of parameters does not fit",
        ),
    ] {
        assert_eq!(refusal(Kind::Router, quote!(), item), format!("{what}{wants}"));
    }
    let few = refusal(
        Kind::Validator,
        quote!(),
        quote!(
            fn check(r: &Request) -> bool {}
        ),
    );
    assert!(few.contains("`fn(&Request, &Response) -> …`"), "{few}");
}

#[test]
fn unknown_arguments_are_refused() {
    let item = quote!(
        fn route(r: &Request) -> String {}
    );
    let said = refusal(Kind::Router, quote!(nmae = "x"), item);
    assert!(said.starts_with("unknown argument"), "{said}");
}

#[test]
fn the_sdk_is_found_where_the_attribute_says() {
    let item = quote!(
        fn route(r: &Request, c: &Config) -> String {}
    );
    let code = expand(Kind::Router, quote!(crate = my::sdk), item.clone()).expect("it expands").to_string();
    assert!(code.contains("my :: sdk :: __private") && !code.contains("jackfield"), "{code}");
    let code = expand(Kind::Router, quote!(lifecycle = false), item).expect("it expands").to_string();
    assert!(!code.contains("lifecycle"), "{code}");
}
