/* console.h: the console's files, embedded in the program.
 *
 * visualizer/web/build.py makes console_assets[] when the program is built: the page ("index.html") and what it loads,
 * each as it is and gzipped. console.c answers them:
 *
 *     GET /                      the page; so do the console's own paths (/executions, /machines/NAME, …), which the
 *     GET /executions/ARN …      page's script tells apart
 *     GET /assets/NAME           a file whose name holds the hash of its content, so that it may be kept for ever
 *
 * The page is code without secrets: anybody who reaches the listener gets it. What it shows it asks of /v1, where roles
 * are checked. */
#pragma once
#include <stddef.h>

struct console_asset {
	const char *name; /* "index.html", "console-3F2A.js" */
	const char *type;
	const char *tag, *packed_tag; /* entity tags, with their quotes */
	const unsigned char *plain;
	size_t plain_length;
	const unsigned char *packed; /* gzip */
	size_t packed_length;
};

extern const struct console_asset console_assets[]; /* ended by a NULL name */
