// Texts: slices of UTF-8 with a length, compared, searched and put together. Nothing here changes a text; what is new comes from
// the arena, which is empty again when the call ends.
#ifndef JACKFIELD_TEXT_H
#define JACKFIELD_TEXT_H

#include "contract.h"

/// Zeroed memory that is freed when the call of the plugin ends. Ends the call with a trap when the host gives no more.
void *jf_alloc(size_t bytes);

/// Room for so many of a type, zeroed.
#define JF_NEW(type, count) ((type *)jf_alloc_many(sizeof(type), (count)))
void *jf_alloc_many(size_t size, size_t count);

/// Ends the call: the text goes to the host's log, and the host does what the plugin's `on_error` says.
#define jf_panic(...) jf_panic_with(jf_text(__VA_ARGS__))
_Noreturn void jf_panic_with(jf_str why);

static inline jf_str jf_str_same(jf_str text) { return text; }
jf_str jf_str_c(const char *text);

/// A text of a string literal, of a `const char *` that a NUL ends (NULL is empty), or of a text.
#define JF(text) _Generic((text), jf_str: jf_str_same, char *: jf_str_c, const char *: jf_str_c)(text)

/// Whether two texts are the same, byte for byte.
#define jf_eq(a, b) jf_eq_with(JF(a), JF(b))
bool jf_eq_with(jf_str a, jf_str b);

/// Below, at or above 0, as the first text stands before, at or after the second in order of bytes.
#define jf_compare(a, b) jf_compare_with(JF(a), JF(b))
int jf_compare_with(jf_str a, jf_str b);

/// Where a text begins to hold another; -1 when it does not. The empty text is at 0.
#define jf_find(text, needle) jf_find_with(JF(text), JF(needle))
ptrdiff_t jf_find_with(jf_str text, jf_str needle);

/// Whether a text holds another.
#define jf_contains(text, needle) ((bool)(jf_find(text, needle) >= 0))

/// Whether a text begins with another.
#define jf_starts_with(text, start) jf_starts_with_text(JF(text), JF(start))
bool jf_starts_with_text(jf_str text, jf_str start);

/// The bytes from one place up to another; both are moved into the text when they lie beyond it.
#define jf_slice(text, from, to) jf_slice_of(JF(text), (from), (to))
jf_str jf_slice_of(jf_str text, size_t from, size_t to);

/// The text without ASCII white space around it.
#define jf_trim(text) jf_trim_text(JF(text))
jf_str jf_trim_text(jf_str text);

/// A copy with the letters A to Z in lower case; all other bytes stay.
#define jf_lower(text) jf_lower_text(JF(text))
jf_str jf_lower_text(jf_str text);

/// Takes the part before the separator off a text; false when nothing was left to take.
///
///     for (jf_str rest = list, word; jf_split(&rest, ",", &word);) …
#define jf_split(rest, separator, part) jf_split_at((rest), JF(separator), (part))
bool jf_split_at(jf_str *rest, jf_str separator, jf_str *part);

/// Texts one after another with a separator in between.
#define jf_join(list, separator) jf_join_list((list), JF(separator))
jf_str jf_join_list(jf_list_str list, jf_str separator);

/// Adds a text to a list of texts.
#define jf_push(list, text) jf_push_text((list), JF(text))
void jf_push_text(jf_list_str *list, jf_str text);

/// How many characters a text has, in Unicode's sense.
#define jf_chars(text) jf_chars_of(JF(text))
size_t jf_chars_of(jf_str text);

jf_str jf_of_bool(bool value);
jf_str jf_of_int(int64_t value);
jf_str jf_of_uint(uint64_t value);
jf_str jf_of_double(double value);

/// A number with so many digits behind the point, at most 9, rounded half away from zero; 1e9 and beyond as `jf_text` has it.
jf_str jf_fixed(double value, unsigned decimals);

/// Up to sixteen texts and numbers as one text: `jf_text("request ", count, " costs $", price)`. A number with a fraction is
/// written with as few digits as it takes, at most 15; below 1e-7 and from 1e16 on with an exponent.
#define jf_text(...) \
    jf_concat((const jf_str[]){JF_EACH(__VA_ARGS__)}, sizeof((const jf_str[]){JF_EACH(__VA_ARGS__)}) / sizeof(jf_str))
jf_str jf_concat(const jf_str *parts, size_t count);

#define JF_PART(part)                                                                                                    \
    _Generic((part), jf_str: jf_str_same, char *: jf_str_c, const char *: jf_str_c, bool: jf_of_bool,                    \
        signed char: jf_of_int, short: jf_of_int, int: jf_of_int, long: jf_of_int, long long: jf_of_int,                 \
        unsigned char: jf_of_uint, unsigned short: jf_of_uint, unsigned: jf_of_uint, unsigned long: jf_of_uint,          \
        unsigned long long: jf_of_uint, float: jf_of_double, double: jf_of_double)(part)
#define JF_EACH(...)                                                                                                     \
    JF_PICK(__VA_ARGS__, JF_E16, JF_E15, JF_E14, JF_E13, JF_E12, JF_E11, JF_E10, JF_E9, JF_E8, JF_E7, JF_E6, JF_E5,      \
        JF_E4, JF_E3, JF_E2, JF_E1, )(__VA_ARGS__)
#define JF_PICK(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, picked, ...) picked
#define JF_E1(x) JF_PART(x)
#define JF_E2(x, ...) JF_PART(x), JF_E1(__VA_ARGS__)
#define JF_E3(x, ...) JF_PART(x), JF_E2(__VA_ARGS__)
#define JF_E4(x, ...) JF_PART(x), JF_E3(__VA_ARGS__)
#define JF_E5(x, ...) JF_PART(x), JF_E4(__VA_ARGS__)
#define JF_E6(x, ...) JF_PART(x), JF_E5(__VA_ARGS__)
#define JF_E7(x, ...) JF_PART(x), JF_E6(__VA_ARGS__)
#define JF_E8(x, ...) JF_PART(x), JF_E7(__VA_ARGS__)
#define JF_E9(x, ...) JF_PART(x), JF_E8(__VA_ARGS__)
#define JF_E10(x, ...) JF_PART(x), JF_E9(__VA_ARGS__)
#define JF_E11(x, ...) JF_PART(x), JF_E10(__VA_ARGS__)
#define JF_E12(x, ...) JF_PART(x), JF_E11(__VA_ARGS__)
#define JF_E13(x, ...) JF_PART(x), JF_E12(__VA_ARGS__)
#define JF_E14(x, ...) JF_PART(x), JF_E13(__VA_ARGS__)
#define JF_E15(x, ...) JF_PART(x), JF_E14(__VA_ARGS__)
#define JF_E16(x, ...) JF_PART(x), JF_E15(__VA_ARGS__)

#endif
