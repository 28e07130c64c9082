/* libcurl, loaded when the first request is made (curl_library.h). */
#include "connectors/http/curl_library.h"
#include <dlfcn.h>
#include <pthread.h>

/* The GnuTLS flavour, as libmicrohttpd has that TLS stack already; elsewhere it has the plain name. */
static const char *const names[] = { "libcurl-gnutls.so.4", "libcurl.so.4" };

struct curl_library curl;
static struct wf_error failure;

/* `place` is one of curl's members: pointers to functions, which have the size and form of any other here. */
static int find(void *library, const char *name, void *place)
{
	void *function = dlsym(library, name);
	if (!function)
		return error_set(&failure, ERR(UNSUPPORTED), "the libcurl on this machine has no %s: install libcurl 7.88 or newer", name);
	__builtin_memcpy(place, &function, sizeof function);
	return 0;
}

static void load(void)
{
	void *library = NULL;
	for (size_t i = 0; !library && i < sizeof names / sizeof *names; i++)
		library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		error_set(&failure, ERR(UNSUPPORTED), "HTTP requests need libcurl, which cannot be loaded (%s): install libcurl3-gnutls", dlerror());
		return;
	}
#define X(name) \
	if (find(library, "curl_" #name, &curl.name) < 0) \
		return;
	CURL_FUNCTIONS(X)
#undef X
	if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		error_set(&failure, ERR(INTERNAL), "libcurl cannot be initialized");
}

int curl_library_load(struct wf_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, load);
	if (failure.code && err)
		*err = failure;
	return failure.code;
}
