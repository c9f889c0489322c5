// JSON where it stands. `jf_json_parse` checks a text once and whole; what walks it afterwards relies on that and only skips.
#include "../jackfield/json.h"

#include "number.h"

enum { DEPTH = 64 };

typedef struct {
    const char *at, *end;
} cursor;

static bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_space(cursor *c) {
    while (c->at < c->end && space(*c->at)) c->at++;
}

static bool eat(cursor *c, char what) {
    skip_space(c);
    if (c->at == c->end || *c->at != what) return false;
    c->at++;
    return true;
}

static bool digit(char c) { return c >= '0' && c <= '9'; }

static int hex(char c) {
    if (digit(c)) return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Behind a string whose opening quote was taken.
static bool check_string(cursor *c) {
    while (c->at < c->end) {
        char now = *c->at++;
        if (now == '"') return true;
        if ((unsigned char)now < 0x20) return false;
        if (now != '\\') continue;
        if (c->at == c->end) return false;
        char escaped = *c->at++;
        if (escaped == 'u') {
            for (int i = 0; i < 4; i++, c->at++) {
                if (c->at == c->end || hex(*c->at) < 0) return false;
            }
        } else if (jf_find("\"\\/bfnrt", ((jf_str){&escaped, 1})) < 0) {
            return false;
        }
    }
    return false;
}

static bool check_digits(cursor *c) {
    const char *from = c->at;
    while (c->at < c->end && digit(*c->at)) c->at++;
    return c->at > from;
}

static bool check_number(cursor *c) {
    if (c->at < c->end && *c->at == '-') c->at++;
    const char *from = c->at;
    if (!check_digits(c) || (*from == '0' && c->at > from + 1)) return false;
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!check_digits(c)) return false;
    }
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        return check_digits(c);
    }
    return true;
}

static bool check_word(cursor *c, jf_str word) {
    if (!jf_starts_with_text((jf_str){c->at, (size_t)(c->end - c->at)}, word)) return false;
    c->at += word.len;
    return true;
}

static bool check_value(cursor *c, int depth) {
    skip_space(c);
    if (c->at == c->end || depth > DEPTH) return false;
    char first = *c->at;
    if (first == '"') return c->at++, check_string(c);
    if (first == 't') return check_word(c, JF("true"));
    if (first == 'f') return check_word(c, JF("false"));
    if (first == 'n') return check_word(c, JF("null"));
    if (first != '[' && first != '{') return check_number(c);
    c->at++;
    char close = first == '[' ? ']' : '}';
    if (eat(c, close)) return true;
    do {
        if (first == '{' && !(eat(c, '"') && check_string(c) && eat(c, ':'))) return false;
        if (!check_value(c, depth + 1)) return false;
    } while (eat(c, ','));
    return eat(c, close);
}

jf_json jf_json_parse_text(jf_str text) {
    cursor c = {text.ptr, text.ptr + text.len};
    skip_space(&c);
    const char *from = c.at;
    if (!check_value(&c, 1)) return (jf_json){0};
    jf_json value = {{from, (size_t)(c.at - from)}};
    skip_space(&c);
    return c.at == c.end ? value : (jf_json){0};
}

jf_json_kind jf_kind(jf_json value) {
    switch (value.text.len ? *value.text.ptr : 0) {
    case 0: return JF_JSON_NONE;
    case 'n': return JF_JSON_NULL;
    case 't':
    case 'f': return JF_JSON_BOOL;
    case '"': return JF_JSON_STRING;
    case '[': return JF_JSON_ARRAY;
    case '{': return JF_JSON_OBJECT;
    default: return JF_JSON_NUMBER;
    }
}

bool jf_is(jf_json value) { return jf_kind(value) > JF_JSON_NULL; }

// The length of the value that a checked text begins with.
static size_t value_len(jf_str text) {
    size_t depth = 0, at = 0;
    do {
        char c = text.ptr[at];
        if (c == '"') {
            for (at++; text.ptr[at] != '"'; at++) at += text.ptr[at] == '\\';
            at++;
        } else if (c == '[' || c == '{') {
            depth++, at++;
        } else if (c == ']' || c == '}') {
            depth--, at++;
        } else if (depth) {
            at++;
        } else {
            while (at < text.len && text.ptr[at] != ',' && text.ptr[at] != ']' && text.ptr[at] != '}' && !space(text.ptr[at])) at++;
        }
    } while (depth);
    return at;
}

jf_json_iter jf_iter(jf_json value) {
    jf_json_kind kind = jf_kind(value);
    if (kind != JF_JSON_ARRAY && kind != JF_JSON_OBJECT) return (jf_json_iter){0};
    return (jf_json_iter){{value.text.ptr + 1, value.text.len - 2}, kind == JF_JSON_OBJECT};
}

static void drop(jf_str *text, size_t bytes) { text->ptr += bytes, text->len -= bytes; }

static void drop_space(jf_str *text) {
    while (text->len && space(*text->ptr)) drop(text, 1);
}

static jf_json take_value(jf_str *text) {
    drop_space(text);
    jf_json value = {{text->ptr, value_len(*text)}};
    drop(text, value.text.len);
    drop_space(text);
    return value;
}

bool jf_next(jf_json_iter *at, jf_str *key, jf_json *value) {
    drop_space(&at->rest);
    if (!at->rest.len) return false;
    if (at->object) {
        jf_json name = take_value(&at->rest);
        drop(&at->rest, 1);
        if (key) *key = jf_string_or(name, (jf_str){0});
    }
    *value = take_value(&at->rest);
    // The comma.
    if (at->rest.len) drop(&at->rest, 1);
    return true;
}

jf_json jf_get_key(jf_json object, jf_str wanted) {
    jf_json found = {0}, value;
    jf_str key;
    if (jf_kind(object) != JF_JSON_OBJECT) return found;
    for (jf_json_iter at = jf_iter(object); jf_next(&at, &key, &value);) {
        if (jf_eq_with(key, wanted)) found = value;
    }
    return found;
}

jf_json jf_item(jf_json array, size_t index) {
    jf_json value;
    if (jf_kind(array) != JF_JSON_ARRAY) return (jf_json){0};
    for (jf_json_iter at = jf_iter(array); jf_next(&at, NULL, &value);) {
        if (index-- == 0) return value;
    }
    return (jf_json){0};
}

size_t jf_count(jf_json of) {
    size_t count = 0;
    jf_json value;
    for (jf_json_iter at = jf_iter(of); jf_next(&at, NULL, &value);) count++;
    return count;
}

static uint32_t four_hex(const char *at) {
    return (uint32_t)(hex(at[0]) << 12 | hex(at[1]) << 8 | hex(at[2]) << 4 | hex(at[3]));
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

static char unescape(char c) {
    switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
    }
}

jf_str jf_string_or(jf_json value, jf_str otherwise) {
    if (jf_kind(value) != JF_JSON_STRING) return otherwise;
    jf_str raw = {value.text.ptr + 1, value.text.len - 2};
    if (jf_find(raw, "\\") < 0) return raw;
    // An escape is never shorter than what it stands for.
    char *text = jf_alloc(raw.len), *to = text;
    for (const char *at = raw.ptr, *end = raw.ptr + raw.len; at < end;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        if (at[1] != 'u') {
            *to++ = unescape(at[1]);
            at += 2;
            continue;
        }
        uint32_t c = four_hex(at + 2);
        at += 6;
        if (c >= 0xd800 && c < 0xe000) {
            bool pair = c < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u';
            uint32_t low = pair ? four_hex(at + 2) : 0;
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                at += 6;
            } else {
                c = 0xfffd;
            }
        }
        to = put_utf8(to, c);
    }
    return (jf_str){text, (size_t)(to - text)};
}

double jf_number(jf_json value, double otherwise) {
    if (jf_kind(value) != JF_JSON_NUMBER) return otherwise;
    const char *at = value.text.ptr, *end = at + value.text.len;
    bool negative = *at == '-';
    at += negative;
    uint64_t digits = 0;
    int exponent = 0, stated = 0;
    bool behind = false;
    for (; at < end && (digit(*at) || *at == '.'); at++) {
        if (*at == '.') {
            behind = true;
        } else if (digits < 100000000000000000u) {
            digits = digits * 10 + (uint64_t)(*at - '0');
            exponent -= behind;
        } else {
            exponent += !behind;
        }
    }
    if (at < end) {
        bool down = *++at == '-';
        at += *at == '-' || *at == '+';
        // Beyond a thousand it is nought or infinite, however much more is stated.
        for (; at < end; at++) stated = stated > 1000 ? stated : stated * 10 + (*at - '0');
        exponent += down ? -stated : stated;
    }
    double number = digits ? jf_scale((double)digits, exponent) : 0;
    return negative ? -number : number;
}

int64_t jf_integer(jf_json value, int64_t otherwise) {
    if (jf_kind(value) != JF_JSON_NUMBER) return otherwise;
    jf_str text = value.text;
    bool negative = *text.ptr == '-';
    if (negative) drop(&text, 1);
    uint64_t number = 0, most = (uint64_t)INT64_MAX + negative;
    for (size_t i = 0; i < text.len; i++) {
        if (!digit(text.ptr[i])) return otherwise;
        uint64_t next = (uint64_t)(text.ptr[i] - '0');
        if (number > (most - next) / 10) return otherwise;
        number = number * 10 + next;
    }
    return negative ? (int64_t)-number : (int64_t)number;
}

bool jf_bool(jf_json value, bool otherwise) {
    return jf_kind(value) == JF_JSON_BOOL ? *value.text.ptr == 't' : otherwise;
}

jf_list_str jf_strings(jf_json array) {
    jf_list_str list = {0};
    jf_json value;
    if (jf_kind(array) != JF_JSON_ARRAY) return list;
    for (jf_json_iter at = jf_iter(array); jf_next(&at, NULL, &value);) {
        if (jf_kind(value) == JF_JSON_STRING) jf_push_text(&list, jf_string_or(value, (jf_str){0}));
    }
    return list;
}
