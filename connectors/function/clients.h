/* clients.h: our Lambda runtime clients (functions/), as bytes in this binary. */
#pragma once
#include <stddef.h>

struct client_file {
	const char *name;
	const unsigned char *bytes;
	size_t length;
};
/* Ended by a NULL name. */
extern const struct client_file client_files[];
