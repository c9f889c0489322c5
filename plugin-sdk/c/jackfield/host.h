// What a plugin may ask of its host. Every answer is copied into the plugin's memory, so ask for what you need: `jf_prompt_contains`
// searches a megabyte on the host's side without moving it.
#ifndef JACKFIELD_HOST_H
#define JACKFIELD_HOST_H

#include "json.h"

/// What is known of a request before anybody reads it: a router's and a validator's first parameter.
typedef jf_request_summary jf_request;

/// What is known of an answer before anybody reads it: a validator's second parameter.
typedef jf_response_summary jf_response;

/// The text of the last user message; empty when there is none.
jf_str jf_prompt(void);

/// Whether the last user message contains this text, to the letter. Searched by the host.
#define jf_prompt_contains(needle) jf_prompt_contains_text(JF(needle))
bool jf_prompt_contains_text(jf_str needle);

/// All standing instructions, joined by a line feed; empty when there are none.
jf_str jf_system_text(void);

/// One message by its place, the first being 0.
jf_opt_message jf_message_at(uint32_t index);

/// The whole conversation.
jf_list_message jf_messages(void);

/// One request header by its name in lower case. Credentials are never shown.
#define jf_header(name) jf_header_named(JF(name))
jf_opt_str jf_header_named(jf_str name);

/// The value of a label given by an earlier plugin; the last one given counts.
#define jf_label_value(name) jf_label_value_named(JF(name))
jf_opt_str jf_label_value_named(jf_str name);

/// The request's body as JSON text, in the client's own dialect.
jf_str jf_request_body(void);

/// One value of the request's body by its JSON pointer (RFC 6901), for example `/tools/0/function/name`.
#define jf_request_at(pointer) jf_request_at_pointer(JF(pointer))
jf_json jf_request_at_pointer(jf_str pointer);

/// The answer's text; empty when it has none. Validators only, as all of `jf_response_…`.
jf_str jf_response_text(void);

/// The answer's body as JSON text.
jf_str jf_response_body(void);

/// One value of the answer's body by its JSON pointer (RFC 6901).
#define jf_response_at(pointer) jf_response_at_pointer(JF(pointer))
jf_json jf_response_at_pointer(jf_str pointer);

/// The calls the model wants made.
jf_list_tool_call jf_response_tool_calls(void);

/// What the call consumed, if the provider said.
jf_opt_token_usage jf_response_usage(void);

/// The names of all models that the host's configuration declares or refers to, in order of name.
jf_list_str jf_model_names(void);

/// What a model is; absent when there is none of that name.
#define jf_model(name) jf_model_named(JF(name))
jf_opt_model_info jf_model_named(jf_str name);

/// How a model does at the moment; absent when there is none of that name.
#define jf_model_live(name) jf_model_live_named(JF(name))
jf_opt_live_state jf_model_live_named(jf_str name);

/// Whether the configuration marks a model with a word.
#define jf_has_tag(model, tag) jf_list_has((model).tags, JF(tag))

/// Whether a model can do something: `tools`, `vision`, `response_schema`, `reasoning`.
#define jf_can(model, ability) jf_list_has((model).capabilities, JF(ability))
bool jf_list_has(jf_list_str list, jf_str text);

/// What may still be spent, of the tightest limit of a scope (`JF_SCOPE_PROJECT`, …); absent when it has none.
jf_opt_headroom jf_budget(jf_scope of);

/// How busy the host is.
jf_load_state jf_load(void);

/// The plugin's own settings: its `config:` section, `{}` when it has none.
jf_json jf_settings(void);

/// A line for the host's log, of what `jf_text` takes: at most 2 KiB, and 64 lines a call.
#define jf_log_debug(...) jf_log(JF_LEVEL_DEBUG, jf_text(__VA_ARGS__))
#define jf_log_info(...) jf_log(JF_LEVEL_INFO, jf_text(__VA_ARGS__))
#define jf_log_warn(...) jf_log(JF_LEVEL_WARN, jf_text(__VA_ARGS__))
#define jf_log_error(...) jf_log(JF_LEVEL_ERROR, jf_text(__VA_ARGS__))
void jf_log(jf_level level, jf_str line);

/// Milliseconds since the Unix epoch.
uint64_t jf_now_ms(void);

/// Nanoseconds since some moment before the plugin was loaded; never goes back.
uint64_t jf_monotonic_ns(void);

/// The value at a key of the plugin's memory, shared by all its calls on this host; absent when there is none or its time is up.
#define jf_kv_get(key) jf_kv_get_at(JF(key))
jf_opt_str jf_kv_get_at(jf_str key);

/// Keeps a value, for at most so many milliseconds; 0 is for as long as the host runs. `is_err` when it was not kept.
#define jf_kv_set(key, value, ttl_ms) jf_kv_set_at(JF(key), JF(value), (ttl_ms))
jf_result_unit_kv_error jf_kv_set_at(jf_str key, jf_str value, uint64_t ttl_ms);

/// Forgets a value.
#define jf_kv_delete(key) jf_kv_delete_at(JF(key))
jf_result_unit_kv_error jf_kv_delete_at(jf_str key);

/// Adds to a counter in one step and gives its new value. One that is not there counts from 0 and lives for so many milliseconds
/// (0: for as long as the host runs); a later call does not prolong it.
#define jf_kv_increment(key, by, ttl_ms) jf_kv_increment_at(JF(key), (by), (ttl_ms))
jf_result_s64_kv_error jf_kv_increment_at(jf_str key, int64_t by, uint64_t ttl_ms);

/// The contract's word for a refusal of the plugin's memory, for example `quota-exceeded`.
jf_str jf_kv_error_text(jf_kv_error error);

/// A message to a model; the role is `system`, `user` or `assistant`.
#define jf_llm_say(role, text) ((jf_llm_message){JF(role), JF(text)})

/// Asks a model. A plugin that calls this needs the grant `llm`; what it costs is charged to the request. No options (NULL) are the
/// model's own.
#define jf_complete(model, messages, count, options) jf_complete_with(JF(model), (messages), (count), (options))
jf_result_completion_llm_error jf_complete_with(
    jf_str model, const jf_llm_message *messages, size_t count, const jf_options *options);

/// Embeds texts; one vector for each, in order. Needs the grant `llm`.
#define jf_embed(model, texts) jf_embed_with(JF(model), (texts))
jf_result_list_list_f32_llm_error jf_embed_with(jf_str model, jf_list_str texts);

/// What is wrong with a question to a model, in words.
jf_str jf_llm_error_text(jf_llm_error error);

#endif
