#include "jackfield.h"

JACKFIELD_DESCRIPTION("Lets no answer through that holds a forbidden word")
JACKFIELD_SETTINGS("forbidden:strings")

static jf_validated validate(const jf_request *request, const jf_response *response) {
    jf_str answer = jf_lower(jf_response_text());
    jf_list_str forbidden = jf_strings(jf_get(jf_settings(), "forbidden")), found = {0};
    for (size_t i = 0; i < forbidden.len; i++) {
        if (jf_contains(answer, jf_lower(forbidden.items[i]))) jf_push(&found, forbidden.items[i]);
    }
    if (found.len == 0) return jf_score(jf_verdict_accept(), 1);
    if (found.len == 1) return jf_verdict_repair(jf_text("Say it again without the word `", found.items[0], "`."));
    jf_validated rejected = jf_verdict_reject(jf_text("the answer contains `", found.items[0], "`"));
    for (size_t i = 1; i < found.len; i++) {
        rejected = jf_issue(rejected, jf_text("the answer contains `", found.items[i], "`"));
    }
    return rejected;
}
JACKFIELD_VALIDATOR(validate)
