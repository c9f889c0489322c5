// Settings against a list of keys: a misspelt key is told when the plugin is loaded, not when the first request comes.
#include "../jackfield/host.h"

static bool fits(jf_json value, jf_str wanted) {
    jf_json_kind kind = jf_kind(value);
    if (jf_eq(wanted, "string")) return kind == JF_JSON_STRING;
    if (jf_eq(wanted, "strings")) return kind == JF_JSON_ARRAY && jf_strings(value).len == jf_count(value);
    if (jf_eq(wanted, "number")) return kind == JF_JSON_NUMBER;
    if (jf_eq(wanted, "integer")) return kind == JF_JSON_NUMBER && jf_integer(value, 0) == jf_integer(value, 1);
    if (jf_eq(wanted, "bool")) return kind == JF_JSON_BOOL;
    if (jf_eq(wanted, "object")) return kind == JF_JSON_OBJECT;
    if (jf_eq(wanted, "any")) return true;
    jf_panic("jf_expect knows no `", wanted, "`: string, strings, number, integer, bool, object, any");
}

static jf_str in_words(jf_str wanted) {
    if (jf_eq(wanted, "strings")) return JF("a list of strings");
    if (jf_eq(wanted, "integer")) return JF("a whole number");
    if (jf_eq(wanted, "object")) return JF("a mapping");
    if (jf_eq(wanted, "bool")) return JF("true or false");
    return jf_text("a ", wanted);
}

// One of the list's keys: `name:kind` or `name:kind!`.
static jf_str take_apart(jf_str word, jf_str *kind, bool *must) {
    jf_str name = {0};
    jf_split(&word, ":", &name);
    *must = word.len && word.ptr[word.len - 1] == '!';
    *kind = jf_slice(word, 0, word.len - *must);
    return name;
}

jf_str jf_expect_keys(jf_json settings, jf_str keys) {
    if (jf_kind(settings) != JF_JSON_OBJECT) return JF("the settings are no mapping");
    jf_list_str known = {0};
    for (jf_str rest = keys, word; jf_split(&rest, " ", &word);) {
        if (!word.len) continue;
        jf_str kind;
        bool must;
        jf_str name = take_apart(word, &kind, &must);
        jf_push(&known, name);
        jf_json value = jf_get(settings, name);
        if (must && !jf_is(value)) return jf_text("`", name, "` is missing: ", in_words(kind));
        if (jf_is(value) && !fits(value, kind)) return jf_text("`", name, "` must be ", in_words(kind));
    }
    jf_str key;
    jf_json value;
    for (jf_json_iter at = jf_iter(settings); jf_next(&at, &key, &value);) {
        if (!jf_list_has(known, key)) {
            return known.len ? jf_text("unknown key `", key, "`; known are: ", jf_join(known, ", "))
                             : jf_text("unknown key `", key, "`; there are no settings");
        }
    }
    return (jf_str){0};
}
