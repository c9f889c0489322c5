//! The header `plugin-sdk/c/jackfield/contract.h`: `wit/` as C, generated, and asserted against the canonical ABI.
//!
//! The component model lays records, variants, options and lists out in memory as C does, so its types are C's own structs and
//! nothing is copied between two shapes. That this holds is not believed: every size and offset that the component model
//! computes becomes a static assertion, which every build of every plugin checks. Signatures are checked by the encoder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Function, InterfaceId, Resolve, SizeAlign, Type, TypeDef, TypeDefKind, TypeId, WorldItem};

const HEAD: &str = r#"// What a plugin and its host say to each other: `wit/` as C. Generated; do not edit.
// Made and checked by host/src/cli/plugin/build/c/contract.rs: UPDATE_GOLDENS=1 cargo test -p jackfield the_header_follows_the_contract
//
// Everything here lies in memory as the host reads and writes it. Authors use the words of jackfield.h, which are made of these.
#ifndef JACKFIELD_CONTRACT_H
#define JACKFIELD_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JF_IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))
#define JF_TYPE(type, bytes) _Static_assert(sizeof(type) == bytes, #type " has another size than the contract says")
#define JF_FIELD(type, field, at) _Static_assert(offsetof(type, field) == at, #type "." #field " is elsewhere than the contract says")

/// Text in UTF-8, or any bytes: no NUL ends it. What the host gives lives until the call of the plugin ends.
typedef struct jf_str {
    const char *ptr;
    size_t len;
} jf_str;
JF_TYPE(jf_str, 8);
"#;

/// The whole header.
fn contract(wit: &Path) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit).expect("the contract is sound");
    let mut sizes = SizeAlign::default();
    sizes.fill(&resolve).expect("its types have sizes");
    let mut header = Header { resolve: &resolve, sizes, out: HEAD.to_owned(), said: BTreeSet::new() };
    // Types stand in the arena after those they are made of.
    for (id, _) in &resolve.types {
        header.define(id);
    }
    let interfaces: BTreeSet<InterfaceId> = resolve
        .worlds
        .iter()
        .flat_map(|(_, world)| world.imports.values())
        .filter_map(|item| match item {
            WorldItem::Interface { id, .. } => Some(*id),
            _ => None,
        })
        .collect();
    for id in interfaces {
        let interface = &resolve.interfaces[id];
        let name = interface.name.as_deref().expect("it has a name");
        let full = resolve.id_of(id).expect("it belongs to a package");
        assert_eq!(interface.package, Some(package));
        for function in interface.functions.values() {
            header.import(name, &full, function);
        }
    }
    header.out.push_str("\n#undef JF_TYPE\n#undef JF_FIELD\n\n#endif\n");
    header.out
}

struct Header<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    out: String,
    /// The C names that are defined already: every `option<string>` of the contract is one type here.
    said: BTreeSet<String>,
}

impl Header<'_> {
    fn define(&mut self, id: TypeId) {
        let def: &TypeDef = &self.resolve.types[id];
        if matches!(def.kind, TypeDefKind::Type(_)) {
            // Another name of a type that has one.
            return;
        }
        let short = self.short(&Type::Id(id));
        let name = format!("jf_{short}");
        if name == "jf_str" || !self.said.insert(name.clone()) {
            return;
        }
        let docs = docs(def.docs.contents.as_deref(), "");
        let upper = short.to_uppercase();
        let size = self.sizes.size(&Type::Id(id)).size_wasm32();
        let mut asserts = format!("JF_TYPE({name}, {size});\n");
        let body = match &def.kind {
            TypeDefKind::Record(record) => {
                let offsets = self.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
                for (field, (at, _)) in record.fields.iter().zip(offsets) {
                    let _ =
                        writeln!(asserts, "JF_FIELD({name}, {}, {});", snake(&field.name), at.size_wasm32());
                }
                let field = |field: &wit_parser::Field| {
                    let docs = self::docs(field.docs.contents.as_deref(), "    ");
                    format!("{docs}    {} {};\n", self.c(&field.ty), snake(&field.name))
                };
                format!(
                    "typedef struct {name} {{\n{}}} {name};\n",
                    record.fields.iter().map(field).collect::<String>()
                )
            }
            TypeDefKind::Tuple(tuple) => {
                // The contract's one tuple is `label`, of a name and a value.
                let names = ["name", "value"];
                assert_eq!(tuple.types.len(), names.len());
                let offsets = self.sizes.field_offsets(&tuple.types);
                for (field, (at, _)) in names.iter().zip(offsets) {
                    let _ = writeln!(asserts, "JF_FIELD({name}, {field}, {});", at.size_wasm32());
                }
                let fields = names
                    .iter()
                    .zip(&tuple.types)
                    .map(|(field, ty)| format!("    {} {field};\n", self.c(ty)));
                format!("typedef struct {name} {{\n{}}} {name};\n", fields.collect::<String>())
            }
            TypeDefKind::Enum(of) => {
                let cases = of.cases.iter().map(|case| (case.name.as_str(), case.docs.contents.as_deref()));
                format!("typedef uint8_t {name};\nenum {{\n{}}};\n", constants(&upper, cases))
            }
            TypeDefKind::Variant(variant) => {
                let cases =
                    variant.cases.iter().map(|case| (case.name.as_str(), case.docs.contents.as_deref()));
                let constants = constants(&upper, cases);
                let at = self
                    .sizes
                    .payload_offset(variant.tag(), variant.cases.iter().map(|case| case.ty.as_ref()));
                let mut members = String::new();
                for case in &variant.cases {
                    if let Some(ty) = &case.ty {
                        let _ = writeln!(members, "        {} {};", self.c(ty), snake(&case.name));
                        let _ = writeln!(
                            asserts,
                            "JF_FIELD({name}, {}, {});",
                            snake(&case.name),
                            at.size_wasm32()
                        );
                    }
                }
                format!(
                    "enum {{\n{constants}}};\ntypedef struct {name} {{\n    uint8_t tag;\n    union {{\n{members}    }};\n}} {name};\n"
                )
            }
            TypeDefKind::Option(ty) => {
                let at = self.sizes.payload_offset(wit_parser::Int::U8, [None, Some(ty)]);
                let _ = writeln!(asserts, "JF_FIELD({name}, value, {});", at.size_wasm32());
                format!("typedef struct {name} {{\n    bool some;\n    {} value;\n}} {name};\n", self.c(ty))
            }
            TypeDefKind::List(ty) => {
                format!("typedef struct {name} {{\n    {} *items;\n    size_t len;\n}} {name};\n", self.c(ty))
            }
            TypeDefKind::Result(result) => {
                let at =
                    self.sizes.payload_offset(wit_parser::Int::U8, [result.ok.as_ref(), result.err.as_ref()]);
                let mut members = String::new();
                for (member, ty) in [("ok", &result.ok), ("err", &result.err)] {
                    if let Some(ty) = ty {
                        let _ = writeln!(members, "        {} {member};", self.c(ty));
                        let _ = writeln!(asserts, "JF_FIELD({name}, {member}, {});", at.size_wasm32());
                    }
                }
                format!(
                    "typedef struct {name} {{\n    bool is_err;\n    union {{\n{members}    }};\n}} {name};\n"
                )
            }
            other => panic!("the contract has a type that C has no words for yet: {other:?}"),
        };
        let _ = write!(self.out, "\n{docs}{body}{asserts}");
    }

    fn import(&mut self, interface: &str, full: &str, function: &Function) {
        let signature = self.resolve.wasm_signature(AbiVariant::GuestImport, function);
        assert!(!signature.indirect_params, "{} has more parameters than C passes one by one", function.name);
        let mut params: Vec<String> = signature.params.iter().map(|ty| core(*ty).to_owned()).collect();
        if signature.retptr {
            let result = function.result.as_ref().expect("what is returned by pointer has a type");
            params.pop();
            params.push(format!("{} *", self.c(result)));
        }
        let params = if params.is_empty() { "void".into() } else { params.join(", ") };
        let result = signature.results.first().map_or("void", |ty| core(*ty));
        let docs = docs(function.docs.contents.as_deref(), "");
        let name = format!("jf_{}__{}", snake(interface), snake(&function.name));
        let _ = write!(
            self.out,
            "\n{docs}JF_IMPORT(\"{full}\", \"{}\") {result} {name}({params});\n",
            function.name
        );
    }

    /// A type's name in C.
    fn c(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".into(),
            Type::U8 => "uint8_t".into(),
            Type::U32 => "uint32_t".into(),
            Type::U64 => "uint64_t".into(),
            Type::S64 => "int64_t".into(),
            Type::F32 => "float".into(),
            Type::F64 => "double".into(),
            _ => format!("jf_{}", self.short(ty)),
        }
    }

    /// A type's name as part of another's.
    fn short(&self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".into(),
            Type::U8 => "u8".into(),
            Type::U32 => "u32".into(),
            Type::U64 => "u64".into(),
            Type::S64 => "s64".into(),
            Type::F32 => "f32".into(),
            Type::F64 => "f64".into(),
            Type::String => "str".into(),
            Type::Id(id) => {
                let def = &self.resolve.types[*id];
                match (&def.kind, &def.name) {
                    (TypeDefKind::Type(inner), _) => self.short(inner),
                    (_, Some(name)) => snake(name),
                    // Bytes are a text that need not be UTF-8.
                    (TypeDefKind::List(Type::U8), _) => "str".into(),
                    (TypeDefKind::Option(ty), _) => format!("opt_{}", self.short(ty)),
                    (TypeDefKind::List(ty), _) => format!("list_{}", self.short(ty)),
                    (TypeDefKind::Result(result), _) => {
                        let part = |ty: &Option<Type>| {
                            ty.as_ref().map_or_else(|| "unit".into(), |ty| self.short(ty))
                        };
                        format!("result_{}_{}", part(&result.ok), part(&result.err))
                    }
                    (other, _) => panic!("the contract has a type that C has no words for yet: {other:?}"),
                }
            }
            other => panic!("the contract has a type that C has no words for yet: {other:?}"),
        }
    }
}

fn constants<'a>(prefix: &str, cases: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let case = |(number, (name, docs)): (usize, (&str, Option<&str>))| {
        let docs = self::docs(docs, "    ");
        format!("{docs}    JF_{prefix}_{} = {number},\n", snake(name).to_uppercase())
    };
    cases.enumerate().map(case).collect()
}

fn snake(name: &str) -> String {
    name.replace('-', "_")
}

fn docs(text: Option<&str>, indent: &str) -> String {
    text.into_iter().flat_map(str::lines).map(|line| format!("{indent}/// {line}\n")).collect()
}

fn core(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 => "int32_t",
        WasmType::I64 => "int64_t",
        WasmType::F32 => "float",
        WasmType::F64 => "double",
        WasmType::Pointer => "const void *",
        WasmType::Length => "size_t",
        WasmType::PointerOrI64 => panic!("the contract has a union of a pointer and a number"),
    }
}

#[test]
fn the_header_follows_the_contract() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let path = root.join("plugin-sdk/c/jackfield/contract.h");
    let made = contract(&root.join("wit"));
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap();
    assert!(held == made, "{} is stale: run this test with UPDATE_GOLDENS=1", path.display());
}
