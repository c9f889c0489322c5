//! Two types side by side: whether they are the same to the ABI, where they part if not, and how WIT spells them.
//!
//! Names of types and of parameters do not matter, names of fields, cases and flags do: that is what the linker
//! goes by. Bounded: comparing ends with the offered type, which is ours; spelling ends at `MAX_SPELLED`.

use std::fmt::Write as _;

use wit_parser::{Function, Resolve, Type, TypeDefKind};

/// The longest spelling of a type, in bytes: a guest may nest types as deep as it likes.
const MAX_SPELLED: usize = 256;

/// A type and where its names are looked up.
pub(super) type Typed<'a> = (&'a Resolve, &'a Type);

/// Where two types part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Clash {
    /// The innermost named type in which they differ, with its kind: ``record `target` ``. Absent when the types
    /// differ as a whole.
    pub(super) place: Option<String>,
    /// What the guest has there.
    pub(super) wanted: String,
    /// What the host has there.
    pub(super) offered: String,
}

/// Compares two functions, parameters first.
pub(super) fn compare_functions(
    (theirs, wanted): (&Resolve, &Function),
    (ours, offered): (&Resolve, &Function),
) -> Result<(), Clash> {
    let whole = || Clash {
        place: None,
        wanted: spell_function(theirs, wanted),
        offered: spell_function(ours, offered),
    };
    if wanted.params.len() != offered.params.len() || wanted.result.is_some() != offered.result.is_some() {
        return Err(whole());
    }
    let params = wanted.params.iter().map(|p| &p.ty).zip(offered.params.iter().map(|p| &p.ty));
    for (wanted, offered) in params.chain(wanted.result.iter().zip(&offered.result)) {
        compare((theirs, wanted), (ours, offered))
            .map_err(|clash| if clash.place.is_some() { clash } else { whole() })?;
    }
    Ok(())
}

/// Compares two types.
fn compare(wanted: Typed<'_>, offered: Typed<'_>) -> Result<(), Clash> {
    let ((theirs, a), (ours, b)) = (resolved(wanted), resolved(offered));
    let whole = || {
        let (wanted, offered) = (spell(wanted), spell(offered));
        if wanted != offered {
            return Clash { place: None, wanted, offered };
        }
        // The same name for two things: what is behind it tells more.
        let behind = |ty| format!("`{}`", structure(ty));
        let place = Some(format!("type `{offered}`"));
        Clash { place, wanted: behind((theirs, a)), offered: behind((ours, b)) }
    };
    let (Type::Id(a_id), Type::Id(b_id)) = (a, b) else {
        return if a == b { Ok(()) } else { Err(whole()) };
    };
    let (a_def, b_def) = (&theirs.types[*a_id], &ours.types[*b_id]);
    let place = || {
        let named = b_def.name.as_deref().map(|name| format!("{} `{name}`", b_def.kind.as_str()));
        named.unwrap_or_else(|| b_def.kind.as_str().to_owned())
    };
    // What is inside an unnamed type shows in the spelling of the whole.
    let inner = |a: &Type, b: &Type| {
        compare((theirs, a), (ours, b)).map_err(|c| if c.place.is_some() { c } else { whole() })
    };
    let optional = |a: &Option<Type>, b: &Option<Type>| match (a, b) {
        (None, None) => Ok(()),
        (Some(a), Some(b)) => inner(a, b),
        _ => Err(whole()),
    };
    match (&a_def.kind, &b_def.kind) {
        (TypeDefKind::Record(a), TypeDefKind::Record(b)) => {
            let field = |of: &Resolve, name: &str, ty: &Type| format!("field `{name}: {}`", spell((of, ty)));
            let wanted =
                a.fields.iter().map(|f| (f.name.as_str(), Some(&f.ty), field(theirs, &f.name, &f.ty)));
            let offered =
                b.fields.iter().map(|f| (f.name.as_str(), Some(&f.ty), field(ours, &f.name, &f.ty)));
            compare_members((theirs, wanted), (ours, offered), "field", &place)
        }
        (TypeDefKind::Variant(a), TypeDefKind::Variant(b)) => {
            let case = |of: &Resolve, name: &str, ty: Option<&Type>| match ty {
                Some(ty) => format!("case `{name}({})`", spell((of, ty))),
                None => format!("case `{name}`"),
            };
            let wanted = a
                .cases
                .iter()
                .map(|c| (c.name.as_str(), c.ty.as_ref(), case(theirs, &c.name, c.ty.as_ref())));
            let offered =
                b.cases.iter().map(|c| (c.name.as_str(), c.ty.as_ref(), case(ours, &c.name, c.ty.as_ref())));
            compare_members((theirs, wanted), (ours, offered), "case", &place)
        }
        (TypeDefKind::Enum(a), TypeDefKind::Enum(b)) => {
            let wanted = a.cases.iter().map(|c| (c.name.as_str(), None, format!("case `{}`", c.name)));
            let offered = b.cases.iter().map(|c| (c.name.as_str(), None, format!("case `{}`", c.name)));
            compare_members((theirs, wanted), (ours, offered), "case", &place)
        }
        (TypeDefKind::Flags(a), TypeDefKind::Flags(b)) => {
            let wanted = a.flags.iter().map(|f| (f.name.as_str(), None, format!("flag `{}`", f.name)));
            let offered = b.flags.iter().map(|f| (f.name.as_str(), None, format!("flag `{}`", f.name)));
            compare_members((theirs, wanted), (ours, offered), "flag", &place)
        }
        (TypeDefKind::Tuple(a), TypeDefKind::Tuple(b)) if a.types.len() == b.types.len() => {
            a.types.iter().zip(&b.types).try_for_each(|(a, b)| inner(a, b))
        }
        (TypeDefKind::Option(a), TypeDefKind::Option(b)) | (TypeDefKind::List(a), TypeDefKind::List(b)) => {
            inner(a, b)
        }
        (TypeDefKind::Result(a), TypeDefKind::Result(b)) => {
            optional(&a.ok, &b.ok)?;
            optional(&a.err, &b.err)
        }
        // The contract has no resources, streams or maps (and must not get any): a guest with one differs.
        _ => Err(whole()),
    }
}

/// Fields, cases or flags in order: a name, a type if it has one, and how the whole is spelled.
fn compare_members<'a>(
    (theirs, mut wanted): (&Resolve, impl Iterator<Item = (&'a str, Option<&'a Type>, String)>),
    (ours, mut offered): (&Resolve, impl Iterator<Item = (&'a str, Option<&'a Type>, String)>),
    what: &str,
    place: &dyn Fn() -> String,
) -> Result<(), Clash> {
    loop {
        let (a, b) = match (wanted.next(), offered.next()) {
            (None, None) => return Ok(()),
            (Some(a), Some(b)) => (a, b),
            (a, b) => {
                let text = |side: Option<(&str, Option<&Type>, String)>| {
                    side.map_or_else(|| format!("no further {what}"), |(_, _, text)| text)
                };
                return Err(Clash { place: Some(place()), wanted: text(a), offered: text(b) });
            }
        };
        let here = |a: String, b: String| Clash { place: Some(place()), wanted: a, offered: b };
        match (a.1, b.1) {
            _ if a.0 != b.0 => return Err(here(a.2, b.2)),
            (Some(x), Some(y)) => {
                if let Err(clash) = compare((theirs, x), (ours, y)) {
                    return Err(if clash.place.is_some() { clash } else { here(a.2, b.2) });
                }
            }
            (None, None) => {}
            _ => return Err(here(a.2, b.2)),
        }
    }
}

/// The type behind aliases.
fn resolved((of, mut ty): Typed<'_>) -> Typed<'_> {
    while let Type::Id(id) = ty
        && let TypeDefKind::Type(behind) = &of.types[*id].kind
    {
        ty = behind;
    }
    (of, ty)
}

/// A function as WIT spells it: `name: func(a: u32) -> string`.
pub(super) fn spell_function(of: &Resolve, function: &Function) -> String {
    let mut out = format!("{}: func(", function.name);
    for (at, param) in function.params.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(out, "{comma}{}: {}", param.name, spell((of, &param.ty)));
    }
    out.push(')');
    if let Some(result) = &function.result {
        let _ = write!(out, " -> {}", spell((of, result)));
    }
    out
}

/// A type as WIT spells it, by its name where it has one.
fn spell(ty: Typed<'_>) -> String {
    let mut out = String::new();
    spell_into(&mut out, ty, true);
    out
}

/// A type's own structure, its name left out.
fn structure(ty: Typed<'_>) -> String {
    let mut out = String::new();
    spell_into(&mut out, ty, false);
    out
}

fn spell_into(out: &mut String, (of, ty): Typed<'_>, by_name: bool) {
    if out.len() > MAX_SPELLED {
        if !out.ends_with('…') {
            out.push('…');
        }
        return;
    }
    let Type::Id(id) = ty else {
        out.push_str(primitive(ty));
        return;
    };
    let def = &of.types[*id];
    if by_name && let Some(name) = &def.name {
        out.push_str(name);
        return;
    }
    let parts: Vec<Option<&Type>> = match &def.kind {
        TypeDefKind::Type(behind) => return spell_into(out, (of, behind), by_name),
        TypeDefKind::Tuple(tuple) => tuple.types.iter().map(Some).collect(),
        TypeDefKind::Option(inner) | TypeDefKind::List(inner) => vec![Some(inner)],
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => vec![],
            (ok, None) => vec![ok.as_ref()],
            (ok, err) => vec![ok.as_ref(), err.as_ref()],
        },
        _ => vec![],
    };
    out.push_str(def.kind.as_str());
    for (at, part) in parts.iter().enumerate() {
        out.push_str(if at == 0 { "<" } else { ", " });
        match part {
            Some(part) => spell_into(out, (of, part), true),
            None => out.push('_'),
        }
    }
    if !parts.is_empty() {
        out.push('>');
    }
}

fn primitive(ty: &Type) -> &'static str {
    match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        // Named or structured types are spelled by their definition.
        Type::Id(_) => "type",
    }
}
