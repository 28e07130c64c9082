/* listener.c: the listening socket, and TLS. Without authentication only this machine may connect. */
#include "base/log.h"
#include "base/mem.h"
#include "server/http.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define PEM_BYTES_MOST (1 << 20)
#define DESCRIPTORS_KEPT 256 /* for the store, tasks and their like: connections leave them free */

/* Splits "HOST:PORT" or "[HOST]:PORT"; host to be freed. */
static int split_address(const char *listen, char **ret_host, char **ret_port, struct wf_error *err)
{
	const char *colon = strrchr(listen, ':');
	if (!colon || colon == listen)
		return error_set(err, ERR(INVALID), "listen must be HOST:PORT, not '%s'", listen);
	char *rest;
	long port = strtol(colon + 1, &rest, 10);
	if (!colon[1] || *rest || port < 0 || port > 65535)
		return error_set(err, ERR(INVALID), "the port in '%s' must be a number from 0 to 65535", listen);
	bool bracketed = listen[0] == '[' && colon[-1] == ']';
	*ret_host = mem_strndup(listen + bracketed, (size_t)(colon - listen) - (bracketed ? 2 : 0));
	*ret_port = mem_strdup(colon + 1);
	return 0;
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 == 127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A listening socket, or a negative code. */
static int open_socket(const struct server *server, const char *listen_text, const struct addrinfo *info, struct wf_error *err)
{
	if (!is_loopback(info->ai_addr) && !server->services.auth)
		return error_set(err, ERR(INVALID),
				 "%s is not a loopback address: without authentication, only this machine may connect (--auth sigv4)",
				 listen_text);
	if (!is_loopback(info->ai_addr) && !server->services.secure)
		log_warn("server",
			 "%s is not a loopback address and there is no TLS (tls_certificate, tls_key): signatures keep requests from being "
			 "changed, but everybody on the way can read them, and secrets and cookies of who signs in",
			 listen_text);
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(err, errno, "cannot open a socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
		int saved = errno;
		close(fd);
		error_errno(err, saved, "cannot listen on %s", listen_text);
		return saved == EADDRINUSE ? ERR(BUSY) : ERR(IO);
	}
	return fd;
}

int listener_open(struct server *server, const char *listen_text, struct wf_error *err)
{
	_cleanup_free_ char *host = NULL, *port = NULL;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	int code = split_address(listen_text, &host, &port, err);
	if (code)
		return code;
	int failed = getaddrinfo(host, port, &hints, &found);
	if (failed)
		return error_set(err, ERR(INVALID), "cannot find the address '%s': %s", host, gai_strerror(failed));
	/* A name may have several, of which this machine has not all: localhost is ::1 too. */
	int fd = ERR(IO);
	for (const struct addrinfo *info = found; info && fd < 0 && fd != ERR(INVALID) && fd != ERR(BUSY);
	     info = info->ai_next)
		fd = open_socket(server, listen_text, info, err);
	freeaddrinfo(found);
	if (fd < 0)
		return fd;
	struct sockaddr_storage address;
	socklen_t length = sizeof address;
	getsockname(fd, (struct sockaddr *)&address, &length);
	bool six = address.ss_family == AF_INET6;
	server->port =
	    ntohs(six ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
	server->host = six ? mem_printf("[%s]", host) : mem_strdup(host);
	server->url = mem_printf("%s://%s:%u", server->services.secure ? "https" : "http", server->host, server->port);
	return fd;
}

unsigned listener_connections(const struct engine *engine)
{
	struct rlimit descriptors;
	uint64_t most = (uint64_t)engine_limits(engine)->http_connections;
	if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY)
		return (unsigned)most;
	uint64_t room = descriptors.rlim_cur > 2 * DESCRIPTORS_KEPT ? descriptors.rlim_cur - DESCRIPTORS_KEPT
								    : descriptors.rlim_cur / 2;
	return (unsigned)(most < room ? most : room);
}

/* A PEM file's text, to be freed. */
static char *read_pem(const char *path, const char *setting, struct wf_error *err)
{
	_cleanup_(buffer_done) struct buffer text = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;
	while (got > 0 && text.len <= PEM_BYTES_MOST) {
		got = read(fd, buffer_reserve(&text, 65536), 65536);
		text.len += got > 0 ? (size_t)got : 0;
	}
	int saved = errno;
	if (fd >= 0)
		close(fd);
	if (got < 0)
		error_errno(err, saved, "cannot read %s (%s)", path, setting);
	else if (text.len > PEM_BYTES_MOST || !memmem(text.data ? text.data : "", text.len, "-----BEGIN ", 11))
		error_set(err, ERR(INVALID), "%s (%s) is no PEM file", path, setting);
	else {
		buffer_byte(&text, 0);
		return buffer_take(&text);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	return NULL;
}

int listener_take_tls(struct server *server, const struct server_options *options, struct wf_error *err)
{
	bool certificate = options->tls_certificate && *options->tls_certificate, key = options->tls_key && *options->tls_key;
	if (certificate != key)
		return error_set(err, ERR(INVALID), "tls_certificate and tls_key go together: one is missing");
	if (!certificate)
		return 0;
	if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return error_set(err, ERR(UNSUPPORTED), "the HTTP library was built without TLS");
	struct wf_error own = { 0 };
	server->certificate = read_pem(options->tls_certificate, "tls_certificate", &own);
	if (server->certificate)
		server->private_key = read_pem(options->tls_key, "tls_key", &own);
	if (!server->private_key) {
		if (err)
			*err = own;
		return ERR(INVALID);
	}
	server->services.secure = true;
	return 0;
}
