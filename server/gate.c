/* gate.c: who may ask. A request passes three times: its Host and Origin must name this server; with authentication its headers
 * must be able to belong to somebody before its body is kept (gate_open), and with the body it is known who that is (gate_pass). */
#include "base/mem.h"
#include "server/http.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define HEADERS_MOST 100

/* ---- Host and Origin ------------------------------------------------------------------------------ */

/* Whether "HOST[:PORT]" names this listener: its own host, localhost, a loopback address, or one of these with AWS's
 * "sync-" before it. */
static bool host_is_ours(const struct server *server, const char *text)
{
	static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
	char port[8];
	if (strncasecmp(text, "sync-", 5) == 0)
		text += 5;
	const char *colon = text[0] == '[' ? strchr(text, ']') : text;
	colon = colon ? strchr(colon, ':') : NULL;
	struct str host = { text, colon ? (size_t)(colon - text) : strlen(text) };
	snprintf(port, sizeof port, "%u", server->port);
	if (colon && strcmp(colon + 1, port) != 0)
		return false;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (host.len == strlen(names[i]) && strncasecmp(host.ptr, names[i], host.len) == 0)
			return true;
	return host.len == strlen(server->host) && strncasecmp(host.ptr, server->host, host.len) == 0;
}

/* Whether "HOST[:PORT]" is one of the names that the configuration lists, whatever the port: what stands before us may have
 * another. */
static bool host_is_listed(const struct server *server, const char *text)
{
	const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;
	size_t length = bracket ? (size_t)(bracket + 1 - text) : strcspn(text, ":");
	for (const char *at = server->hosts; *at;) {
		at += strspn(at, ", ");
		size_t part = strcspn(at, ", ");
		if (part && part == length && strncasecmp(at, text, length) == 0)
			return true;
		at += part;
	}
	return false;
}

/* Where an origin's host begins; NULL: it is no page's of the web. */
static const char *origin_host(const char *origin)
{
	if (strncmp(origin, "http://", 7) == 0)
		return origin + 7;
	return strncmp(origin, "https://", 8) == 0 ? origin + 8 : NULL;
}

/* Browsers send Host, and Origin with requests that other pages make: a rebound name or a foreign page gets no answer. */
bool gate_names_us(const struct exchange *exchange)
{
	const struct server *server = exchange->server;
	const char *host = exchange_header(exchange, "Host"), *origin = exchange_header(exchange, "Origin");
	bool any_host = server->services.auth && !*server->hosts;
	if (host && !any_host && !host_is_ours(server, host) && !host_is_listed(server, host))
		return false;
	if (!origin)
		return true;
	const char *origin_name = origin_host(origin);
	if (!origin_name)
		return false;
	if (server->services.auth)
		return host && strcasecmp(origin_name, host) == 0;
	bool our_scheme = (strncmp(origin, "https:", 6) == 0) == server->services.secure;
	return (our_scheme && host_is_ours(server, origin_name)) || host_is_listed(server, origin_name);
}

/* ---- the gate ---------------------------------------------------------------------------------- */

struct gathering {
	struct sigv4_header *headers;
	unsigned count;
};

static enum MHD_Result gather_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct gathering *gathering = data;
	if (gathering->count == HEADERS_MOST)
		return MHD_NO;
	gathering->headers[gathering->count++] = (struct sigv4_header){ str_of(name), str_of(value ? value : "") };
	return MHD_YES;
}

/* Whether anybody may ask for it; what is not there too. */
static bool is_open(const struct exchange *exchange, const char *method)
{
	struct route_call call = { 0 };
	unsigned status;
	if (exchange->is_api)
		return false;
	const struct route *route = routes_find(&call, method, exchange->path, &status);
	arena_done(&call.arena);
	return !route || route->role == ROLE_NONE;
}

/* The headers are there: whether they may belong to somebody. */
void gate_open(struct exchange *exchange, const char *method)
{
	struct gate *gate = exchange->gate = NEW(struct gate);
	struct gathering gathering = { .headers = ARENA_ARRAY(&gate->arena, struct sigv4_header, HEADERS_MOST) };
	const char *origin = exchange_header(exchange, "Origin"), *host = exchange_header(exchange, "Host");
	MHD_get_connection_values(exchange->connection, MHD_HEADER_KIND, gather_header, &gathering);
	gate->request = (struct auth_request){
		.http = { .method = str_of(method),
			  .path = str_of(exchange->path),
			  .query = str_of(exchange->query),
			  .headers = gathering.headers,
			  .headers_count = gathering.count },
		.cookie = str_of(exchange_header(exchange, "Cookie")),
		.csrf = str_of(exchange_header(exchange, "X-Ratchet-Csrf")),
		.same_origin = origin && host && origin_host(origin) && strcasecmp(origin_host(origin), host) == 0,
	};
	gate->open = is_open(exchange, method);
	if (gathering.count == HEADERS_MOST) {
		auth_refuse(&gate->refusal, AUTH_INCOMPLETE, "the request has too many headers");
		gate->refused = true;
	} else if (!gate->open) {
		gate->refused = !auth_begin(exchange->server->services.auth, &gate->arena, &gate->request, &gate->proof, &gate->refusal);
	}
}

/* The body is there: who it is. Where anybody may ask, a signature or a session that is not good is as if there were none. */
bool gate_pass(struct exchange *exchange, struct identity *ret_identity)
{
	struct gate *gate = exchange->gate;
	struct auth *auth = exchange->server->services.auth;
	if (!gate) {
		*ret_identity = (struct identity){ .role = ROLE_ADMINISTER };
		return true;
	}
	if (gate->refused)
		return false;
	if (gate->open) {
		*ret_identity = (struct identity){ 0 };
		if (!sigv4_is_signed(&gate->request.http))
			auth_peek(auth, &gate->arena, gate->request.cookie, ret_identity);
		else if (auth_begin(auth, &gate->arena, &gate->request, &gate->proof, &gate->refusal))
			auth_finish(auth, &gate->arena, &gate->request, &gate->proof, exchange->body.data, &exchange->body.len, ret_identity,
				    &gate->refusal);
		return true;
	}
	return auth_finish(auth, &gate->arena, &gate->request, &gate->proof, exchange->body.data, &exchange->body.len, ret_identity,
			   &gate->refusal);
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	arena_done(&gate->arena);
	free(gate);
}
