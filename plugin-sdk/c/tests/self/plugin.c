// name: selftest
// version: 0.1.0
//
// The kit's own texts, numbers and JSON, tried inside of WebAssembly: a router that answers with what went wrong, and with `well`
// when nothing did. It is a validator too: one component may be both.

#include "jackfield.h"

static jf_list_str wrong;

#define CHECK(is, should) check(__LINE__, JF(is), JF(should))
static void check(int line, jf_str is, jf_str should) {
    if (!jf_eq(is, should)) jf_push(&wrong, jf_text("line ", line, ": `", is, "` is not `", should, "`"));
}

static void texts(void) {
    CHECK(jf_text("a", 1, (bool)true, -2L, JF("é"), 18446744073709551615u), "a1true-2é18446744073709551615");
    CHECK(jf_text((int64_t)INT64_MIN), "-9223372036854775808");
    CHECK(jf_text(jf_find("abcabc", "ca"), jf_find("ab", "abc"), jf_find("", ""), jf_find("aab", "ab")), "2-101");
    CHECK(jf_lower("ÄBC xyz"), "Äbc xyz");
    CHECK(jf_trim(" \t\n a b \r"), "a b");
    CHECK(jf_trim("  "), "");
    CHECK(jf_slice("hello", 1, 3), "el");
    CHECK(jf_slice("hello", 9, 3), "");
    CHECK(jf_text(jf_compare("a", "b"), jf_compare("ab", "a"), jf_compare("a", "a")), "-110");
    CHECK(jf_text(jf_chars("aé😀"), jf_contains("abc", ""), jf_starts_with("ab", "abc")), "3truefalse");
    jf_list_str words = {0};
    jf_str word;
    for (jf_str rest = JF("a,,b,"); jf_split(&rest, ",", &word);) jf_push(&words, word);
    CHECK(jf_join(words, "|"), "a||b|");
}

static void numbers(void) {
    CHECK(jf_text(0.1, " ", 0.25, " ", 25.0, " ", 1e14, " ", -1.5, " ", 0.30000000000000004), "0.1 0.25 25 100000000000000 -1.5 0.3");
    CHECK(jf_text(1e-7, " ", 0.000123, " ", 1e300, " ", 2.5e-9, " ", 1e15, " ", 0.0), "0.0000001 0.000123 1e300 2.5e-9 1000000000000000 0");
    CHECK(jf_text(1.0 / 3, " ", 100.0 / 3, " ", 0.07 * 3), "0.333333333333333 33.3333333333333 0.21");
    CHECK(jf_text(jf_fixed(0.3, 2), " ", jf_fixed(15, 2), " ", jf_fixed(-0.006, 2), " ", jf_fixed(-0.001, 2), " ", jf_fixed(2.5, 0), " ", jf_fixed(1e10, 2)), "0.30 15.00 -0.01 0.00 3 10000000000");
    CHECK(jf_text(__builtin_inf(), " ", -__builtin_inf(), " ", __builtin_nan("")), "inf -inf NaN");
    static const char *const EXACT[] = {"0", "1", "-1", "0.1", "123456789012345", "1e22", "1.7976931348623157e2", "2.5E-3", "-0.0", "1e+2"};
    static const double VALUES[] = {0, 1, -1, 0.1, 123456789012345, 1e22, 179.76931348623157, 0.0025, 0, 100};
    for (size_t i = 0; i < sizeof(VALUES) / sizeof(*VALUES); i++) {
        CHECK(jf_number(jf_json_parse(EXACT[i]), 7) == VALUES[i] ? "the same" : EXACT[i], "the same");
    }
    CHECK(jf_text(jf_integer(jf_json_parse("9223372036854775807"), 1), jf_integer(jf_json_parse("9223372036854775808"), 1),
        jf_integer(jf_json_parse("-9223372036854775808"), 1), jf_integer(jf_json_parse("1.0"), 5)), "92233720368547758071-92233720368547758085");
}

static jf_str deep(size_t levels) {
    jf_list_str open = {0}, close = {0};
    for (size_t i = 0; i < levels; i++) jf_push(&open, "["), jf_push(&close, "]");
    return jf_text(jf_join(open, ""), jf_join(close, ""));
}

static void json(void) {
    static const char *const GOOD[] = {"null", " [ ] ", "{}", "[1 , {\"a\" : [true,false]}]", "\"\\u00e9\\n\"", "-0.5e-3", "{\"a\":{\"a\":1},\"a\":2}"};
    static const char *const BAD[] = {"", " ", "nul", "[1,]", "{\"a\"}", "{a:1}", "01", "1.", ".5", "\"\n\"", "\"\\x\"", "\"\\u12g4\"", "[1", "1 2", "{\"a\":1,}", "-", "\"", "1e", "[}", "{]"};
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(*GOOD); i++) CHECK(jf_kind(jf_json_parse(GOOD[i])) ? "good" : "bad", "good");
    for (size_t i = 0; i < sizeof(BAD) / sizeof(*BAD); i++) CHECK(jf_kind(jf_json_parse(BAD[i])) ? jf_text("good: ", BAD[i]) : JF("bad"), "bad");
    CHECK(jf_kind(jf_json_parse(deep(64))) ? "good" : "bad", "good");
    CHECK(jf_kind(jf_json_parse(deep(65))) ? "good" : "bad", "bad");

    jf_json all = jf_json_parse(" { \"a\\u0062\" : [ 1 , \"x,]}\\\"\" , { } , null ] , \"t\":true,\"s\":\"\\ud83d\\ude00\\ud83d!\\udc00\\/\" , \"a\\u0062\":[\"last\"] } ");
    CHECK(jf_text(jf_count(all), jf_bool(jf_get(all, "t"), false), jf_is(jf_get(all, "none")), jf_count(jf_get(all, "t"))), "4truefalse0");
    CHECK(jf_string(jf_item(jf_get(all, "ab"), 0), "?"), "last");
    CHECK(jf_string(jf_item(jf_get(all, "ab"), 1), "?"), "?");
    CHECK(jf_string(jf_get(all, "s"), "?"), "😀\xef\xbf\xbd!\xef\xbf\xbd/");
    jf_json first = {0};
    jf_json_iter at = jf_iter(all);
    jf_next(&at, NULL, &first);
    CHECK(jf_text(jf_count(first), " ", jf_item(first, 1).text, jf_item(first, 2).text, jf_item(first, 3).text), "4 \"x,]}\\\"\"{ }null");
    CHECK(jf_text(jf_item(jf_item(jf_json_parse("[[1,2],[3,[4]]]"), 1), 1).text), "[4]");
    CHECK(jf_join(jf_strings(jf_json_parse("[\"a\", 1, \"b\"]")), ","), "a,b");
}

static void settings(void) {
    static const char *const KEYS = "model:string! words:strings limit:integer on:bool rate:number more:object";
    static const char *const ROWS[][2] = {
        {"{\"model\":\"m\",\"words\":[\"a\"],\"limit\":3,\"on\":true,\"rate\":0.5,\"more\":{\"x\":1}}", ""},
        {"{\"model\":\"m\",\"words\":null}", ""},
        {"{}", "`model` is missing: a string"},
        {"{\"model\":1}", "`model` must be a string"},
        {"{\"model\":\"m\",\"words\":[1]}", "`words` must be a list of strings"},
        {"{\"model\":\"m\",\"limit\":1.5}", "`limit` must be a whole number"},
        {"{\"model\":\"m\",\"on\":\"yes\"}", "`on` must be true or false"},
        {"{\"model\":\"m\",\"modle\":1}", "unknown key `modle`; known are: model, words, limit, on, rate, more"},
        {"[]", "the settings are no mapping"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(*ROWS); i++) CHECK(jf_expect(jf_json_parse(ROWS[i][0]), KEYS), ROWS[i][1]);
    CHECK(jf_expect(jf_json_parse("{\"a\":1}"), ""), "unknown key `a`; there are no settings");
}

static void memory(void) {
    // More than an instance begins with, and zeroed.
    unsigned char *bytes = jf_alloc(300000);
    CHECK(jf_text(bytes[0], bytes[299999], ((uintptr_t)bytes & 15)), "000");
}

static jf_routed route(const jf_request *request) {
    wrong = (jf_list_str){0};
    texts(), numbers(), json(), settings(), memory();
    return jf_route_respond(wrong.len ? jf_join(wrong, "\n") : JF("well"));
}
JACKFIELD_ROUTER(route)

static jf_validated validate(const jf_request *request, const jf_response *response) {
    if (jf_response_tool_calls().len != response->tool_call_count) return jf_verdict_reject("the calls do not add up");
    return jf_with_label(jf_score(jf_verdict_replace(jf_text(jf_response_text(), "!")), 0.5), "selftest", "well");
}
JACKFIELD_VALIDATOR(validate)
