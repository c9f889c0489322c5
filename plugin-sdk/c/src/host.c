// The contract's functions under the names that authors use. What is never called is not linked, and a plugin that never calls a
// model needs no grant.
#include "../jackfield/host.h"

#define ASK(type, call)  \
    type answer;         \
    call;                \
    return answer

jf_str jf_prompt(void) { ASK(jf_str, jf_request__last_user_text(&answer)); }
bool jf_prompt_contains_text(jf_str needle) { return jf_request__contains(needle.ptr, needle.len) != 0; }
jf_str jf_system_text(void) { ASK(jf_str, jf_request__system_text(&answer)); }
jf_opt_message jf_message_at(uint32_t index) { ASK(jf_opt_message, jf_request__message_at((int32_t)index, &answer)); }
jf_list_message jf_messages(void) { ASK(jf_list_message, jf_request__messages(&answer)); }
jf_opt_str jf_header_named(jf_str name) { ASK(jf_opt_str, jf_request__header(name.ptr, name.len, &answer)); }
jf_opt_str jf_label_value_named(jf_str name) { ASK(jf_opt_str, jf_request__label_value(name.ptr, name.len, &answer)); }
jf_str jf_request_body(void) { ASK(jf_str, jf_request__body(&answer)); }

static jf_json parsed(jf_opt_str text) { return text.some ? jf_json_parse(text.value) : (jf_json){0}; }

jf_json jf_request_at_pointer(jf_str pointer) {
    jf_opt_str answer;
    jf_request__body_pointer(pointer.ptr, pointer.len, &answer);
    return parsed(answer);
}

jf_str jf_response_text(void) { ASK(jf_str, jf_response__text(&answer)); }
jf_str jf_response_body(void) { ASK(jf_str, jf_response__body(&answer)); }

jf_json jf_response_at_pointer(jf_str pointer) {
    jf_opt_str answer;
    jf_response__body_pointer(pointer.ptr, pointer.len, &answer);
    return parsed(answer);
}

jf_list_tool_call jf_response_tool_calls(void) { ASK(jf_list_tool_call, jf_response__tool_calls(&answer)); }
jf_opt_token_usage jf_response_usage(void) { ASK(jf_opt_token_usage, jf_response__usage(&answer)); }

jf_list_str jf_model_names(void) { ASK(jf_list_str, jf_models__names(&answer)); }
jf_opt_model_info jf_model_named(jf_str name) { ASK(jf_opt_model_info, jf_models__info(name.ptr, name.len, &answer)); }
jf_opt_live_state jf_model_live_named(jf_str name) { ASK(jf_opt_live_state, jf_models__live(name.ptr, name.len, &answer)); }
jf_opt_headroom jf_budget(jf_scope of) { ASK(jf_opt_headroom, jf_budget__remaining(of, &answer)); }
jf_load_state jf_load(void) { ASK(jf_load_state, jf_load__current(&answer)); }

jf_json jf_settings(void) {
    jf_str answer;
    jf_config__get(&answer);
    return jf_json_parse(answer);
}

void jf_log(jf_level level, jf_str line) { jf_log__write(level, line.ptr, line.len); }
uint64_t jf_now_ms(void) { return (uint64_t)jf_clock__now_ms(); }
uint64_t jf_monotonic_ns(void) { return (uint64_t)jf_clock__monotonic_ns(); }

jf_opt_str jf_kv_get_at(jf_str key) { ASK(jf_opt_str, jf_kv__get(key.ptr, key.len, &answer)); }
jf_result_unit_kv_error jf_kv_delete_at(jf_str key) {
    ASK(jf_result_unit_kv_error, jf_kv__delete(key.ptr, key.len, &answer));
}

jf_result_unit_kv_error jf_kv_set_at(jf_str key, jf_str value, uint64_t ttl_ms) {
    ASK(jf_result_unit_kv_error,
        jf_kv__set(key.ptr, key.len, value.ptr, value.len, ttl_ms != 0, (int64_t)ttl_ms, &answer));
}

jf_result_s64_kv_error jf_kv_increment_at(jf_str key, int64_t by, uint64_t ttl_ms) {
    ASK(jf_result_s64_kv_error, jf_kv__increment(key.ptr, key.len, by, ttl_ms != 0, (int64_t)ttl_ms, &answer));
}

jf_str jf_kv_error_text(jf_kv_error error) {
    switch (error) {
    case JF_KV_ERROR_QUOTA_EXCEEDED: return JF("quota-exceeded");
    case JF_KV_ERROR_TOO_LARGE: return JF("too-large");
    case JF_KV_ERROR_NOT_A_COUNTER: return JF("not-a-counter");
    default: return JF("read-only");
    }
}

jf_result_completion_llm_error jf_complete_with(
    jf_str model, const jf_llm_message *messages, size_t count, const jf_options *options) {
    static const jf_options NONE;
    const jf_options *o = options ? options : &NONE;
    ASK(jf_result_completion_llm_error,
        jf_llm__complete(model.ptr, model.len, messages, count, o->temperature.some, o->temperature.value,
            o->max_output_tokens.some, (int32_t)o->max_output_tokens.value, o->reasoning.some, o->reasoning.value,
            o->response_schema.some, o->response_schema.value.ptr, o->response_schema.value.len, &answer));
}

jf_result_list_list_f32_llm_error jf_embed_with(jf_str model, jf_list_str texts) {
    ASK(jf_result_list_list_f32_llm_error, jf_llm__embed(model.ptr, model.len, texts.items, texts.len, &answer));
}

jf_str jf_llm_error_text(jf_llm_error error) {
    switch (error.tag) {
    case JF_LLM_ERROR_UNKNOWN_MODEL: return jf_text("no model `", error.unknown_model, "` may be used here");
    case JF_LLM_ERROR_BUDGET_EXCEEDED: return JF("the budget does not allow it");
    case JF_LLM_ERROR_TIMED_OUT: return JF("it took too long");
    default: return error.failed;
    }
}
