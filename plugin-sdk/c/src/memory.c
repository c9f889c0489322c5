// The arena: everything that a call allocates, the host's answers included, one after another behind the plugin's data. It is
// emptied when the host has read the call's answer, so nothing is ever freed by hand and nothing leaks in an instance that is kept.
// The host bounds it: `limits.memory`.
#include "../jackfield/text.h"

enum { PAGE = 65536, ALIGN = 16 };

extern unsigned char __heap_base;

static uintptr_t arena_top;

// 64 bits wide, so that no size overflows.
static void *take(uint64_t align, uint64_t bytes) {
    uint64_t base = arena_top ? arena_top : (uintptr_t)&__heap_base;
    uint64_t from = (base + align - 1) / align * align;
    uint64_t held = (uint64_t)__builtin_wasm_memory_size(0) * PAGE;
    if (from + bytes > held) {
        uint64_t pages = (from + bytes - held + PAGE - 1) / PAGE;
        if (pages > PAGE || __builtin_wasm_memory_grow(0, (size_t)pages) == (size_t)-1) {
            jf_panic_with((jf_str){"out of memory: see `limits.memory` of this plugin", 49});
        }
    }
    arena_top = (uintptr_t)(from + bytes);
    return (void *)(uintptr_t)from;
}

void jf_arena_reset(void) { arena_top = 0; }

void *jf_alloc_many(size_t size, size_t count) {
    uint64_t bytes = (uint64_t)size * count;
    void *memory = take(ALIGN, bytes);
    // Memory that is new is zero, but what an earlier call left is not.
    return __builtin_memset(memory, 0, (size_t)bytes);
}

void *jf_alloc(size_t bytes) { return jf_alloc_many(bytes, 1); }

// What the host calls before it writes into the plugin's memory.
__attribute__((export_name("cabi_realloc"), used)) void *jf_realloc(void *old, size_t old_bytes, size_t align, size_t bytes) {
    if (old && bytes <= old_bytes) return old;
    // The last one grows where it is.
    if (old && (uintptr_t)old + old_bytes == arena_top) arena_top = (uintptr_t)old;
    void *memory = take(align, bytes);
    if (old && memory != old) __builtin_memmove(memory, old, old_bytes);
    return memory;
}

// Compilers call these by name; each is one instruction of WebAssembly.
void *memcpy(void *restrict to, const void *restrict from, size_t bytes) { return __builtin_memcpy(to, from, bytes); }
void *memmove(void *to, const void *from, size_t bytes) { return __builtin_memmove(to, from, bytes); }
void *memset(void *to, int byte, size_t bytes) { return __builtin_memset(to, byte, bytes); }

int memcmp(const void *a, const void *b, size_t bytes) {
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < bytes; i++) {
        if (x[i] != y[i]) return x[i] - y[i];
    }
    return 0;
}

size_t strlen(const char *text) {
    const char *end = text;
    while (*end) end++;
    return (size_t)(end - text);
}
