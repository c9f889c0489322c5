#include "jackfield.h"

JACKFIELD_DESCRIPTION("Sends prompts that say they are urgent to a fast model")
JACKFIELD_SETTINGS("keyword:string model:string otherwise:string")

static jf_routed route(const jf_request *request) {
    jf_json settings = jf_settings();
    jf_str keyword = jf_string(jf_get(settings, "keyword"), "urgent");
    if (jf_prompt_contains(keyword)) {
        jf_str model = jf_string(jf_get(settings, "model"), "fast-model");
        return jf_because(jf_route_to(model), jf_text("the prompt contains `", keyword, "`"));
    }
    jf_str otherwise = jf_string(jf_get(settings, "otherwise"), "smart-model");
    return jf_because(jf_route_to(otherwise), jf_text("the prompt does not contain `", keyword, "`"));
}
JACKFIELD_ROUTER(route)
