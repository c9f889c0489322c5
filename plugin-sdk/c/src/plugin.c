// The exports that every plugin has, and where answers lie until the host has read them. `plugin build` says the plugin's name and
// version: JF_PLUGIN_NAME, JF_PLUGIN_VERSION.
#include "../jackfield/plugin.h"

const jf_routed *jf_routed_return(jf_routed routed) {
    static jf_routed kept;
    kept = routed;
    return &kept;
}

const jf_validated *jf_validated_return(jf_validated validated) {
    static jf_validated kept;
    kept = validated;
    return &kept;
}

const jf_stepped *jf_stepped_return(jf_stepped stepped) {
    static jf_stepped kept;
    kept = stepped;
    return &kept;
}

const jf_opened *jf_opened_return(jf_opened opened) {
    static jf_opened kept;
    kept = opened;
    return &kept;
}

__attribute__((weak)) jf_str jf_check_settings(jf_json settings) {
    (void)settings;
    return (jf_str){0};
}

__attribute__((weak)) const char *const jf_description = "";

JF_EXPORT("jackfield:plugin/lifecycle@1.0.0#check-config")
const jf_result_plugin_info_plugin_error *jf_export_check_config(const char *text, size_t len) {
    static jf_result_plugin_info_plugin_error kept;
    jf_json settings = jf_json_parse(((jf_str){text, len}));
    jf_str wrong = jf_check_settings(settings);
    if (wrong.len) {
        kept = (jf_result_plugin_info_plugin_error){.is_err = true, .err = jf_invalid_config(wrong)};
    } else {
        jf_plugin_info info = {JF(JF_PLUGIN_NAME), JF(JF_PLUGIN_VERSION), JF(jf_description)};
        kept = (jf_result_plugin_info_plugin_error){.ok = info};
    }
    return &kept;
}

JF_EXPORT("cabi_post_jackfield:plugin/lifecycle@1.0.0#check-config")
void jf_export_check_config_post(const void *answer) { (void)answer, jf_arena_reset(); }
