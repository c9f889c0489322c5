//! What a function must look like to be a rule, and what is said when it does not.

use syn::{FnArg, ItemFn, ReturnType, Type};

/// What the function becomes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A routing rule.
    Router,
    /// A check of whole answers.
    Validator,
}

impl Kind {
    /// How many parameters come before the settings.
    pub(crate) fn arity(self) -> usize {
        match self {
            Self::Router => 1,
            Self::Validator => 2,
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Router => "`fn(&Request) -> …` or `fn(&Request, &Config) -> …`",
            Self::Validator => "`fn(&Request, &Response) -> …` or `fn(&Request, &Response, &Config) -> …`",
        }
    }
}

/// The type of the settings, if the function takes any.
pub(crate) fn config_type(kind: Kind, function: &ItemFn) -> syn::Result<Option<Type>> {
    let signature = &function.sig;
    let shape = kind.shape();
    let fail = |tokens: &dyn quote::ToTokens, what: &str| {
        Err(syn::Error::new_spanned(tokens, format!("{what}; this attribute wants {shape}")))
    };
    if let Some(token) = &signature.asyncness {
        return fail(token, "a rule decides at once and cannot be `async`");
    }
    if let Some(parameter) = signature.generics.type_params().next() {
        return fail(parameter, "a rule has no type parameters");
    }
    if matches!(signature.output, ReturnType::Default) {
        return fail(&signature.ident, "a rule returns what it decides");
    }
    let mut types = Vec::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => return fail(receiver, "a rule is no method"),
            FnArg::Typed(parameter) => match &*parameter.ty {
                Type::Reference(reference) if reference.mutability.is_none() => types.push(&*reference.elem),
                other => return fail(other, "a rule takes its parameters by reference"),
            },
        }
    }
    match types.get(kind.arity()..) {
        Some([]) => Ok(None),
        Some([config]) => Ok(Some((*config).clone())),
        _ => fail(&signature.inputs, "the number of parameters does not fit"),
    }
}
