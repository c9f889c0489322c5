// name: c-llm
// version: 1.0.0
//
// Asking models in C: ../rust-llm, word for word. A router that has the prompt rated, and a validator with a judge.
//
// Whatever goes wrong with a question is no failure of the plugin: the router then has no opinion, and the validator accepts and
// says so.

#include "jackfield.h"

JACKFIELD_SETTINGS("judge:string! hard:string!")

// One word of a model about a text; false, and why, when there is none.
static bool ask(const char *instruction, jf_str text, jf_str *said) {
    jf_llm_message messages[] = {jf_llm_say("system", instruction), jf_llm_say("user", text)};
    jf_options options = {.temperature = {true, 0}, .max_output_tokens = {true, 16}};
    jf_result_completion_llm_error answer = jf_complete(jf_string(jf_get(jf_settings(), "judge"), ""), messages, 2, &options);
    *said = answer.is_err ? jf_llm_error_text(answer.err) : jf_lower(jf_trim(answer.ok.text));
    return !answer.is_err;
}

static jf_routed route(const jf_request *request) {
    jf_str said;
    bool is_hard = ask("Is this hard or easy? One word.", jf_prompt(), &said) && jf_eq(said, "hard");
    return is_hard ? jf_route_to(jf_string(jf_get(jf_settings(), "hard"), "")) : jf_route_abstain();
}
JACKFIELD_ROUTER(route)

static jf_validated validate(const jf_request *request, const jf_response *response) {
    jf_str said;
    if (!ask("Is this answer fine? yes or no.", jf_response_text(), &said)) {
        return jf_issue(jf_verdict_accept(), jf_text("not judged: ", said));
    }
    return jf_eq(said, "no") ? jf_verdict_reject("the judge says no") : jf_verdict_accept();
}
JACKFIELD_VALIDATOR(validate)
