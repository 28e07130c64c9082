/* json_problem.h: what is wrong with a JSON text, in the words that AWS's parser has for it ("Unrecognized token 'not':
 * was expecting (…)"). */
#pragma once
#include "base/buffer.h"

/* Appends the sentence for a text that is no JSON. A text that is in order for this scan gets "Invalid execution
 * input.". */
void json_problem(struct str text, struct buffer *out);
