// A number times a power of ten.
#ifndef JACKFIELD_NUMBER_H
#define JACKFIELD_NUMBER_H

#include "../jackfield/text.h"

/// Exact for powers up to 22 of whole numbers up to 2^53.
double jf_scale(double value, int by);

#endif
