// What a plugin answers: made by one function, changed by others, all by value.
//
//     return jf_because(jf_or(jf_route_to("fast-model"), "smart-model"), jf_text("it is ", word));
#ifndef JACKFIELD_ANSWER_H
#define JACKFIELD_ANSWER_H

#include "host.h"

/// What a router returns: a decision with its reason and labels, or that it failed.
typedef jf_result_routing_plugin_error jf_routed;

/// What a validator returns: a verdict with its score, issues and labels, or that it failed.
typedef jf_result_validation_plugin_error jf_validated;

/// What a stream validator's `open` returns.
typedef jf_result_unit_plugin_error jf_opened;

/// What a stream validator's `push` and `finish` return.
typedef jf_result_step_plugin_error jf_stepped;

static inline jf_target jf_target_same(jf_target target) { return target; }
jf_target jf_target_str(jf_str model);
jf_target jf_target_c(const char *model);

/// A target of a model's name; `jf_target` has fields for what to change of the client's request, absent unless `.some` is set.
#define jf_target_of(model) \
    _Generic((model), jf_target: jf_target_same, jf_str: jf_target_str, char *: jf_target_c, const char *: jf_target_c)(model)

/// Use this model: a name, or a target of `jf_target_of`.
#define jf_route_to(target) jf_route_to_target(jf_target_of(target))
jf_routed jf_route_to_target(jf_target target);

/// And if that one does not answer, this model; at most 16 in all.
#define jf_or(routed, target) jf_or_target((routed), jf_target_of(target))
jf_routed jf_or_target(jf_routed routed, jf_target target);

/// No opinion: the next rule decides.
jf_routed jf_route_abstain(void);

/// Refuse the request (`JF_REJECT_CLASS_FORBIDDEN`, …) and tell the client why, in at most 1 024 bytes.
#define jf_route_reject(class, message) jf_route_reject_with((class), JF(message))
jf_routed jf_route_reject_with(jf_reject_class class, jf_str message);

/// Answer with this text; no model is called.
#define jf_route_respond(text) jf_route_respond_with(JF(text))
jf_routed jf_route_respond_with(jf_str text);

/// The router failed: the host does what the plugin's `on_error` says.
jf_routed jf_route_fail(jf_plugin_error error);

/// Why, for the trail and the log: at most 1 024 bytes.
#define jf_because(routed, reason) jf_because_of((routed), JF(reason))
jf_routed jf_because_of(jf_routed routed, jf_str reason);

/// Deliver the answer.
jf_validated jf_verdict_accept(void);

/// Do not deliver it, for this issue and those of `jf_issue`; the next candidate is tried.
#define jf_verdict_reject(issue) jf_verdict_reject_for(JF(issue))
jf_validated jf_verdict_reject_for(jf_str issue);

/// Ask the same model again, with this instruction.
#define jf_verdict_repair(instruction) jf_verdict_repair_by(JF(instruction))
jf_validated jf_verdict_repair_by(jf_str instruction);

/// Deliver this text instead.
#define jf_verdict_replace(text) jf_verdict_replace_by(JF(text))
jf_validated jf_verdict_replace_by(jf_str text);

/// The validator failed: the host does what the plugin's `on_error` says.
jf_validated jf_verdict_fail(jf_plugin_error error);

/// How good the answer is, 0 to 1.
jf_validated jf_score(jf_validated validated, double score);

/// One more issue: of a rejection its next reason, else a remark. At most 64 of 1 024 bytes.
#define jf_issue(validated, issue) jf_issue_with((validated), JF(issue))
jf_validated jf_issue_with(jf_validated validated, jf_str issue);

/// A label for later plugins and the log: names of at most 64 bytes of `a-z 0-9 _ - .`, values of at most 1 024 bytes; at most 32.
#define jf_with_label(answer, name, value)                                                                               \
    _Generic((answer), jf_routed: jf_routed_label, jf_validated: jf_validated_label)((answer), JF(name), JF(value))
jf_routed jf_routed_label(jf_routed routed, jf_str name, jf_str value);
jf_validated jf_validated_label(jf_validated validated, jf_str name, jf_str value);

/// The settings make no sense; the text says what to change.
#define jf_invalid_config(text) ((jf_plugin_error){.tag = JF_PLUGIN_ERROR_INVALID_CONFIG, .invalid_config = JF(text)})

/// This request makes no sense to the plugin.
#define jf_invalid_input(text) ((jf_plugin_error){.tag = JF_PLUGIN_ERROR_INVALID_INPUT, .invalid_input = JF(text)})

/// Anything else that went wrong.
#define jf_internal(text) ((jf_plugin_error){.tag = JF_PLUGIN_ERROR_INTERNAL, .internal = JF(text)})

/// The stream may begin; or not, for this reason.
jf_opened jf_open_ok(void);
jf_opened jf_open_fail(jf_plugin_error error);

/// Keep holding all of the text.
jf_stepped jf_step_hold(void);

/// Let the first so many bytes go and keep the rest. A number inside a character lets go less.
jf_stepped jf_step_release(uint32_t bytes);

/// Let this text go in place of all that is held.
#define jf_step_replace(text) jf_step_replace_by(JF(text))
jf_stepped jf_step_replace_by(jf_str text);

/// Do not deliver it, for this issue.
#define jf_step_reject(issue) jf_step_reject_for(JF(issue))
jf_stepped jf_step_reject_for(jf_str issue);

/// The validator failed.
jf_stepped jf_step_fail(jf_plugin_error error);

#endif
