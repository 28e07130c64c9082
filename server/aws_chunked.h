/* aws_chunked.h: bodies that AWS's SDKs send in pieces (Content-Encoding: aws-chunked), each with a signature that continues
 * the one before, or without signatures; and trailers behind them.
 *
 *     400;chunk-signature=…\r\n DATA \r\n … 0;chunk-signature=…\r\n [name:value\r\n …] \r\n */
#pragma once
#include "server/sigv4.h"

struct aws_chunked {
	const uint8_t *key; /* signing key; NULL: chunks have no signatures */
	struct str timestamp, scope;
	struct str seed; /* the request's signature: 64 hex digits */
	bool trailer;	 /* trailers follow, signed if the chunks are */
};

/* Decodes in place: *length becomes that of the data. False with a sentence in *ret_problem: it is not well formed, or a
 * signature is wrong. Checksums in trailers are not verified. */
bool aws_chunked_decode(const struct aws_chunked *how, char *bytes, size_t *length, const char **ret_problem);
