// name: c
// version: 1.0.0
//
// The seed document's `MyRouter` in C. It decides and refuses as plugins/urgent-router does, word for word, because one table of
// tests holds for all languages. Requests that name a task of tour.c get that instead.

#include "jackfield.h"

#include "tour.h"

JACKFIELD_DESCRIPTION("Sends prompts with a keyword to a fast model")
JACKFIELD_SETTINGS("keyword:string model:string otherwise:string")

static jf_routed route(const jf_request *request) {
    jf_routed toured;
    if (request->task.some && tour(request, &toured)) return toured;
    jf_json settings = jf_settings();
    jf_str keyword = jf_string(jf_get(settings, "keyword"), "urgent");
    if (jf_prompt_contains(keyword)) {
        jf_str model = jf_string(jf_get(settings, "model"), "fast-model");
        return jf_because(jf_route_to(model), jf_text("the prompt contains `", keyword, "`"));
    }
    jf_json otherwise = jf_get(settings, "otherwise");
    jf_routed routed = jf_is(otherwise) ? jf_route_to(jf_string(otherwise, "")) : jf_route_abstain();
    return jf_because(routed, jf_text("the prompt does not contain `", keyword, "`"));
}
JACKFIELD_ROUTER(route)
