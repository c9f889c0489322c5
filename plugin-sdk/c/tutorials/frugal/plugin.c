#include "jackfield.h"

JACKFIELD_DESCRIPTION("Takes the cheapest model that is well, and a cheap one when the budget runs out")
JACKFIELD_SETTINGS("models:strings")

// Whether less than a fifth of the project's budget is left; a project without a limit is never short.
static bool is_short(void) {
    jf_opt_headroom budget = jf_budget(JF_SCOPE_PROJECT);
    return budget.some && budget.value.used_ratio > 0.8;
}

// The cheapest of these models that are well and, when money is short, tagged `cheap`; absent when there is none.
static jf_opt_model_info cheapest(jf_list_str names, bool only_cheap) {
    jf_opt_model_info best = {0};
    for (size_t i = 0; i < names.len; i++) {
        jf_opt_model_info model = jf_model(names.items[i]);
        jf_opt_live_state live = jf_model_live(names.items[i]);
        if (!model.some || !model.value.input_usd_per_mtok.some || !live.some || !live.value.healthy) continue;
        if (only_cheap && !jf_has_tag(model.value, "cheap")) continue;
        double price = model.value.input_usd_per_mtok.value, least = best.value.input_usd_per_mtok.value;
        bool better = price < least || (price == least && jf_compare(model.value.name, best.value.name) < 0);
        if (!best.some || better) best = model;
    }
    return best;
}

static jf_routed route(const jf_request *request) {
    jf_json models = jf_get(jf_settings(), "models");
    bool frugal = is_short();
    jf_opt_model_info chosen = cheapest(jf_is(models) ? jf_strings(models) : jf_model_names(), frugal);
    if (!chosen.some) return jf_because(jf_route_abstain(), "no model is cheap and healthy");

    jf_result_s64_kv_error decided = jf_kv_increment("decided", 1, 0);
    if (decided.is_err) return jf_route_fail(jf_internal(jf_kv_error_text(decided.err)));
    jf_str reason = jf_text("request ", decided.ok, ": ", chosen.value.name, " at $",
        jf_fixed(chosen.value.input_usd_per_mtok.value, 2), " per million");
    return jf_with_label(jf_because(jf_route_to(chosen.value.name), reason), "frugal", frugal ? "yes" : "no");
}
JACKFIELD_ROUTER(route)
