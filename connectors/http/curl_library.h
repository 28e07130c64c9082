/* curl_library.h: libcurl, loaded when the first request is made.
 *
 * Debian's libcurl brings LDAP, Kerberos, SSH and a second TLS stack along: 5 MB of memory and half of the time to
 * start, for a program that may never send a request. So it is linked only by name: curl_library_load() opens it, and its
 * functions are called through a table,
 *
 *     curl.easy_setopt(easy, CURLOPT_URL, url);        curl_easy_setopt(easy, CURLOPT_URL, url);
 *
 * Headers and constants are libcurl's own. A function that is missing here needs a row, and nothing else. */
#pragma once
#include "base/error.h"
#include <curl/curl.h>

#define CURL_FUNCTIONS(X)      \
	X(global_init)         \
	X(easy_init)           \
	X(easy_cleanup)        \
	X(easy_reset)          \
	X(easy_setopt)         \
	X(easy_perform)        \
	X(easy_getinfo)        \
	X(easy_strerror)       \
	X(slist_append)        \
	X(slist_free_all)      \
	X(multi_init)          \
	X(multi_cleanup)       \
	X(multi_setopt)        \
	X(multi_add_handle)    \
	X(multi_remove_handle) \
	X(multi_socket_action) \
	X(multi_perform)       \
	X(multi_poll)          \
	X(multi_assign)        \
	X(multi_info_read)     \
	X(multi_strerror)

struct curl_library {
#define X(name) __typeof__(curl_##name) *name;
	CURL_FUNCTIONS(X)
#undef X
};

/* Null until curl_library_load has returned 0. */
extern struct curl_library curl;

/* Opens and initializes the library, once in a process; it stays. May be called by any thread, and again: it gives the
 * same answer. Takes some 10 ms the first time. ERR(UNSUPPORTED) when the library is not on this machine. */
int curl_library_load(struct wf_error *err);
