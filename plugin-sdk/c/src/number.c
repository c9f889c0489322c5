// Numbers to text and back. Powers of ten up to 22 are exact in a double, so is what is multiplied or divided by one of them once.
#include "number.h"

enum { EXACT = 22, DIGITS = 15 };

static const double POWERS[EXACT + 1] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

double jf_scale(double value, int by) {
    for (; by > EXACT; by -= EXACT) value *= POWERS[EXACT];
    for (; by < -EXACT; by += EXACT) value /= POWERS[EXACT];
    return by < 0 ? value / POWERS[-by] : value * POWERS[by];
}

jf_str jf_of_bool(bool value) { return JF(value ? "true" : "false"); }

jf_str jf_of_uint(uint64_t value) {
    char *end = (char *)jf_alloc(20) + 20, *at = end;
    do *--at = (char)('0' + value % 10);
    while (value /= 10);
    return (jf_str){at, (size_t)(end - at)};
}

jf_str jf_of_int(int64_t value) {
    return value < 0 ? jf_concat((const jf_str[]){JF("-"), jf_of_uint(-(uint64_t)value)}, 2) : jf_of_uint((uint64_t)value);
}

// A whole number of so many digits behind the point.
static jf_str with_point(uint64_t digits, unsigned behind) {
    jf_str text = jf_of_uint(digits);
    if (!behind) return text;
    char *zeros = jf_alloc(behind + 1);
    __builtin_memset(zeros, '0', behind + 1);
    if (text.len <= behind) text = jf_concat((const jf_str[]){{zeros, behind + 1 - text.len}, text}, 2);
    size_t before = text.len - behind;
    return jf_concat((const jf_str[]){{text.ptr, before}, JF("."), {text.ptr + before, behind}}, 3);
}

static jf_str magnitude(double value) {
    if (value == 0) return JF("0");
    if (value >= 1e-7 && value < 1e15) {
        for (unsigned behind = 0; behind <= EXACT; behind++) {
            double scaled = value * POWERS[behind];
            // Up to here a whole number is exact, and what it divides to is the nearest double.
            if (scaled >= 1e15) break;
            uint64_t digits = (uint64_t)(scaled + 0.5);
            if ((double)digits / POWERS[behind] == value) return with_point(digits, behind);
        }
    }
    int exponent = 0;
    while (jf_scale(value, -exponent) >= 10) exponent++;
    while (jf_scale(value, -exponent) < 1) exponent--;
    uint64_t digits = (uint64_t)(jf_scale(value, DIGITS - 1 - exponent) + 0.5);
    unsigned behind = DIGITS - 1;
    for (; behind && digits % 10 == 0; behind--) digits /= 10;
    if (exponent >= -7 && exponent <= DIGITS) {
        int places = (int)behind - exponent;
        return places >= 0 ? with_point(digits, (unsigned)places) : with_point(digits * (uint64_t)POWERS[-places], 0);
    }
    return jf_concat((const jf_str[]){with_point(digits, behind), JF("e"), jf_of_int(exponent)}, 3);
}

jf_str jf_of_double(double value) {
    if (value != value) return JF("NaN");
    jf_str sign = JF(__builtin_signbit(value) ? "-" : "");
    value = __builtin_fabs(value);
    jf_str text = value > 1.7976931348623157e308 ? JF("inf") : magnitude(value);
    return jf_concat((const jf_str[]){sign, text}, 2);
}

jf_str jf_fixed(double value, unsigned decimals) {
    double size = __builtin_fabs(value);
    if (!(size < 1e9)) return jf_of_double(value);
    if (decimals > 9) decimals = 9;
    uint64_t digits = (uint64_t)(size * POWERS[decimals] + 0.5);
    return jf_concat((const jf_str[]){JF(value < 0 && digits ? "-" : ""), with_point(digits, decimals)}, 2);
}
