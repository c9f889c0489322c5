//! The code beside the author's function.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ItemFn;

use crate::arguments::Arguments;
use crate::signature::{Kind, config_type};

/// The function, and the exports that call it.
pub(crate) fn expand(kind: Kind, arguments: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let arguments = Arguments::parse(arguments)?;
    let function: ItemFn = syn::parse2(item)?;
    let config = config_type(kind, &function)?;

    let sdk = &arguments.sdk;
    let plugin = plugin(&arguments, config.as_ref());
    let rule = rule(kind, &function, config.is_some(), sdk);
    let export = match kind {
        Kind::Router => quote!(routing),
        Kind::Validator => quote!(validation),
    };
    let lifecycle = arguments.lifecycle.then(
        || quote!(#sdk::__private::lifecycle::export!(Exported with_types_in #sdk::__private::lifecycle);),
    );
    Ok(quote! {
        // Natively nothing calls a rule but its tests.
        #[cfg_attr(not(target_family = "wasm"), allow(dead_code))]
        #function

        const _: () = {
            struct Exports;
            #plugin
            #rule

            // The exports exist on WebAssembly only: natively their names upset linkers.
            #[cfg(target_family = "wasm")]
            const _: () = {
                type Exported = #sdk::__private::Component<Exports>;
                #sdk::__private::#export::export!(Exported with_types_in #sdk::__private::#export);
                #lifecycle
            };
        };
    })
}

/// Who the plugin is and how it reads its settings.
fn plugin(arguments: &Arguments, config: Option<&syn::Type>) -> TokenStream {
    let sdk = &arguments.sdk;
    let name =
        arguments.name.as_ref().map_or_else(|| quote!(env!("CARGO_PKG_NAME")), ToTokens::to_token_stream);
    let description = arguments
        .description
        .as_ref()
        .map_or_else(|| quote!(env!("CARGO_PKG_DESCRIPTION")), ToTokens::to_token_stream);
    let (config, decode) = match config {
        Some(config) => (config.to_token_stream(), quote!(decode)),
        None => (quote!(()), quote!(decode_nothing)),
    };
    quote! {
        impl #sdk::__private::Plugin for Exports {
            const NAME: &'static str = #name;
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
            const DESCRIPTION: &'static str = #description;
            type Config = #config;

            fn decode(json: &str) -> ::core::result::Result<Self::Config, #sdk::Error> {
                #sdk::__private::#decode(json)
            }

            fn kept() -> &'static ::std::thread::LocalKey<::core::cell::OnceCell<Self::Config>> {
                ::std::thread_local! {
                    static KEPT: ::core::cell::OnceCell<#config> = const { ::core::cell::OnceCell::new() };
                }
                &KEPT
            }
        }
    }
}

/// The call of the author's function.
fn rule(kind: Kind, function: &ItemFn, takes_config: bool, sdk: &syn::Path) -> TokenStream {
    let name = &function.sig.ident;
    let config = takes_config.then(|| quote!(config));
    match kind {
        Kind::Router => quote! {
            impl #sdk::__private::Router for Exports {
                fn route(
                    request: &#sdk::Request,
                    #[allow(unused_variables)] config: &Self::Config,
                ) -> ::core::result::Result<#sdk::Routing, #sdk::Error> {
                    #sdk::IntoRouting::into_routing(#name(request, #config))
                }
            }
        },
        Kind::Validator => quote! {
            impl #sdk::__private::Validator for Exports {
                fn validate(
                    request: &#sdk::Request,
                    response: &#sdk::Response,
                    #[allow(unused_variables)] config: &Self::Config,
                ) -> ::core::result::Result<#sdk::Validation, #sdk::Error> {
                    #sdk::IntoValidation::into_validation(#name(request, response, #config))
                }
            }
        },
    }
}
