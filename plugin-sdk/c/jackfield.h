// Jackfield plugins in C: the one header that an author includes.
//
// A router is a function from a request to a decision, and a line that exports it:
//
//     #include "jackfield.h"
//
//     static jf_routed route(const jf_request *request) {
//         return jf_prompt_contains("urgent") ? jf_route_to("fast-model") : jf_route_abstain();
//     }
//     JACKFIELD_ROUTER(route)
//
// There is no libc, no operating system and nothing to free: whatever the host gives and `jf_…` makes lives until the call ends.
// What is to live longer goes into `jf_kv_set`; in instances that serve one call, which is the rule, static variables do not.
#ifndef JACKFIELD_H
#define JACKFIELD_H

#include "jackfield/contract.h"

#include "jackfield/text.h"

#include "jackfield/json.h"

#include "jackfield/host.h"

#include "jackfield/answer.h"

#include "jackfield/plugin.h"

#endif
