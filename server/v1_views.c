/* v1_views.c: saved views: queries of the executions' list with a name, one's own or for all (docs/console-api.md).
 *
 * An owner's views are one record of the store, "views/KEY" (for all: "views/"), holding the array that GET answers with.
 * So what an owner can make grow is bounded, whatever names come and go, and nothing is kept here. It is JSON, so it needs no
 * version: a member that is not known is passed on. */
#include "base/mem.h"
#include "server/v1.h"

#define VIEWS_MOST 100 /* of one owner */
#define NAME_MOST 100  /* bytes */
#define QUERY_MOST 2000

static struct str record_key(struct route_call *call, bool shared)
{
	return arena_format(&call->arena, "views/%.*s", STR_FMT(shared ? STR_EMPTY : call->identity.key_id));
}

struct looked_for {
	struct str key, bytes;
};

static void look_at(void *data, struct str key, struct str bytes)
{
	struct looked_for *looked_for = data;
	if (str_eq(key, looked_for->key))
		looked_for->bytes = bytes;
}

/* The views of an owner; yours. */
static struct value *read_views(struct route_call *call, bool shared)
{
	struct looked_for looked_for = { record_key(call, shared), STR("[]") };
	engine_each_record(call->engine, looked_for.key, look_at, &looked_for);
	return value_from_trusted_text(looked_for.bytes);
}

/* Without authentication there is nobody whom a view could belong to. */
static bool has_own(const struct route_call *call)
{
	return call->identity.key_id.len > 0;
}

static void put_view(struct buffer *out, struct str name, struct str query, int64_t updated_ms)
{
	buffer_byte(out, '{');
	api_put_text(out, "name", name);
	api_put_text(out, "query", query);
	api_put_number(out, "updated_ms", updated_ms);
	buffer_byte(out, '}');
}

static void list_some(struct route_call *call, bool shared)
{
	struct buffer *out = &call->out;
	_cleanup_(value_unrefp) struct value *views = read_views(call, shared);
	for (size_t i = 0; i < value_count(views); i++) {
		struct str view = value_text(value_at(views, i));
		buffer_addz(out, out->data[out->len - 1] == '[' ? "" : ",");
		buffer_add(out, str_sub(view, 0, view.len - 1));
		api_put_flag(out, "shared", shared);
		buffer_byte(out, '}');
	}
}

static void list_views(struct route_call *call)
{
	buffer_addz(&call->out, "{\"views\":[");
	if (has_own(call))
		list_some(call, false);
	list_some(call, true);
	buffer_addz(&call->out, "]}");
	route_answer(call);
}

/* ---- changing ----------------------------------------------------------------------------------- */

/* An owner's views without the one of a name, and with `view` in its place by name, if that is not empty. */
struct rewriting {
	struct buffer text;
	size_t count;
	bool was_there;
};

static void add_view(struct rewriting *to, struct str view)
{
	buffer_addz(&to->text, to->count++ ? "," : "[");
	buffer_add(&to->text, view);
}

static void rewrite(struct rewriting *to, const struct value *views, struct str name, struct str view)
{
	for (size_t i = 0; i < value_count(views); i++) {
		int order = str_cmp(value_string(value_getz(value_at(views, i), "name")), name);
		to->was_there |= order == 0;
		if (order > 0 && view.len) {
			add_view(to, view);
			view = STR_EMPTY;
		}
		if (order != 0)
			add_view(to, value_text(value_at(views, i)));
	}
	if (view.len)
		add_view(to, view);
	buffer_byte(&to->text, ']');
}

static void stored(void *data, const struct engine_error *error)
{
	struct route_call *call = data;
	if (error->code)
		route_refuse_engine(call, error);
	else
		route_answer(call);
}

/* Stores what was rewritten and answers with call->out, which is written already. */
static void store(struct route_call *call, bool shared, const struct rewriting *views)
{
	engine_put_record(call->engine, record_key(call, shared),
			  views->count ? buffer_str(&views->text) : (struct str){ NULL, 0 }, stored, call);
}

static bool may_change(struct route_call *call, bool shared)
{
	bool may = !shared || role_allows(call->identity.role, ROLE_OPERATE);
	if (!may)
		route_refuse(call, 403, "AccessDenied", "a view for all needs the role operate; this key has %s",
			     role_name(call->identity.role));
	return may;
}

static bool good_name(struct str name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f)
			return false;
	return name.len && name.len <= NAME_MOST;
}

static bool good_query(struct route_call *call, const struct value *given)
{
	struct search_query query;
	struct wf_error err = { 0 };
	size_t at, length;
	if (!given || !value_is(given, VALUE_STRING) || value_string(given).len > QUERY_MOST) {
		route_refuse(call, 400, "InvalidRequest", "query must be a text of at most %d bytes", QUERY_MOST);
		return false;
	}
	if (search_query_parse(value_string(given), &call->arena, &query, &at, &length, &err) != 0) {
		route_refuse(call, 400, "InvalidQuery", "%s", err.message);
		return false;
	}
	return true;
}

static void save_view(struct route_call *call)
{
	_cleanup_(value_unrefp) struct value *body = route_body(call), *views = NULL;
	_cleanup_(buffer_done) struct buffer view = { 0 };
	struct rewriting to = { 0 };
	if (!body)
		return;
	struct str name = call->parts[0];
	const struct value *asked = value_getz(body, "shared"), *query = value_getz(body, "query");
	bool shared = !has_own(call) || (asked && value_bool(asked));
	if (!good_name(name)) {
		route_refuse(call, 400, "InvalidRequest",
			     "a view's name must have 1 to %d bytes without control characters", NAME_MOST);
		return;
	}
	if (asked && !value_is(asked, VALUE_BOOL)) {
		route_refuse(call, 400, "InvalidRequest", "shared must be true or false");
		return;
	}
	if (!may_change(call, shared) || !good_query(call, query))
		return;
	views = read_views(call, shared);
	put_view(&view, name, value_string(query), engine_now_ms(call->engine));
	rewrite(&to, views, name, buffer_str(&view));
	if (to.count > VIEWS_MOST) {
		route_refuse(call, 409, "LimitExceeded", "there are %d views already", VIEWS_MOST);
	} else {
		buffer_add(&call->out, str_sub(buffer_str(&view), 0, view.len - 1));
		api_put_flag(&call->out, "shared", shared);
		buffer_byte(&call->out, '}');
		store(call, shared, &to);
	}
	buffer_done(&to.text);
}

static void delete_view(struct route_call *call)
{
	struct rewriting to = { 0 };
	bool shared = !has_own(call) || route_query_number(call, "shared", 0) != 0;
	if (!may_change(call, shared))
		return;
	_cleanup_(value_unrefp) struct value *views = read_views(call, shared);
	rewrite(&to, views, call->parts[0], STR_EMPTY);
	if (to.was_there) {
		buffer_addz(&call->out, "{}");
		store(call, shared, &to);
	} else {
		route_refuse(call, 404, "NotFound", "there is no such view");
	}
	buffer_done(&to.text);
}

void v1_forget_views(struct engine *engine, struct str key_id)
{
	_cleanup_(buffer_done) struct buffer name = { 0 };
	buffer_printf(&name, "views/%.*s", STR_FMT(key_id));
	engine_put_record(engine, buffer_str(&name), (struct str){ NULL, 0 }, NULL, NULL);
}

const struct route routes_v1_views[] = {
	{ "GET", "/v1/views", ROLE_READ, list_views },
	{ "PUT", "/v1/views/*", ROLE_READ, save_view }, /* may_change has the rest */
	{ "DELETE", "/v1/views/*", ROLE_READ, delete_view },
	{ 0 },
};
