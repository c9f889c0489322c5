// From an author's functions to a component's exports. One line of each kind a plugin; a plugin may be a router and a validator.
// When the host has read an answer it says so (`cabi_post_…`), and everything that the call allocated is gone.
#ifndef JACKFIELD_PLUGIN_H
#define JACKFIELD_PLUGIN_H

#include "answer.h"

#define JF_EXPORT(name) __attribute__((export_name(name), used))

void jf_arena_reset(void);
const jf_routed *jf_routed_return(jf_routed routed);
const jf_validated *jf_validated_return(jf_validated validated);
const jf_stepped *jf_stepped_return(jf_stepped stepped);
const jf_opened *jf_opened_return(jf_opened opened);

/// What a validator is called with.
typedef struct jf_validate_params {
    jf_request request;
    jf_response response;
} jf_validate_params;

/// Makes `jf_routed route(const jf_request *request)` the plugin's router.
#define JACKFIELD_ROUTER(route)                                                                                          \
    JF_EXPORT("jackfield:plugin/routing@1.0.0#route")                                                                    \
    const jf_routed *jf_export_route(const jf_request *request) { return jf_routed_return(route(request)); }             \
    JF_EXPORT("cabi_post_jackfield:plugin/routing@1.0.0#route")                                                          \
    void jf_export_route_post(const jf_routed *routed) { (void)routed, jf_arena_reset(); }

/// Makes `jf_validated validate(const jf_request *request, const jf_response *response)` the plugin's validator.
#define JACKFIELD_VALIDATOR(validate)                                                                                    \
    JF_EXPORT("jackfield:plugin/validation@1.0.0#validate")                                                              \
    const jf_validated *jf_export_validate(const jf_validate_params *params) {                                           \
        return jf_validated_return(validate(&params->request, &params->response));                                       \
    }                                                                                                                    \
    JF_EXPORT("cabi_post_jackfield:plugin/validation@1.0.0#validate")                                                    \
    void jf_export_validate_post(const jf_validated *validated) { (void)validated, jf_arena_reset(); }

/// Makes three functions a check of answers while they stream: `jf_opened open(const jf_request *request)`,
/// `jf_stepped push(const jf_delta *delta)` and `jf_stepped finish(void)`. One instance lives as long as one stream, so static
/// variables keep what is known of it; the arena is emptied after each of the three.
#define JACKFIELD_STREAM_VALIDATOR(open, push, finish)                                                                   \
    JF_EXPORT("jackfield:plugin/stream-validation@1.0.0#open")                                                           \
    const jf_opened *jf_export_open(const jf_request *request) { return jf_opened_return(open(request)); }               \
    JF_EXPORT("cabi_post_jackfield:plugin/stream-validation@1.0.0#open")                                                 \
    void jf_export_open_post(const jf_opened *opened) { (void)opened, jf_arena_reset(); }                                \
    JF_EXPORT("jackfield:plugin/stream-validation@1.0.0#push")                                                           \
    const jf_stepped *jf_export_push(uint32_t choice, uint32_t tag, uint32_t first, size_t len) {                        \
        jf_delta delta = {.choice = choice, .piece = {.tag = (uint8_t)tag}};                                             \
        if (tag == JF_PIECE_FINISH) delta.piece.finish = (jf_finish_reason)first;                                        \
        else delta.piece.text = (jf_str){(const char *)first, len};                                                      \
        return jf_stepped_return(push(&delta));                                                                          \
    }                                                                                                                    \
    JF_EXPORT("cabi_post_jackfield:plugin/stream-validation@1.0.0#push")                                                 \
    void jf_export_push_post(const jf_stepped *stepped) { (void)stepped, jf_arena_reset(); }                             \
    JF_EXPORT("jackfield:plugin/stream-validation@1.0.0#finish")                                                         \
    const jf_stepped *jf_export_finish(void) { return jf_stepped_return(finish()); }                                     \
    JF_EXPORT("cabi_post_jackfield:plugin/stream-validation@1.0.0#finish")                                               \
    void jf_export_finish_post(const jf_stepped *stepped) { (void)stepped, jf_arena_reset(); }

/// Has the plugin's settings checked when it is loaded, by what `jf_expect` understands.
#define JACKFIELD_SETTINGS(keys) \
    jf_str jf_check_settings(jf_json settings) { return jf_expect(settings, keys); }

/// Has them checked by `jf_str check(jf_json settings)`: the empty text, or what to change.
#define JACKFIELD_CHECK(check) \
    jf_str jf_check_settings(jf_json settings) { return check(settings); }

/// One sentence on what the plugin does, for `plugin list` and the admin port.
#define JACKFIELD_DESCRIPTION(sentence) const char *const jf_description = sentence;

jf_str jf_check_settings(jf_json settings);
extern const char *const jf_description;

#endif
