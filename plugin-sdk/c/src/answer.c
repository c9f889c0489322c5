// Decisions and verdicts, made and changed by value.
#include "../jackfield/answer.h"

jf_target jf_target_str(jf_str model) { return (jf_target){.model = model}; }
jf_target jf_target_c(const char *model) { return jf_target_str(JF(model)); }

static jf_routed routed(jf_decision decision) { return (jf_routed){.ok = {.decision = decision}}; }

jf_routed jf_route_abstain(void) { return routed((jf_decision){.tag = JF_DECISION_ABSTAIN}); }

jf_routed jf_route_to_target(jf_target target) { return jf_or_target(jf_route_abstain(), target); }

jf_routed jf_or_target(jf_routed routed, jf_target target) {
    if (routed.is_err) return routed;
    jf_decision *decision = &routed.ok.decision;
    jf_list_target old = decision->tag == JF_DECISION_ROUTE ? decision->route : (jf_list_target){0};
    jf_list_target next = {JF_NEW(jf_target, old.len + 1), old.len + 1};
    for (size_t i = 0; i < old.len; i++) next.items[i] = old.items[i];
    next.items[old.len] = target;
    *decision = (jf_decision){.tag = JF_DECISION_ROUTE, .route = next};
    return routed;
}

jf_routed jf_route_reject_with(jf_reject_class class, jf_str message) {
    return routed((jf_decision){.tag = JF_DECISION_REJECT, .reject = {class, message}});
}

jf_routed jf_route_respond_with(jf_str text) { return routed((jf_decision){.tag = JF_DECISION_RESPOND, .respond = text}); }

jf_routed jf_route_fail(jf_plugin_error error) { return (jf_routed){.is_err = true, .err = error}; }

jf_routed jf_because_of(jf_routed routed, jf_str reason) {
    if (!routed.is_err) routed.ok.reason = reason;
    return routed;
}

static jf_validated validated(jf_verdict verdict) { return (jf_validated){.ok = {.verdict = verdict}}; }

jf_validated jf_verdict_accept(void) { return validated((jf_verdict){.tag = JF_VERDICT_ACCEPT}); }

jf_validated jf_verdict_reject_for(jf_str issue) {
    return jf_issue_with(validated((jf_verdict){.tag = JF_VERDICT_REJECT}), issue);
}

jf_validated jf_verdict_repair_by(jf_str instruction) {
    return validated((jf_verdict){.tag = JF_VERDICT_REPAIR, .repair = instruction});
}

jf_validated jf_verdict_replace_by(jf_str text) { return validated((jf_verdict){.tag = JF_VERDICT_REPLACE, .replace = text}); }

jf_validated jf_verdict_fail(jf_plugin_error error) { return (jf_validated){.is_err = true, .err = error}; }

jf_validated jf_score(jf_validated validated, double score) {
    if (!validated.is_err) validated.ok.score = (jf_opt_f64){true, score};
    return validated;
}

static jf_list_str longer(jf_list_str list, jf_str text) {
    // A list that was made elsewhere need not have the room that `jf_push` counts on.
    jf_list_str next = {JF_NEW(jf_str, list.len + 1), list.len + 1};
    for (size_t i = 0; i < list.len; i++) next.items[i] = list.items[i];
    next.items[list.len] = text;
    return next;
}

jf_validated jf_issue_with(jf_validated validated, jf_str issue) {
    if (validated.is_err) return validated;
    jf_verdict *verdict = &validated.ok.verdict;
    jf_list_str *issues = verdict->tag == JF_VERDICT_REJECT ? &verdict->reject : &validated.ok.issues;
    *issues = longer(*issues, issue);
    return validated;
}

static jf_list_label labelled(jf_list_label labels, jf_str name, jf_str value) {
    jf_list_label next = {JF_NEW(jf_label, labels.len + 1), labels.len + 1};
    for (size_t i = 0; i < labels.len; i++) next.items[i] = labels.items[i];
    next.items[labels.len] = (jf_label){name, value};
    return next;
}

jf_routed jf_routed_label(jf_routed routed, jf_str name, jf_str value) {
    if (!routed.is_err) routed.ok.labels = labelled(routed.ok.labels, name, value);
    return routed;
}

jf_validated jf_validated_label(jf_validated validated, jf_str name, jf_str value) {
    if (!validated.is_err) validated.ok.labels = labelled(validated.ok.labels, name, value);
    return validated;
}

static jf_stepped stepped(jf_step step) { return (jf_stepped){.ok = step}; }

jf_opened jf_open_ok(void) { return (jf_opened){0}; }
jf_opened jf_open_fail(jf_plugin_error error) { return (jf_opened){.is_err = true, .err = error}; }
jf_stepped jf_step_hold(void) { return stepped((jf_step){.tag = JF_STEP_HOLD}); }
jf_stepped jf_step_release(uint32_t bytes) { return stepped((jf_step){.tag = JF_STEP_RELEASE, .release = bytes}); }
jf_stepped jf_step_replace_by(jf_str text) { return stepped((jf_step){.tag = JF_STEP_REPLACE, .replace = text}); }
jf_stepped jf_step_reject_for(jf_str issue) {
    return stepped((jf_step){.tag = JF_STEP_REJECT, .reject = longer((jf_list_str){0}, issue)});
}
jf_stepped jf_step_fail(jf_plugin_error error) { return (jf_stepped){.is_err = true, .err = error}; }
