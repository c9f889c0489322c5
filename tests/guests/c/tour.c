// One branch a task, so that every interface, every kind of decision and every failure of the contract is met once in C: a wrong
// lowering shows as a wrong answer.
//
// The same tour, with the same answers, is in ../js/tour.js, ../python/tour.py and ../rust-bench/src/tour.rs;
// tests/tests/all/guests.rs compares them.

#include "tour.h"

// How often the task `calls` calls the host.
enum { CALLS = 1000 };

static jf_routed chosen(jf_str reason) { return jf_because(jf_route_to("fast-model"), reason); }
static const char *yes(bool condition) { return condition ? "yes" : "no"; }
static jf_str or_none(jf_opt_str text) { return text.some ? text.value : JF("none"); }
static jf_str value_or_none(jf_json value) { return value.text.len ? value.text : JF("none"); }

// What each function of `request` says.
static jf_str read_request(void) {
    jf_opt_message first = jf_message_at(0), beyond = jf_message_at(9);
    jf_list_message messages = jf_messages();
    jf_list_str seen = {0}, roles = {0};
    for (size_t i = 0; i < messages.len; i++) jf_push(&roles, messages.items[i].role);
    jf_push(&seen, jf_text("contains=", yes(jf_prompt_contains("tour")), ",", yes(jf_prompt_contains("detour"))));
    jf_push(&seen, jf_text("prompt=", jf_chars(jf_prompt())));
    jf_push(&seen, jf_text("system=", jf_system_text()));
    jf_push(&seen, jf_text("first=", first.value.role, ",", first.value.text, ",", yes(first.value.has_image)));
    jf_push(&seen, jf_text("beyond=", beyond.some ? beyond.value.text : JF("none")));
    jf_push(&seen, jf_text("messages=", jf_join(roles, ",")));
    jf_push(&seen, jf_text("header=", or_none(jf_header("x-tour")), ",", or_none(jf_header("authorization"))));
    jf_push(&seen, jf_text("label=", or_none(jf_label_value("none-gave-it"))));
    jf_push(&seen, jf_text("body=", yes(jf_starts_with(jf_request_body(), "{"))));
    jf_json role = jf_request_at("/messages/0/role"), nowhere = jf_request_at("/nowhere");
    jf_push(&seen, jf_text("pointer=", value_or_none(role), ",", value_or_none(nowhere)));
    return jf_join(seen, "; ");
}

// What `models`, `load` and `budget` say.
static jf_str read_host(void) {
    jf_opt_model_info info = jf_model("fast-model"), no_info = jf_model("no-such-model");
    jf_opt_live_state live = jf_model_live("fast-model"), no_live = jf_model_live("no-such-model");
    if (!info.some || !live.some) return JF("fast-model is not known");
    jf_load_state load = jf_load();
    jf_list_str seen = {0}, budgets = {0};
    for (jf_scope scope = JF_SCOPE_PROJECT; scope <= JF_SCOPE_GLOBAL; scope++) jf_push(&budgets, yes(!jf_budget(scope).some));
    jf_push(&seen, jf_text("names=", jf_join(jf_model_names(), ",")));
    jf_push(&seen, jf_text("info=", info.value.name, ",", info.value.provider, ",", info.value.context_window.value, ",",
        info.value.input_usd_per_mtok.value * 100, ",", jf_join(info.value.tags, "+")));
    jf_push(&seen, jf_text("unknown=", no_info.some ? "known" : "none", ",", no_live.some ? "known" : "none"));
    jf_push(&seen, jf_text("live=", yes(live.value.healthy), ",", live.value.in_flight, ",", yes(live.value.error_rate == 0)));
    jf_push(&seen, jf_text("load=", yes(load.in_flight >= 1), ",", load.queued, ",", yes(!load.cpu.some || load.cpu.value <= 1)));
    jf_push(&seen, jf_text("budget=", jf_join(budgets, ",")));
    return jf_join(seen, "; ");
}

// What `kv` keeps, and what it refuses.
static jf_str use_store(void) {
    jf_kv_delete("word");
    jf_kv_delete("count");
    jf_str before = or_none(jf_kv_get("word"));
    jf_kv_set("word", "kept", 0);
    jf_str kept = or_none(jf_kv_get("word"));
    jf_kv_increment("count", 5, 60000);
    int64_t count = jf_kv_increment("count", -12, 60000).ok;
    jf_result_s64_kv_error no_counter = jf_kv_increment("word", 1, 0);
    jf_result_unit_kv_error no_key = jf_kv_set("", "", 0);
    return jf_text("kv=", before, ",", kept, ",", count, ",", or_none(jf_kv_get("count")), "; refused=",
        no_counter.is_err ? jf_kv_error_text(no_counter.err) : JF("none"), ",",
        no_key.is_err ? jf_kv_error_text(no_key.err) : JF("none"));
}

// What `config`, `clock` and `log` do.
static jf_str read_self(void) {
    uint64_t earlier = jf_monotonic_ns();
    jf_log_info("the tour passed here: é😀");
    return jf_text("config=", jf_settings().text, "; clock=", yes(jf_now_ms() > 1600000000000), ",",
        yes(jf_monotonic_ns() >= earlier));
}

bool tour(const jf_request *request, jf_routed *routed) {
    jf_str task = request->task.value;
    if (jf_eq(task, "probe")) {
        *routed = chosen(jf_text(read_request(), "; ", read_host(), "; ", use_store(), "; ", read_self()));
    } else if (jf_eq(task, "refuse")) {
        *routed = jf_because(jf_route_reject(JF_REJECT_CLASS_FORBIDDEN, "not on the tour"), "refused");
    } else if (jf_eq(task, "respond")) {
        *routed = jf_because(jf_route_respond("the tour answers é😀"), "answered");
    } else if (jf_eq(task, "override")) {
        jf_target target = jf_target_of("smart-model");
        target.temperature = (jf_opt_f64){true, 0.5};
        target.max_output_tokens = (jf_opt_u32){true, 64};
        target.reasoning = (jf_opt_reasoning_level){true, JF_REASONING_LEVEL_LOW};
        target.prompt_template = (jf_opt_str){true, JF("In short: ${input}")};
        *routed = jf_with_label(jf_because(jf_route_to(target), "changed"), "tour", "c");
    } else if (jf_eq(task, "fail")) {
        *routed = jf_route_fail(jf_invalid_input("the tour fails"));
    } else if (jf_eq(task, "unread")) {
        *routed = chosen(jf_text(request->message_count, " messages, tools: ", yes(request->has_tools)));
    } else if (jf_eq(task, "text")) {
        *routed = chosen(jf_text("found: ", yes(jf_contains(jf_prompt(), "tour"))));
    } else if (jf_eq(task, "calls")) {
        for (int i = 0; i < CALLS; i++) jf_monotonic_ns();
        *routed = chosen(jf_text("called ", (int)CALLS, " times"));
    } else {
        return false;
    }
    return true;
}
