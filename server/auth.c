/* auth.c: roles (auth.h). */
#include "server/auth.h"

static const char *const names[] = {
	[ROLE_NONE] = "none", [ROLE_READ] = "read", [ROLE_OPERATE] = "operate", [ROLE_ADMINISTER] = "administer"
};

const char *role_name(enum role role)
{
	return names[role];
}

bool role_parse(struct str name, enum role *ret_role)
{
	for (unsigned i = ROLE_READ; i < sizeof names / sizeof names[0]; i++) {
		if (!str_eqz(name, names[i]))
			continue;
		*ret_role = (enum role)i;
		return true;
	}
	return false;
}
