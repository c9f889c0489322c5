// Texts: comparing, searching, putting together.
#include "../jackfield/host.h"

int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);

jf_str jf_str_c(const char *text) { return (jf_str){text, text ? strlen(text) : 0}; }

bool jf_eq_with(jf_str a, jf_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

int jf_compare_with(jf_str a, jf_str b) {
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t jf_find_with(jf_str text, jf_str needle) {
    for (size_t at = 0; needle.len <= text.len && at <= text.len - needle.len; at++) {
        if (memcmp(text.ptr + at, needle.ptr, needle.len) == 0) return (ptrdiff_t)at;
    }
    return -1;
}

bool jf_starts_with_text(jf_str text, jf_str start) {
    return start.len <= text.len && memcmp(text.ptr, start.ptr, start.len) == 0;
}

jf_str jf_slice_of(jf_str text, size_t from, size_t to) {
    if (to > text.len) to = text.len;
    if (from > to) from = to;
    return (jf_str){text.ptr + from, to - from};
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

jf_str jf_trim_text(jf_str text) {
    while (text.len && is_space(*text.ptr)) text.ptr++, text.len--;
    while (text.len && is_space(text.ptr[text.len - 1])) text.len--;
    return text;
}

jf_str jf_lower_text(jf_str text) {
    char *lower = jf_alloc(text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return (jf_str){lower, text.len};
}

bool jf_split_at(jf_str *rest, jf_str separator, jf_str *part) {
    if (!rest->ptr) return false;
    ptrdiff_t at = separator.len ? jf_find_with(*rest, separator) : -1;
    if (at < 0) {
        *part = *rest;
        *rest = (jf_str){0};
    } else {
        *part = jf_slice_of(*rest, 0, (size_t)at);
        *rest = jf_slice_of(*rest, (size_t)at + separator.len, rest->len);
    }
    return true;
}

void jf_push_text(jf_list_str *list, jf_str text) {
    // Room doubles: it is full when the length is a power of two.
    if ((list->len & (list->len - 1)) == 0) {
        jf_str *items = JF_NEW(jf_str, list->len ? list->len * 2 : 1);
        for (size_t i = 0; i < list->len; i++) items[i] = list->items[i];
        list->items = items;
    }
    list->items[list->len++] = text;
}

bool jf_list_has(jf_list_str list, jf_str text) {
    for (size_t i = 0; i < list.len; i++) {
        if (jf_eq_with(list.items[i], text)) return true;
    }
    return false;
}

static jf_str put_together(const jf_str *parts, size_t count, jf_str separator) {
    size_t len = 0;
    for (size_t i = 0; i < count; i++) len += parts[i].len + (i ? separator.len : 0);
    char *text = jf_alloc(len), *at = text;
    for (size_t i = 0; i < count; i++) {
        if (i) at = (char *)__builtin_memcpy(at, separator.ptr, separator.len) + separator.len;
        at = (char *)__builtin_memcpy(at, parts[i].ptr, parts[i].len) + parts[i].len;
    }
    return (jf_str){text, len};
}

jf_str jf_join_list(jf_list_str list, jf_str separator) { return put_together(list.items, list.len, separator); }

jf_str jf_concat(const jf_str *parts, size_t count) { return put_together(parts, count, (jf_str){0}); }

size_t jf_chars_of(jf_str text) {
    size_t chars = 0;
    for (size_t i = 0; i < text.len; i++) chars += (text.ptr[i] & 0xc0) != 0x80;
    return chars;
}

_Noreturn void jf_panic_with(jf_str why) {
    jf_log(JF_LEVEL_ERROR, why);
    __builtin_trap();
}
