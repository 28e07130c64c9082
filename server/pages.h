/* pages.h: what is answered beside the API: information, health, figures, and the page at /. Answers come at once. */
#pragma once
#include "engine/engine.h"

struct pages_info {
	struct engine *engine;
	struct clock_source *clock;
	int64_t started_us; /* monotonic */
	char *store_name;
	bool draining; /* healthz says so */
};

struct page {
	unsigned status;
	const char *type;
	struct buffer body;
};

/* Fills *page; 404 for what there is not, 405 for what cannot be done to it. */
void pages_answer(const struct pages_info *info, const char *method, const char *path, struct page *page);
