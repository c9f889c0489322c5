// What a plugin and its host say to each other: `wit/` as C. Generated; do not edit.
// Made and checked by host/src/cli/plugin/build/c/contract.rs: UPDATE_GOLDENS=1 cargo test -p jackfield the_header_follows_the_contract
//
// Everything here lies in memory as the host reads and writes it. Authors use the words of jackfield.h, which are made of these.
#ifndef JACKFIELD_CONTRACT_H
#define JACKFIELD_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JF_IMPORT(interface, name) __attribute__((import_module(interface), import_name(name)))
#define JF_TYPE(type, bytes) _Static_assert(sizeof(type) == bytes, #type " has another size than the contract says")
#define JF_FIELD(type, field, at) _Static_assert(offsetof(type, field) == at, #type "." #field " is elsewhere than the contract says")

/// Text in UTF-8, or any bytes: no NUL ends it. What the host gives lives until the call of the plugin ends.
typedef struct jf_str {
    const char *ptr;
    size_t len;
} jf_str;
JF_TYPE(jf_str, 8);

typedef struct jf_opt_f64 {
    bool some;
    double value;
} jf_opt_f64;
JF_TYPE(jf_opt_f64, 16);
JF_FIELD(jf_opt_f64, value, 8);

/// A glance at the host. Shares are 0 to 1.
typedef struct jf_load_state {
    /// Requests now under way.
    uint32_t in_flight;
    /// Plugin calls waiting for a permit.
    uint32_t queued;
    /// The share of the processors in use over the last seconds; absent where the system does not say, and when
    /// nobody has asked for a while.
    jf_opt_f64 cpu;
} jf_load_state;
JF_TYPE(jf_load_state, 24);
JF_FIELD(jf_load_state, in_flight, 0);
JF_FIELD(jf_load_state, queued, 4);
JF_FIELD(jf_load_state, cpu, 8);

/// Whose budget.
typedef uint8_t jf_scope;
enum {
    /// The project of the client's key.
    JF_SCOPE_PROJECT = 0,
    /// The user of the client's key.
    JF_SCOPE_USER = 1,
    /// Everybody together.
    JF_SCOPE_GLOBAL = 2,
};
JF_TYPE(jf_scope, 1);

/// One budget. Absent means: no limit is set.
typedef struct jf_headroom {
    /// US dollars left in the tightest window.
    double remaining_usd;
    /// The share of that window's limit that is spent or reserved, 0 to 1.
    double used_ratio;
} jf_headroom;
JF_TYPE(jf_headroom, 16);
JF_FIELD(jf_headroom, remaining_usd, 0);
JF_FIELD(jf_headroom, used_ratio, 8);

typedef struct jf_opt_headroom {
    bool some;
    jf_headroom value;
} jf_opt_headroom;
JF_TYPE(jf_opt_headroom, 24);
JF_FIELD(jf_opt_headroom, value, 8);

/// How important a line is.
typedef uint8_t jf_level;
enum {
    /// For the plugin's author.
    JF_LEVEL_DEBUG = 0,
    /// Worth keeping.
    JF_LEVEL_INFO = 1,
    /// Something is odd.
    JF_LEVEL_WARN = 2,
    /// Something is wrong.
    JF_LEVEL_ERROR = 3,
};
JF_TYPE(jf_level, 1);

/// Why a value was not kept.
typedef uint8_t jf_kv_error;
enum {
    /// The plugin's quota (of keys and values, 1 MiB unless its limits say otherwise) is used up.
    JF_KV_ERROR_QUOTA_EXCEEDED = 0,
    /// The key is empty or over 256 bytes, or the value over its limit (64 KiB unless the limits say otherwise).
    JF_KV_ERROR_TOO_LARGE = 1,
    /// The value at this key is not a counter.
    JF_KV_ERROR_NOT_A_COUNTER = 2,
    /// This call may not write. Not said by this host: what a shadow writes is answered as if kept, and is not.
    JF_KV_ERROR_READ_ONLY = 3,
};
JF_TYPE(jf_kv_error, 1);

typedef struct jf_opt_str {
    bool some;
    jf_str value;
} jf_opt_str;
JF_TYPE(jf_opt_str, 12);
JF_FIELD(jf_opt_str, value, 4);

typedef struct jf_opt_u64 {
    bool some;
    uint64_t value;
} jf_opt_u64;
JF_TYPE(jf_opt_u64, 16);
JF_FIELD(jf_opt_u64, value, 8);

typedef struct jf_result_unit_kv_error {
    bool is_err;
    union {
        jf_kv_error err;
    };
} jf_result_unit_kv_error;
JF_TYPE(jf_result_unit_kv_error, 2);
JF_FIELD(jf_result_unit_kv_error, err, 1);

typedef struct jf_result_s64_kv_error {
    bool is_err;
    union {
        int64_t ok;
        jf_kv_error err;
    };
} jf_result_s64_kv_error;
JF_TYPE(jf_result_s64_kv_error, 16);
JF_FIELD(jf_result_s64_kv_error, ok, 8);
JF_FIELD(jf_result_s64_kv_error, err, 8);

typedef struct jf_list_str {
    jf_str *items;
    size_t len;
} jf_list_str;
JF_TYPE(jf_list_str, 8);

/// What a model is: its price, its bounds and its abilities. Absent means: not known.
typedef struct jf_model_info {
    /// The model's name.
    jf_str name;
    /// The provider that serves it.
    jf_str provider;
    /// The longest conversation it takes, in tokens.
    jf_opt_u64 context_window;
    /// The longest answer it gives, in tokens.
    jf_opt_u64 max_output_tokens;
    /// US dollars for a million input tokens.
    jf_opt_f64 input_usd_per_mtok;
    /// US dollars for a million output tokens.
    jf_opt_f64 output_usd_per_mtok;
    /// The words the configuration marks it with.
    jf_list_str tags;
    /// What it can do, of: `tools`, `vision`, `response_schema`, `reasoning`. Unknown abilities are not listed.
    jf_list_str capabilities;
} jf_model_info;
JF_TYPE(jf_model_info, 96);
JF_FIELD(jf_model_info, name, 0);
JF_FIELD(jf_model_info, provider, 8);
JF_FIELD(jf_model_info, context_window, 16);
JF_FIELD(jf_model_info, max_output_tokens, 32);
JF_FIELD(jf_model_info, input_usd_per_mtok, 48);
JF_FIELD(jf_model_info, output_usd_per_mtok, 64);
JF_FIELD(jf_model_info, tags, 80);
JF_FIELD(jf_model_info, capabilities, 88);

/// How a model does at the moment, as this host sees it. Latencies are in milliseconds over the
/// last calls (at most 256, at most a minute old); absent means: no call yet.
typedef struct jf_live_state {
    /// Whether it answers at present, as far as this host knows.
    bool healthy;
    /// Calls of it now under way from this host.
    uint32_t in_flight;
    /// Half of the calls took no longer.
    jf_opt_f64 p50_ms;
    /// Nineteen calls of twenty took no longer.
    jf_opt_f64 p95_ms;
    /// Half of the calls began to answer no later.
    jf_opt_f64 first_token_p50_ms;
    /// The share of those calls that failed, 0 to 1.
    double error_rate;
    /// The share of its rate limit still free, 0 to 1, if the provider says.
    jf_opt_f64 rate_limit_headroom;
} jf_live_state;
JF_TYPE(jf_live_state, 80);
JF_FIELD(jf_live_state, healthy, 0);
JF_FIELD(jf_live_state, in_flight, 4);
JF_FIELD(jf_live_state, p50_ms, 8);
JF_FIELD(jf_live_state, p95_ms, 24);
JF_FIELD(jf_live_state, first_token_p50_ms, 40);
JF_FIELD(jf_live_state, error_rate, 56);
JF_FIELD(jf_live_state, rate_limit_headroom, 64);

typedef struct jf_opt_model_info {
    bool some;
    jf_model_info value;
} jf_opt_model_info;
JF_TYPE(jf_opt_model_info, 104);
JF_FIELD(jf_opt_model_info, value, 8);

typedef struct jf_opt_live_state {
    bool some;
    jf_live_state value;
} jf_opt_live_state;
JF_TYPE(jf_opt_live_state, 88);
JF_FIELD(jf_opt_live_state, value, 8);

/// One message of the conversation.
typedef struct jf_message {
    /// `system`, `user`, `assistant` or `tool`.
    jf_str role;
    /// Its whole text; several text parts are joined by a line feed.
    jf_str text;
    /// Whether it carries an image.
    bool has_image;
} jf_message;
JF_TYPE(jf_message, 20);
JF_FIELD(jf_message, role, 0);
JF_FIELD(jf_message, text, 8);
JF_FIELD(jf_message, has_image, 16);

typedef struct jf_opt_message {
    bool some;
    jf_message value;
} jf_opt_message;
JF_TYPE(jf_opt_message, 24);
JF_FIELD(jf_opt_message, value, 4);

typedef struct jf_list_message {
    jf_message *items;
    size_t len;
} jf_list_message;
JF_TYPE(jf_list_message, 8);

/// A short name and its value. Names: at most 64 bytes of `a-z 0-9 _ - .`; values: at most 1 024 bytes.
typedef struct jf_label {
    jf_str name;
    jf_str value;
} jf_label;
JF_TYPE(jf_label, 16);
JF_FIELD(jf_label, name, 0);
JF_FIELD(jf_label, value, 8);

typedef struct jf_list_label {
    jf_label *items;
    size_t len;
} jf_list_label;
JF_TYPE(jf_list_label, 8);

/// What is known of a request before anybody reads it. Texts come through `request`, when asked for.
typedef struct jf_request_summary {
    /// The host's id of the request, the same as in the response header `x-jackfield-request-id`.
    jf_str request_id;
    /// The task the client named, if it did.
    jf_opt_str task;
    /// The model the client named; absent when it left the choice to the gateway.
    jf_opt_str requested_model;
    /// The project of the client's key.
    jf_opt_str project;
    /// The user of the client's key.
    jf_opt_str user;
    /// Whether the answer is to be streamed.
    bool streaming;
    /// How many messages the conversation has; at least 1.
    uint32_t message_count;
    /// Input tokens, estimated from the texts' lengths.
    uint64_t estimated_input_tokens;
    /// The bound on the answer's tokens, if the client set one.
    jf_opt_u64 max_output_tokens;
    /// Whether tools are offered to the model.
    bool has_tools;
    /// Whether any message carries an image.
    bool has_images;
    /// Whether a JSON schema binds the answer.
    bool has_response_schema;
    /// Labels given by earlier plugins, in order.
    jf_list_label labels;
} jf_request_summary;
JF_TYPE(jf_request_summary, 104);
JF_FIELD(jf_request_summary, request_id, 0);
JF_FIELD(jf_request_summary, task, 8);
JF_FIELD(jf_request_summary, requested_model, 20);
JF_FIELD(jf_request_summary, project, 32);
JF_FIELD(jf_request_summary, user, 44);
JF_FIELD(jf_request_summary, streaming, 56);
JF_FIELD(jf_request_summary, message_count, 60);
JF_FIELD(jf_request_summary, estimated_input_tokens, 64);
JF_FIELD(jf_request_summary, max_output_tokens, 72);
JF_FIELD(jf_request_summary, has_tools, 88);
JF_FIELD(jf_request_summary, has_images, 89);
JF_FIELD(jf_request_summary, has_response_schema, 90);
JF_FIELD(jf_request_summary, labels, 92);

/// How much a model should think before it answers.
typedef uint8_t jf_reasoning_level;
enum {
    /// Not at all.
    JF_REASONING_LEVEL_NONE = 0,
    /// As little as the model can.
    JF_REASONING_LEVEL_MINIMAL = 1,
    /// A little.
    JF_REASONING_LEVEL_LOW = 2,
    /// The provider's usual.
    JF_REASONING_LEVEL_MEDIUM = 3,
    /// As much as is sensible.
    JF_REASONING_LEVEL_HIGH = 4,
};
JF_TYPE(jf_reasoning_level, 1);

typedef struct jf_opt_u32 {
    bool some;
    uint32_t value;
} jf_opt_u32;
JF_TYPE(jf_opt_u32, 8);
JF_FIELD(jf_opt_u32, value, 4);

typedef struct jf_opt_reasoning_level {
    bool some;
    jf_reasoning_level value;
} jf_opt_reasoning_level;
JF_TYPE(jf_opt_reasoning_level, 2);
JF_FIELD(jf_opt_reasoning_level, value, 1);

/// A model to use, and what to change of the client's request. Absent means: as the client asked.
typedef struct jf_target {
    /// The model's name: declared in the host's configuration, referenced there, or well known.
    jf_str model;
    /// Sampling temperature, 0 to 2.
    jf_opt_f64 temperature;
    /// Bound on the answer's tokens, at least 1.
    jf_opt_u32 max_output_tokens;
    /// How much the model should think.
    jf_opt_reasoning_level reasoning;
    /// A template for the last user message, with `${input}` where its text goes.
    jf_opt_str prompt_template;
} jf_target;
JF_TYPE(jf_target, 48);
JF_FIELD(jf_target, model, 0);
JF_FIELD(jf_target, temperature, 8);
JF_FIELD(jf_target, max_output_tokens, 24);
JF_FIELD(jf_target, reasoning, 32);
JF_FIELD(jf_target, prompt_template, 36);

/// The refusals a router may give.
typedef uint8_t jf_reject_class;
enum {
    /// The request is wrong: 400.
    JF_REJECT_CLASS_INVALID_REQUEST = 0,
    /// The caller may not do this: 403.
    JF_REJECT_CLASS_FORBIDDEN = 1,
    /// Too many requests: 429.
    JF_REJECT_CLASS_RATE_LIMITED = 2,
    /// Not now: 503.
    JF_REJECT_CLASS_UNAVAILABLE = 3,
};
JF_TYPE(jf_reject_class, 1);

/// A refusal and what the client is told.
typedef struct jf_rejection {
    /// What kind of refusal.
    jf_reject_class class;
    /// What the client is told; at most 1 024 bytes.
    jf_str message;
} jf_rejection;
JF_TYPE(jf_rejection, 12);
JF_FIELD(jf_rejection, class, 0);
JF_FIELD(jf_rejection, message, 4);

typedef struct jf_list_target {
    jf_target *items;
    size_t len;
} jf_list_target;
JF_TYPE(jf_list_target, 8);

/// What a router decides.
enum {
    /// Use these models, best first: at least 1, at most 16.
    JF_DECISION_ROUTE = 0,
    /// No opinion: the next rule decides.
    JF_DECISION_ABSTAIN = 1,
    /// Refuse the request.
    JF_DECISION_REJECT = 2,
    /// Answer with this text; no model is called.
    JF_DECISION_RESPOND = 3,
};
typedef struct jf_decision {
    uint8_t tag;
    union {
        jf_list_target route;
        jf_rejection reject;
        jf_str respond;
    };
} jf_decision;
JF_TYPE(jf_decision, 16);
JF_FIELD(jf_decision, route, 4);
JF_FIELD(jf_decision, reject, 4);
JF_FIELD(jf_decision, respond, 4);

/// A decision, why, and labels for whoever comes after.
typedef struct jf_routing {
    /// The decision.
    jf_decision decision;
    /// Why, in a few words, for the trail and the log: at most 1 024 bytes.
    jf_str reason;
    /// Labels for later plugins and the log: at most 32.
    jf_list_label labels;
} jf_routing;
JF_TYPE(jf_routing, 32);
JF_FIELD(jf_routing, decision, 0);
JF_FIELD(jf_routing, reason, 16);
JF_FIELD(jf_routing, labels, 24);

/// Why a model stopped.
typedef uint8_t jf_finish_reason;
enum {
    /// It was done.
    JF_FINISH_REASON_STOP = 0,
    /// The token limit cut it.
    JF_FINISH_REASON_LENGTH = 1,
    /// It wants tools called.
    JF_FINISH_REASON_TOOL_CALLS = 2,
    /// The provider's filter stopped it.
    JF_FINISH_REASON_CONTENT_FILTER = 3,
    /// The provider did not say, or said something new.
    JF_FINISH_REASON_UNKNOWN = 4,
};
JF_TYPE(jf_finish_reason, 1);

/// Token counts of one call, as the provider reported them.
typedef struct jf_token_usage {
    /// Tokens of the prompt, cached ones included.
    uint64_t input_tokens;
    /// Tokens of the answer, reasoning included.
    uint64_t output_tokens;
    /// Those of the prompt that came from the provider's cache.
    uint64_t cached_input_tokens;
    /// Those of the answer that were spent on reasoning.
    uint64_t reasoning_tokens;
} jf_token_usage;
JF_TYPE(jf_token_usage, 32);
JF_FIELD(jf_token_usage, input_tokens, 0);
JF_FIELD(jf_token_usage, output_tokens, 8);
JF_FIELD(jf_token_usage, cached_input_tokens, 16);
JF_FIELD(jf_token_usage, reasoning_tokens, 24);

/// What is known of an answer before anybody reads it. Texts come through `response`, when asked for.
typedef struct jf_response_summary {
    /// The model that answered, by the gateway's name.
    jf_str model;
    /// Which attempt this is; the first is 1.
    uint32_t attempt;
    /// Why the model stopped.
    jf_finish_reason finish;
    /// The answer's length in bytes of text.
    uint64_t text_length;
    /// How many tools it wants called.
    uint32_t tool_call_count;
} jf_response_summary;
JF_TYPE(jf_response_summary, 32);
JF_FIELD(jf_response_summary, model, 0);
JF_FIELD(jf_response_summary, attempt, 8);
JF_FIELD(jf_response_summary, finish, 12);
JF_FIELD(jf_response_summary, text_length, 16);
JF_FIELD(jf_response_summary, tool_call_count, 24);

/// What a validator finds.
enum {
    /// Deliver it.
    JF_VERDICT_ACCEPT = 0,
    /// Do not deliver it, for these issues; the next candidate is tried.
    JF_VERDICT_REJECT = 1,
    /// Ask the same model again, with this instruction.
    JF_VERDICT_REPAIR = 2,
    /// Deliver this text instead.
    JF_VERDICT_REPLACE = 3,
};
typedef struct jf_verdict {
    uint8_t tag;
    union {
        jf_list_str reject;
        jf_str repair;
        jf_str replace;
    };
} jf_verdict;
JF_TYPE(jf_verdict, 12);
JF_FIELD(jf_verdict, reject, 4);
JF_FIELD(jf_verdict, repair, 4);
JF_FIELD(jf_verdict, replace, 4);

/// A verdict and what goes with it.
typedef struct jf_validation {
    /// The verdict.
    jf_verdict verdict;
    /// How good the answer is, 0 to 1.
    jf_opt_f64 score;
    /// What is wrong or could be better: at most 64 issues of 1 024 bytes.
    jf_list_str issues;
    /// Labels for later plugins and the log: at most 32.
    jf_list_label labels;
} jf_validation;
JF_TYPE(jf_validation, 48);
JF_FIELD(jf_validation, verdict, 0);
JF_FIELD(jf_validation, score, 16);
JF_FIELD(jf_validation, issues, 32);
JF_FIELD(jf_validation, labels, 40);

/// A plugin's own admission that it failed. The host does what the plugin's `on_error` says.
enum {
    /// The plugin's configuration makes no sense to it; the text says what to change.
    JF_PLUGIN_ERROR_INVALID_CONFIG = 0,
    /// This request makes no sense to it.
    JF_PLUGIN_ERROR_INVALID_INPUT = 1,
    /// Anything else.
    JF_PLUGIN_ERROR_INTERNAL = 2,
};
typedef struct jf_plugin_error {
    uint8_t tag;
    union {
        jf_str invalid_config;
        jf_str invalid_input;
        jf_str internal;
    };
} jf_plugin_error;
JF_TYPE(jf_plugin_error, 12);
JF_FIELD(jf_plugin_error, invalid_config, 4);
JF_FIELD(jf_plugin_error, invalid_input, 4);
JF_FIELD(jf_plugin_error, internal, 4);

/// What a plugin says of itself when it is loaded.
typedef struct jf_plugin_info {
    /// The plugin's own name.
    jf_str name;
    /// The plugin's own version.
    jf_str version;
    /// One sentence on what it does.
    jf_str description;
} jf_plugin_info;
JF_TYPE(jf_plugin_info, 24);
JF_FIELD(jf_plugin_info, name, 0);
JF_FIELD(jf_plugin_info, version, 8);
JF_FIELD(jf_plugin_info, description, 16);

typedef struct jf_result_routing_plugin_error {
    bool is_err;
    union {
        jf_routing ok;
        jf_plugin_error err;
    };
} jf_result_routing_plugin_error;
JF_TYPE(jf_result_routing_plugin_error, 36);
JF_FIELD(jf_result_routing_plugin_error, ok, 4);
JF_FIELD(jf_result_routing_plugin_error, err, 4);

typedef struct jf_result_validation_plugin_error {
    bool is_err;
    union {
        jf_validation ok;
        jf_plugin_error err;
    };
} jf_result_validation_plugin_error;
JF_TYPE(jf_result_validation_plugin_error, 56);
JF_FIELD(jf_result_validation_plugin_error, ok, 8);
JF_FIELD(jf_result_validation_plugin_error, err, 8);

/// A piece of an answer.
enum {
    /// More text.
    JF_PIECE_TEXT = 0,
    /// More of a tool call's arguments.
    JF_PIECE_TOOL_CALL = 1,
    /// The choice is complete.
    JF_PIECE_FINISH = 2,
};
typedef struct jf_piece {
    uint8_t tag;
    union {
        jf_str text;
        jf_str tool_call;
        jf_finish_reason finish;
    };
} jf_piece;
JF_TYPE(jf_piece, 12);
JF_FIELD(jf_piece, text, 4);
JF_FIELD(jf_piece, tool_call, 4);
JF_FIELD(jf_piece, finish, 4);

/// A piece and the choice it belongs to.
typedef struct jf_delta {
    /// The choice's index.
    uint32_t choice;
    /// What it adds.
    jf_piece piece;
} jf_delta;
JF_TYPE(jf_delta, 16);
JF_FIELD(jf_delta, choice, 0);
JF_FIELD(jf_delta, piece, 4);

/// What to do with the text held back so far, this delta included.
enum {
    /// Keep holding all of it.
    JF_STEP_HOLD = 0,
    /// Let the first so many bytes of text go, and keep the rest. A number inside a character lets go less.
    JF_STEP_RELEASE = 1,
    /// Let this text go in place of all that is held.
    JF_STEP_REPLACE = 2,
    /// Do not deliver it, for these issues.
    JF_STEP_REJECT = 3,
};
typedef struct jf_step {
    uint8_t tag;
    union {
        uint32_t release;
        jf_str replace;
        jf_list_str reject;
    };
} jf_step;
JF_TYPE(jf_step, 12);
JF_FIELD(jf_step, release, 4);
JF_FIELD(jf_step, replace, 4);
JF_FIELD(jf_step, reject, 4);

typedef struct jf_result_unit_plugin_error {
    bool is_err;
    union {
        jf_plugin_error err;
    };
} jf_result_unit_plugin_error;
JF_TYPE(jf_result_unit_plugin_error, 16);
JF_FIELD(jf_result_unit_plugin_error, err, 4);

typedef struct jf_result_step_plugin_error {
    bool is_err;
    union {
        jf_step ok;
        jf_plugin_error err;
    };
} jf_result_step_plugin_error;
JF_TYPE(jf_result_step_plugin_error, 16);
JF_FIELD(jf_result_step_plugin_error, ok, 4);
JF_FIELD(jf_result_step_plugin_error, err, 4);

typedef struct jf_result_plugin_info_plugin_error {
    bool is_err;
    union {
        jf_plugin_info ok;
        jf_plugin_error err;
    };
} jf_result_plugin_info_plugin_error;
JF_TYPE(jf_result_plugin_info_plugin_error, 28);
JF_FIELD(jf_result_plugin_info_plugin_error, ok, 4);
JF_FIELD(jf_result_plugin_info_plugin_error, err, 4);

/// One message to a model.
typedef struct jf_llm_message {
    /// `system`, `user` or `assistant`.
    jf_str role;
    /// Its text.
    jf_str text;
} jf_llm_message;
JF_TYPE(jf_llm_message, 16);
JF_FIELD(jf_llm_message, role, 0);
JF_FIELD(jf_llm_message, text, 8);

/// How to call. Absent means: the model's own default.
typedef struct jf_options {
    /// Sampling temperature, 0 to 2.
    jf_opt_f64 temperature;
    /// Bound on the answer's tokens, at least 1.
    jf_opt_u32 max_output_tokens;
    /// How much the model should think.
    jf_opt_reasoning_level reasoning;
    /// A JSON schema, as JSON text, that the answer is to follow.
    jf_opt_str response_schema;
} jf_options;
JF_TYPE(jf_options, 40);
JF_FIELD(jf_options, temperature, 0);
JF_FIELD(jf_options, max_output_tokens, 16);
JF_FIELD(jf_options, reasoning, 24);
JF_FIELD(jf_options, response_schema, 28);

typedef struct jf_opt_token_usage {
    bool some;
    jf_token_usage value;
} jf_opt_token_usage;
JF_TYPE(jf_opt_token_usage, 40);
JF_FIELD(jf_opt_token_usage, value, 8);

/// A model's answer.
typedef struct jf_completion {
    /// Its text.
    jf_str text;
    /// What it consumed, if the provider said.
    jf_opt_token_usage usage;
} jf_completion;
JF_TYPE(jf_completion, 48);
JF_FIELD(jf_completion, text, 0);
JF_FIELD(jf_completion, usage, 8);

/// Why there is no answer.
enum {
    /// No model of that name may be used here.
    JF_LLM_ERROR_UNKNOWN_MODEL = 0,
    /// The budget does not allow it.
    JF_LLM_ERROR_BUDGET_EXCEEDED = 1,
    /// It took too long.
    JF_LLM_ERROR_TIMED_OUT = 2,
    /// The provider failed.
    JF_LLM_ERROR_FAILED = 3,
};
typedef struct jf_llm_error {
    uint8_t tag;
    union {
        jf_str unknown_model;
        jf_str failed;
    };
} jf_llm_error;
JF_TYPE(jf_llm_error, 12);
JF_FIELD(jf_llm_error, unknown_model, 4);
JF_FIELD(jf_llm_error, failed, 4);

typedef struct jf_list_llm_message {
    jf_llm_message *items;
    size_t len;
} jf_list_llm_message;
JF_TYPE(jf_list_llm_message, 8);

typedef struct jf_result_completion_llm_error {
    bool is_err;
    union {
        jf_completion ok;
        jf_llm_error err;
    };
} jf_result_completion_llm_error;
JF_TYPE(jf_result_completion_llm_error, 56);
JF_FIELD(jf_result_completion_llm_error, ok, 8);
JF_FIELD(jf_result_completion_llm_error, err, 8);

typedef struct jf_list_f32 {
    float *items;
    size_t len;
} jf_list_f32;
JF_TYPE(jf_list_f32, 8);

typedef struct jf_list_list_f32 {
    jf_list_f32 *items;
    size_t len;
} jf_list_list_f32;
JF_TYPE(jf_list_list_f32, 8);

typedef struct jf_result_list_list_f32_llm_error {
    bool is_err;
    union {
        jf_list_list_f32 ok;
        jf_llm_error err;
    };
} jf_result_list_list_f32_llm_error;
JF_TYPE(jf_result_list_list_f32_llm_error, 16);
JF_FIELD(jf_result_list_list_f32_llm_error, ok, 4);
JF_FIELD(jf_result_list_list_f32_llm_error, err, 4);

/// A call the model wants made.
typedef struct jf_tool_call {
    /// The provider's id of the call.
    jf_str id;
    /// The function's name.
    jf_str name;
    /// The arguments as JSON text, as the model wrote them.
    jf_str arguments;
} jf_tool_call;
JF_TYPE(jf_tool_call, 24);
JF_FIELD(jf_tool_call, id, 0);
JF_FIELD(jf_tool_call, name, 8);
JF_FIELD(jf_tool_call, arguments, 16);

typedef struct jf_list_tool_call {
    jf_tool_call *items;
    size_t len;
} jf_list_tool_call;
JF_TYPE(jf_list_tool_call, 8);

/// The host now.
JF_IMPORT("jackfield:plugin/load@1.0.0", "current") void jf_load__current(jf_load_state *);

/// The tightest limit of one scope; absent when it has none.
JF_IMPORT("jackfield:plugin/budget@1.0.0", "remaining") void jf_budget__remaining(int32_t, jf_opt_headroom *);

/// The plugin's `config:` section as JSON text; `{}` when it has none.
JF_IMPORT("jackfield:plugin/config@1.0.0", "get") void jf_config__get(jf_str *);

/// One line. Bounded in length (2 KiB) and in number (64 a call); what is beyond is cut or dropped,
/// and control characters are removed.
JF_IMPORT("jackfield:plugin/log@1.0.0", "write") void jf_log__write(int32_t, const void *, size_t);

/// Milliseconds since the Unix epoch.
JF_IMPORT("jackfield:plugin/clock@1.0.0", "now-ms") int64_t jf_clock__now_ms(void);

/// Nanoseconds since some moment before the plugin was loaded; never goes back.
JF_IMPORT("jackfield:plugin/clock@1.0.0", "monotonic-ns") int64_t jf_clock__monotonic_ns(void);

/// The value at a key, unless there is none or its time is up.
JF_IMPORT("jackfield:plugin/kv@1.0.0", "get") void jf_kv__get(const void *, size_t, jf_opt_str *);

/// Keeps a value, for at most `ttl-ms` milliseconds if given.
JF_IMPORT("jackfield:plugin/kv@1.0.0", "set") void jf_kv__set(const void *, size_t, const void *, size_t, int32_t, int64_t, jf_result_unit_kv_error *);

/// Forgets a value.
JF_IMPORT("jackfield:plugin/kv@1.0.0", "delete") void jf_kv__delete(const void *, size_t, jf_result_unit_kv_error *);

/// Adds to a counter in one step and returns its new value. A key that is not there counts from 0 and
/// gets the given life time; a later call does not prolong it.
JF_IMPORT("jackfield:plugin/kv@1.0.0", "increment") void jf_kv__increment(const void *, size_t, int64_t, int32_t, int64_t, jf_result_s64_kv_error *);

/// The names of all models this host's configuration declares or refers to, in order of name.
JF_IMPORT("jackfield:plugin/models@1.0.0", "names") void jf_models__names(jf_list_str *);

/// What a model is; absent when there is none of that name.
JF_IMPORT("jackfield:plugin/models@1.0.0", "info") void jf_models__info(const void *, size_t, jf_opt_model_info *);

/// How a model does; absent when there is none of that name.
JF_IMPORT("jackfield:plugin/models@1.0.0", "live") void jf_models__live(const void *, size_t, jf_opt_live_state *);

/// The text of the last user message, the prompt proper; empty when there is none.
JF_IMPORT("jackfield:plugin/request@1.0.0", "last-user-text") void jf_request__last_user_text(jf_str *);

/// All standing instructions, joined by a line feed; empty when there are none.
JF_IMPORT("jackfield:plugin/request@1.0.0", "system-text") void jf_request__system_text(jf_str *);

/// One message by its place, the first being 0.
JF_IMPORT("jackfield:plugin/request@1.0.0", "message-at") void jf_request__message_at(int32_t, jf_opt_message *);

/// The whole conversation.
JF_IMPORT("jackfield:plugin/request@1.0.0", "messages") void jf_request__messages(jf_list_message *);

/// One request header by its name in lower case. Credentials are never shown.
JF_IMPORT("jackfield:plugin/request@1.0.0", "header") void jf_request__header(const void *, size_t, jf_opt_str *);

/// The value of a label given by an earlier plugin; the last one given counts.
JF_IMPORT("jackfield:plugin/request@1.0.0", "label-value") void jf_request__label_value(const void *, size_t, jf_opt_str *);

/// The request's body as JSON text, in the client's own dialect.
JF_IMPORT("jackfield:plugin/request@1.0.0", "body") void jf_request__body(jf_str *);

/// One value of the body, as JSON text, by its JSON pointer (RFC 6901), for example `/tools/0/function/name`.
JF_IMPORT("jackfield:plugin/request@1.0.0", "body-pointer") void jf_request__body_pointer(const void *, size_t, jf_opt_str *);

/// Whether the last user message contains this text, to the letter. An empty text is always contained.
JF_IMPORT("jackfield:plugin/request@1.0.0", "contains") int32_t jf_request__contains(const void *, size_t);

/// Asks a model.
JF_IMPORT("jackfield:plugin/llm@1.0.0", "complete") void jf_llm__complete(const void *, size_t, const void *, size_t, int32_t, double, int32_t, int32_t, int32_t, int32_t, int32_t, const void *, size_t, jf_result_completion_llm_error *);

/// Embeds texts; one vector for each, in order.
JF_IMPORT("jackfield:plugin/llm@1.0.0", "embed") void jf_llm__embed(const void *, size_t, const void *, size_t, jf_result_list_list_f32_llm_error *);

/// The answer's text; empty when it has none.
JF_IMPORT("jackfield:plugin/response@1.0.0", "text") void jf_response__text(jf_str *);

/// The answer's body as JSON text.
JF_IMPORT("jackfield:plugin/response@1.0.0", "body") void jf_response__body(jf_str *);

/// One value of the body, as JSON text, by its JSON pointer (RFC 6901).
JF_IMPORT("jackfield:plugin/response@1.0.0", "body-pointer") void jf_response__body_pointer(const void *, size_t, jf_opt_str *);

/// The calls the model wants made.
JF_IMPORT("jackfield:plugin/response@1.0.0", "tool-calls") void jf_response__tool_calls(jf_list_tool_call *);

/// Why the model stopped.
JF_IMPORT("jackfield:plugin/response@1.0.0", "finish") int32_t jf_response__finish(void);

/// What the call consumed, if the provider said.
JF_IMPORT("jackfield:plugin/response@1.0.0", "usage") void jf_response__usage(jf_opt_token_usage *);

/// The model that answered, by the gateway's name.
JF_IMPORT("jackfield:plugin/response@1.0.0", "model") void jf_response__model(jf_str *);

/// Which attempt this is; the first is 1.
JF_IMPORT("jackfield:plugin/response@1.0.0", "attempt") int32_t jf_response__attempt(void);

#undef JF_TYPE
#undef JF_FIELD

#endif
