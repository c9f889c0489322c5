//! What may stand in an attribute's parentheses.

use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{LitBool, LitStr, Path};

/// An attribute's arguments.
pub(crate) struct Arguments {
    /// The plugin's name, if not that of its package.
    pub(crate) name: Option<LitStr>,
    /// What it does, if not as its package says.
    pub(crate) description: Option<LitStr>,
    /// Whether this attribute exports `lifecycle`.
    pub(crate) lifecycle: bool,
    /// Where the SDK is found.
    pub(crate) sdk: Path,
}

impl Arguments {
    /// Reads the tokens between an attribute's parentheses.
    pub(crate) fn parse(tokens: proc_macro2::TokenStream) -> syn::Result<Self> {
        let mut arguments =
            Self { name: None, description: None, lifecycle: true, sdk: syn::parse_quote!(jackfield) };
        syn::meta::parser(|meta| arguments.set(&meta)).parse2(tokens)?;
        Ok(arguments)
    }

    fn set(&mut self, meta: &ParseNestedMeta<'_>) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            self.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("description") {
            self.description = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("lifecycle") {
            self.lifecycle = meta.value()?.parse::<LitBool>()?.value;
        } else if meta.path.is_ident("crate") {
            self.sdk = meta.value()?.call(Path::parse_mod_style)?;
        } else {
            return Err(
                meta.error("unknown argument: `name`, `description`, `lifecycle` and `crate` are known")
            );
        }
        Ok(())
    }
}
