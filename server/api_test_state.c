/* api_test_state.c: TestState: one state of a definition played by itself. (Being written.) */
#include "server/api.h"
