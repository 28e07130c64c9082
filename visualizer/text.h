/* text.h: how wide a text is when it is drawn, breaking it into lines, and writing it into markup.
 *
 * Nobody can ask a font from here, so widths come from a small table of a wide sans serif face (DejaVu Sans): a text
 * that fits by it also fits in the usual narrower ones. */
#pragma once
#include "visualizer/graph.h"

enum { TITLE_SIZE = 13, DETAIL_SIZE = 11, LABEL_SIZE = 11 }; /* font sizes, pixels */

/* Pixels, rounded up. */
int32_t text_width(struct str text, int size);

/* Breaks `text` into at most `lines_max` lines of at most `width_max` pixels, at spaces, after punctuation and before
 * the humps of CamelCase words where it can; what does not fit is replaced by …. Control characters become spaces.
 * Copies. */
struct graph_text text_wrap(struct arena *arena, struct str text, int size, int32_t width_max, uint32_t lines_max);

/* Appends lines of `more` to `text`, which must have room for them (lines_max of the first wrap). */
void text_join(struct graph_text *text, const struct graph_text *more);

/* Appends text as XML character data, quotes escaped too; what XML cannot hold becomes U+FFFD. */
void text_write_xml(struct str text, struct buffer *out);
