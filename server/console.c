/* console.c: the console's page and its files (console.h). */
#include "server/console.h"
#include "server/route.h"
#include <string.h>

/* No script, style or frame but our own files; connections to where the page came from only. */
#define CONTENT_SECURITY_POLICY                                                                                        \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "          \
	"worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/* Whether a list of codings ("gzip, deflate;q=0.5, br") takes gzip. A weight of zero refuses it. */
static bool takes_gzip(const char *codings)
{
	while (codings && *codings) {
		codings += strspn(codings, " \t,");
		size_t length = strcspn(codings, ",");
		size_t name = strcspn(codings, ",; \t");
		bool fits = (name == 4 && strncasecmp(codings, "gzip", 4) == 0) || (name == 1 && *codings == '*');
		if (fits) {
			const char *weight = memmem(codings, length, "q=", 2);
			return !weight || strspn(weight + 2, "0.") < (size_t)(codings + length - (weight + 2));
		}
		codings += length;
	}
	return false;
}

/* Whether If-None-Match ("*", or tags, weak or not) names this tag. */
static bool names_tag(const char *tags, const char *tag)
{
	return tags && (strcmp(tags, "*") == 0 || strstr(tags, tag) != NULL);
}

static void answer_asset(struct route_call *call, const struct console_asset *asset)
{
	bool packed = takes_gzip(call->header(call, "Accept-Encoding"));
	const char *tag = packed ? asset->packed_tag : asset->tag;
	bool is_page = strcmp(asset->name, "index.html") == 0;
	route_header(call, "ETag", tag);
	route_header(call, "Vary", "Accept-Encoding");
	route_header(call, "Cache-Control", is_page ? "no-cache" : "public, max-age=31536000, immutable");
	route_header(call, "Content-Security-Policy", CONTENT_SECURITY_POLICY);
	route_header(call, "Referrer-Policy", "no-referrer");
	call->type = asset->type;
	if (names_tag(call->header(call, "If-None-Match"), tag)) {
		route_answer_status(call, 304);
		return;
	}
	if (packed)
		route_header(call, "Content-Encoding", "gzip");
	buffer_append(&call->out, packed ? asset->packed : asset->plain,
		      packed ? asset->packed_length : asset->plain_length);
	route_answer(call);
}

static const struct console_asset *find_asset(struct str name)
{
	for (const struct console_asset *asset = console_assets; asset->name; asset++)
		if (str_eqz(name, asset->name))
			return asset;
	return NULL;
}

static void answer_page(struct route_call *call)
{
	answer_asset(call, find_asset(STR("index.html")));
}

static void answer_file(struct route_call *call)
{
	const struct console_asset *asset = find_asset(call->parts[0]);
	if (!asset || strcmp(asset->name, "index.html") == 0)
		route_refuse(call, 404, "NotFound", "the console has no such file");
	else
		answer_asset(call, asset);
}

/* The paths are those of src/router.ts. */
const struct route routes_console[] = {
	{ "GET", "/", ROLE_NONE, answer_page },
	{ "GET", "/executions", ROLE_NONE, answer_page },
	{ "GET", "/executions/*", ROLE_NONE, answer_page },
	{ "GET", "/dlq", ROLE_NONE, answer_page },
	{ "GET", "/dlq/*", ROLE_NONE, answer_page },
	{ "GET", "/machines", ROLE_NONE, answer_page },
	{ "GET", "/machines/*", ROLE_NONE, answer_page },
	{ "GET", "/login", ROLE_NONE, answer_page },
	{ "GET", "/assets/*", ROLE_NONE, answer_file },
	{ 0 },
};
