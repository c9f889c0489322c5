// One branch a task of the tour.
#include "jackfield.h"

/// Whether the request's task is one of the tour, and what the tour says then.
bool tour(const jf_request *request, jf_routed *routed);
