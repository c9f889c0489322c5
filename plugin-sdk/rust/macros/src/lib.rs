//! The attributes of `jackfield-plugin`: they leave the author's function as it is and add a component's
//! exports beside it. Everything that can be ordinary code is, in `jackfield_plugin::__private`.

mod arguments;
mod expand;
mod signature;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Makes a routing rule of a function: `fn(&Request) -> R` or `fn(&Request, &Config) -> R`, with `R` anything
/// that implements `IntoRouting` and `Config` any type that implements `serde::Deserialize`.
///
/// The settings are checked when the host loads the plugin, and read once an instance.
///
/// Arguments, all optional:
/// - `name = "…"`, `description = "…"`: what the plugin says of itself, in place of its `Cargo.toml`;
/// - `lifecycle = false`: the crate's other attribute answers for the settings (a crate that exports both a
///   router and a validator has two attributes, and may check its settings in one place only);
/// - `crate = path`: where `jackfield_plugin` is found; without it, at `jackfield`.
#[proc_macro_attribute]
pub fn router(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(signature::Kind::Router, arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes a check of answers of a function: `fn(&Request, &Response) -> R` or
/// `fn(&Request, &Response, &Config) -> R`, with `R` anything that implements `IntoValidation`.
///
/// Arguments as for [`macro@router`].
#[proc_macro_attribute]
pub fn validator(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(signature::Kind::Validator, arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
