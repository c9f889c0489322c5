// name: streamtest
// version: 0.1.0
//
// A check of answers while they stream: text goes as far as its last white space, a whole word that is forbidden ends it, and what
// is left at the end goes with an exclamation mark. What it held is kept between calls, where the arena's texts are not.

#include "jackfield.h"

enum { MOST = 256 };

static char held[MOST];
static uint32_t length;

static jf_opened open(const jf_request *request) {
    length = 0;
    if (request->has_tools) return jf_open_fail(jf_invalid_input("tools are not for this test"));
    return jf_open_ok();
}

static jf_stepped push(const jf_delta *delta) {
    if (delta->piece.tag == JF_PIECE_FINISH) return jf_step_hold();
    jf_str text = delta->piece.text;
    for (size_t i = 0; i < text.len && length < MOST; i++) held[length++] = text.ptr[i];
    if (jf_contains(((jf_str){held, length}), "forbidden")) return jf_step_reject("a forbidden word");
    uint32_t go = length;
    while (go && held[go - 1] != ' ') go--;
    if (!go) return jf_step_hold();
    for (uint32_t i = go; i < length; i++) held[i - go] = held[i];
    length -= go;
    return jf_step_release(go);
}

static jf_stepped finish(void) { return jf_step_replace(jf_text(((jf_str){held, length}), "!")); }

JACKFIELD_STREAM_VALIDATOR(open, push, finish)
