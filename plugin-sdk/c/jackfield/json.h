// JSON that is read where it stands: a value is a slice of the text, and nothing is built. For settings and for what a request or
// an answer holds. Bounds: 64 levels of nesting; looking something up reads the value from its beginning.
#ifndef JACKFIELD_JSON_H
#define JACKFIELD_JSON_H

#include "text.h"

/// A JSON value, or none: what is not there, and what is no JSON. Every function takes both.
typedef struct jf_json {
    jf_str text;
} jf_json;

/// What a value is.
typedef enum jf_json_kind {
    JF_JSON_NONE,
    JF_JSON_NULL,
    JF_JSON_BOOL,
    JF_JSON_NUMBER,
    JF_JSON_STRING,
    JF_JSON_ARRAY,
    JF_JSON_OBJECT,
} jf_json_kind;

/// The value that a text is, checked whole; none when it is no JSON, has something behind it or nests deeper than 64 levels.
#define jf_json_parse(text) jf_json_parse_text(JF(text))
jf_json jf_json_parse_text(jf_str text);

/// What a value is.
jf_json_kind jf_kind(jf_json value);

/// Whether there is a value that is not null.
bool jf_is(jf_json value);

/// An object's value at a key, the last one if the key is there twice; none without it.
#define jf_get(object, key) jf_get_key((object), JF(key))
jf_json jf_get_key(jf_json object, jf_str key);

/// An array's value at a place, the first being 0; none beyond its end.
jf_json jf_item(jf_json array, size_t index);

/// How many values an array or an object has; 0 for anything else.
size_t jf_count(jf_json value);

/// Where in an array or an object somebody is. Begin with `jf_iter`.
typedef struct jf_json_iter {
    jf_str rest;
    bool object;
} jf_json_iter;

/// The beginning of an array or an object; of anything else, the end.
jf_json_iter jf_iter(jf_json value);

/// The next value, and its key in an object (NULL if it is not wanted); false at the end.
///
///     jf_json word;
///     for (jf_json_iter at = jf_iter(words); jf_next(&at, NULL, &word);) …
bool jf_next(jf_json_iter *at, jf_str *key, jf_json *value);

/// A string's text; the other text when it is no string. A lone surrogate becomes U+FFFD.
#define jf_string(value, otherwise) jf_string_or((value), JF(otherwise))
jf_str jf_string_or(jf_json value, jf_str otherwise);

/// A number; the other one when it is none. Exact for up to 15 digits and exponents up to 22, else to about 15 digits.
double jf_number(jf_json value, double otherwise);

/// A whole number; the other one when it has a fraction or an exponent, or is out of range.
int64_t jf_integer(jf_json value, int64_t otherwise);

/// True or false; the other one when it is neither.
bool jf_bool(jf_json value, bool otherwise);

/// The strings of an array; empty when it is none. What is no string is left out.
jf_list_str jf_strings(jf_json array);

/// What is wrong with settings, or the empty text. The second text lists every key and what stands there, of: `string`, `strings`
/// (a list of them), `number`, `integer`, `bool`, `object`, `any`; with `!` where the key must be there.
///
///     jf_expect(settings, "model:string! forbidden:strings limit:integer")
#define jf_expect(settings, keys) jf_expect_keys((settings), JF(keys))
jf_str jf_expect_keys(jf_json settings, jf_str keys);

#endif
