/* history.c: the names of event types, from the two lists in history.h. */
#include "engine/core/history.h"

static const char *const public_names[EVENT_PUBLIC_COUNT] = {
#define X(name, wire, details) [EVENT_##name] = wire,
	HISTORY_EVENTS(X)
#undef X
};

enum {
	PRIVATE_COUNT = 0
#define X(name, text) +1
	PRIVATE_EVENTS(X)
#undef X
};

static const char *const private_names[PRIVATE_COUNT] = {
#define X(name, text) [EVENT_##name - EVENT_PRIVATE_FIRST] = text,
	PRIVATE_EVENTS(X)
#undef X
};

bool event_is_public(enum event_type type)
{
	return (unsigned)type < EVENT_PUBLIC_COUNT;
}

const char *event_type_name(enum event_type type)
{
	if (event_is_public(type))
		return public_names[type];
	unsigned index = (unsigned)type - EVENT_PRIVATE_FIRST;
	return index < PRIVATE_COUNT ? private_names[index] : NULL;
}

bool event_type_parse(struct str name, enum event_type *ret_type)
{
	for (unsigned i = 0; i < EVENT_PUBLIC_COUNT; i++)
		if (str_eqz(name, public_names[i])) {
			*ret_type = (enum event_type)i;
			return true;
		}
	for (unsigned i = 0; i < PRIVATE_COUNT; i++)
		if (str_eqz(name, private_names[i])) {
			*ret_type = (enum event_type)(EVENT_PRIVATE_FIRST + i);
			return true;
		}
	return false;
}
