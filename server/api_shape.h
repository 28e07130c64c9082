/* api_shape.h: what an operation answers, held against its row of api_operations.
 *
 * A row writes the members of an answer as one text, a blank between two:
 *
 *     name             a string                 name!         always there
 *     name:integer     also float, flag, time (a number), map (an object), any
 *     name:{…}         an object of these members
 *     name:[…]         a list: of strings if nothing stands in it, else of one of the kinds above, or of {…} */
#pragma once
#include "server/api.h"

/* Whether an answered call's body is what its operation gives, or its error one that the operation, or every operation, has. If not, `problem` says
 * what is wrong. Reads the whole body: for tests, and for builds that check themselves (RATCHET_CHECK_ANSWERS). */
bool api_answer_fits(const struct api_call *call, struct buffer *problem);
