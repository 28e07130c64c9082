/* sigv4.h: AWS Signature Version 4, by itself: what a request claims, whether its signature is right, and signing one.
 *
 *     sigv4_read ─► a claim: who, when, for what, over which headers ─► sigv4_check_time ─► (the key is looked up)
 *                                                                           └─► sigv4_verify: signature and payload
 *
 * No clock, no keys, no memory of its own: a claim's texts point into the request or the arena. Everything that is read
 * is hostile; a refusal says what is wrong in AWS's words. */
#pragma once
#include "base/arena.h"
#include <stdint.h>

#define SIGV4_KEY_BYTES 32
#define SIGV4_HEX 64 /* digits of a signature or hash */
#define SIGV4_SKEW_MS (5 * 60 * 1000)
#define SIGV4_EXPIRES_S_MAX 604800 /* of a presigned request */

struct sigv4_header {
	struct str name, value; /* as sent */
};

struct sigv4_request {
	struct str method;
	struct str path, query; /* as sent: nothing decoded; the query without its question mark */
	const struct sigv4_header *headers;
	unsigned headers_count;
};

/* What kind of refusal; the names are AWS's, and become errors in auth.c. */
enum sigv4_problem {
	SIGV4_GOOD,
	SIGV4_MISSING,	  /* there is no signature */
	SIGV4_INCOMPLETE, /* it is not formed as it should be */
	SIGV4_INVALID,	  /* it is not right, or not now */
};

struct sigv4_refusal {
	enum sigv4_problem problem;
	char message[512];
};

struct sigv4_claim {
	struct str key_id;
	struct str scope;		  /* "20260131/us-east-1/states/aws4_request" */
	struct str date, region, service; /* its parts */
	struct str timestamp;		  /* "20260131T235959Z" */
	struct str signed_headers, signature;
	struct str payload; /* X-Amz-Content-Sha256; empty: none */
	struct str token;   /* X-Amz-Security-Token; empty: none */
	int64_t time_ms;
	int64_t expires_s; /* of a presigned request */
	bool presigned;
};

/* Whether a request has anything of a signature: an Authorization header, or X-Amz-Signature or X-Amz-Algorithm in its query. */
bool sigv4_is_signed(const struct sigv4_request *request);
/* Reads the claim; false with *ret_refusal. Host and every X-Amz- header must be among the signed headers. */
bool sigv4_read(struct arena *arena, const struct sigv4_request *request, struct sigv4_claim *ret_claim,
		struct sigv4_refusal *ret_refusal);
/* Whether it is for now: five minutes either way, or until a presigned one expires. */
bool sigv4_check_time(const struct sigv4_claim *claim, int64_t now_ms, struct sigv4_refusal *ret_refusal);

/* The key that a secret gives for a day, region and service: worth keeping. */
void sigv4_signing_key(struct str secret, const struct sigv4_claim *claim, uint8_t ret_key[SIGV4_KEY_BYTES]);

/* Verifies the signature over the request and its body, in constant time. A body in aws-chunked form is decoded in place, each
 * chunk's signature verified: *length is then that of what was inside. */
bool sigv4_verify(struct arena *arena, const struct sigv4_request *request, const struct sigv4_claim *claim,
		  const uint8_t key[SIGV4_KEY_BYTES], char *body, size_t *length, struct sigv4_refusal *ret_refusal);

/* The value of the Authorization header for a request, whose headers must hold Host and X-Amz-Date; all of them are signed. */
struct str sigv4_authorization(struct arena *arena, const struct sigv4_request *request, struct str key_id, struct str secret,
			       struct str region, struct str service, struct str timestamp, struct str body);
/* "20260131T235959Z". */
const char *sigv4_timestamp(int64_t ms, char buffer[17]);

void sigv4_hex(const uint8_t *bytes, size_t count, char *ret_hex);
/* HMAC-SHA256 as hex; whether two texts of 64 characters are the same, in constant time. */
void sigv4_sign(const uint8_t key[SIGV4_KEY_BYTES], struct str text, char ret_hex[SIGV4_HEX]);
bool sigv4_same(const char *a, const char *b);
