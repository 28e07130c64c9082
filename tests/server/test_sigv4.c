/* AWS's published examples of Signature Version 4, and what must be refused: a table of changes to a request that is good.
 * tests/clients/auth.py compares with an implementation that shares no code. */
#include "base/buffer.h"
#include "base/mem.h"
#include "server/sigv4.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* after its needs */
#include <cmocka.h>

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define SECRET_OF_S3 "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

struct attempt {
	const char *method, *path, *query;
	struct sigv4_header headers[12];
	const char *body;
};

static void set_header(struct attempt *attempt, const char *name, const char *value)
{
	unsigned i = 0;
	while (attempt->headers[i].name.ptr && !str_eqz(attempt->headers[i].name, name))
		i++;
	attempt->headers[i] = (struct sigv4_header){ str_of(name), str_of(value) };
}

static struct sigv4_request request_of(const struct attempt *attempt)
{
	unsigned count = 0;
	while (count < 12 && attempt->headers[count].name.ptr)
		count++;
	return (struct sigv4_request){ str_of(attempt->method), str_of(attempt->path), str_of(attempt->query), attempt->headers, count };
}

/* SIGV4_GOOD, or why not; the body that came out is put into *ret_body (may be NULL). */
static enum sigv4_problem verify(const struct attempt *attempt, const char *secret, struct buffer *ret_body, struct sigv4_refusal *refusal)
{
	_cleanup_(arena_done) struct arena arena = { 0 };
	_cleanup_(buffer_done) struct buffer body = { 0 };
	struct sigv4_request request = request_of(attempt);
	struct sigv4_claim claim;
	uint8_t key[SIGV4_KEY_BYTES];
	buffer_addz(&body, attempt->body);
	if (!sigv4_read(&arena, &request, &claim, refusal))
		return refusal->problem;
	sigv4_signing_key(str_of(secret), &claim, key);
	if (!sigv4_verify(&arena, &request, &claim, key, body.data, &body.len, refusal))
		return refusal->problem;
	if (ret_body)
		buffer_add(ret_body, buffer_str(&body));
	return SIGV4_GOOD;
}

/* ---- published examples ----------------------------------------------------------------------------- */

static const struct attempt list_users = {
	"GET", "/", "Action=ListUsers&Version=2010-05-08",
	{ { STR("Content-Type"), STR("application/x-www-form-urlencoded; charset=utf-8") },
	  { STR("Host"), STR("iam.amazonaws.com") },
	  { STR("X-Amz-Date"), STR("20150830T123600Z") },
	  { STR("Authorization"),
	    STR("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, "
		"Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7") } },
	"",
};

static void the_published_signing_key_is_derived(void **state)
{
	static const char published[] = "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9";
	struct sigv4_claim claim = { .date = STR("20150830"), .region = STR("us-east-1"), .service = STR("iam") };
	uint8_t key[SIGV4_KEY_BYTES];
	char hex[SIGV4_HEX];
	sigv4_signing_key(STR(SECRET), &claim, key);
	sigv4_hex(key, sizeof key, hex);
	assert_memory_equal(hex, published, sizeof hex);
}

static void the_published_request_is_good(void **state)
{
	struct sigv4_refusal refusal = { 0 };
	assert_int_equal(verify(&list_users, SECRET, NULL, &refusal), SIGV4_GOOD);
}

/* 66,560 letters in three chunks, as in AWS's description of chunked uploads. */
static struct attempt published_chunks(struct buffer *body)
{
	static const struct {
		size_t size;
		const char *signature;
	} chunks[] = { { 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648" },
		       { 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497" },
		       { 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9" } };
	for (int i = 0; i < 3; i++) {
		buffer_printf(body, "%zx;chunk-signature=%s\r\n", chunks[i].size, chunks[i].signature);
		for (size_t n = 0; n < chunks[i].size; n++)
			buffer_byte(body, 'a');
		buffer_addz(body, "\r\n");
	}
	return (struct attempt){
		"PUT", "/examplebucket/chunkObject.txt", "",
		{ { STR("Host"), STR("s3.amazonaws.com") },
		  { STR("x-amz-date"), STR("20130524T000000Z") },
		  { STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY") },
		  { STR("x-amz-content-sha256"), STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD") },
		  { STR("Content-Encoding"), STR("aws-chunked") },
		  { STR("x-amz-decoded-content-length"), STR("66560") },
		  { STR("Content-Length"), STR("66824") },
		  { STR("Authorization"),
		    STR("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
			"SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
			"x-amz-storage-class,Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9") } },
		body->data,
	};
}

static void the_published_chunks_are_good(void **state)
{
	_cleanup_(buffer_done) struct buffer body = { 0 }, out = { 0 };
	struct attempt attempt = published_chunks(&body);
	struct sigv4_refusal refusal = { 0 };
	enum sigv4_problem problem = verify(&attempt, SECRET_OF_S3, &out, &refusal);
	if (problem)
		print_message("%s\n", refusal.message);
	assert_int_equal(problem, SIGV4_GOOD);
	assert_int_equal(out.len, 66560);
	assert_int_equal(strspn(out.data, "a"), 66560);
}

static void a_changed_chunk_is_refused(void **state)
{
	/* Where a byte is changed: in the data of each chunk, in each signature. */
	static const size_t places[] = { 100, 60000, 66000, 20, 65640, 66810 };
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		_cleanup_(buffer_done) struct buffer body = { 0 };
		struct attempt attempt = published_chunks(&body);
		struct sigv4_refusal refusal = { 0 };
		assert_true(places[i] < body.len);
		body.data[places[i]] ^= 1;
		assert_int_equal(verify(&attempt, SECRET_OF_S3, NULL, &refusal), SIGV4_INVALID);
		assert_non_null(strstr(refusal.message, "The body cannot be taken"));
	}
}

static void a_cut_or_longer_chunked_body_is_refused(void **state)
{
	for (size_t cut = 1; cut < 200; cut += 7) {
		_cleanup_(buffer_done) struct buffer body = { 0 };
		struct attempt attempt = published_chunks(&body);
		struct sigv4_refusal refusal = { 0 };
		body.data[body.len - cut] = 0;
		assert_int_equal(verify(&attempt, SECRET_OF_S3, NULL, &refusal), SIGV4_INVALID);
	}
	_cleanup_(buffer_done) struct buffer body = { 0 };
	struct attempt attempt = published_chunks(&body);
	struct sigv4_refusal refusal = { 0 };
	buffer_addz(&body, "0\r\n\r\n");
	attempt.body = body.data;
	assert_int_equal(verify(&attempt, SECRET_OF_S3, NULL, &refusal), SIGV4_INVALID);
}

/* ---- what must be refused ------------------------------------------------------------------------------ */

static void another_secret_is_refused(void **state)
{
	struct sigv4_refusal refusal = { 0 };
	assert_int_equal(verify(&list_users, SECRET "x", NULL, &refusal), SIGV4_INVALID);
	assert_non_null(strstr(refusal.message, "does not match"));
}

#define CREDENTIAL "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request"
#define HEADERS "SignedHeaders=content-type;host;x-amz-date"
#define SIGNATURE "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"

static void a_malformed_header_is_refused(void **state)
{
	static const struct {
		const char *authorization;
		enum sigv4_problem problem;
	} cases[] = {
		{ "", SIGV4_INCOMPLETE },
		{ "Bearer x", SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256", SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 ", SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256X " CREDENTIAL ", " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-ECDSA-P256-SHA256 " CREDENTIAL ", " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS ", " SIGNATURE ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS ", " SIGNATURE ", Extra=1", SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam, " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 Credential=A/20150830/us-east-1/iam/aws4_request/x, " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 Credential=//us-east-1/iam/aws4_request, " HEADERS ", " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws3_request, " HEADERS ", " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150829/us-east-1/iam/aws4_request, " HEADERS ", " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-2/iam/aws4_request, " HEADERS ", " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request, " HEADERS ", " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=content-type;x-amz-date, " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=content-type;host, " SIGNATURE, SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=Content-Type;Host;X-Amz-Date, " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;content-type;x-amz-date, " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=host;host;x-amz-date, " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", SignedHeaders=;host;x-amz-date, " SIGNATURE, SIGV4_INCOMPLETE },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS ", Signature=5d672d79", SIGV4_INVALID },
		{ "AWS4-HMAC-SHA256 " CREDENTIAL ", " HEADERS
		  ", Signature=5D672D79C15B13162D9279B0855CFBA6789A8EDB4C82C400E06B5924A6F2B5D7",
		  SIGV4_INVALID },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct attempt attempt = list_users;
		struct sigv4_refusal refusal = { 0 };
		set_header(&attempt, "Authorization", cases[i].authorization);
		enum sigv4_problem problem = verify(&attempt, SECRET, NULL, &refusal);
		if (problem != cases[i].problem)
			print_message("%s: %d: %s\n", cases[i].authorization, problem, refusal.message);
		assert_int_equal(problem, cases[i].problem);
		assert_true(refusal.message[0]);
	}
}

static void whatever_is_changed_in_a_request_is_noticed(void **state)
{
	struct attempt changed[7];
	for (int i = 0; i < 7; i++)
		changed[i] = list_users;
	changed[0].method = "POST";
	changed[1].path = "/x";
	changed[2].query = "Action=ListUsers&Version=2010-05-09";
	changed[3].query = "Action=ListUsers&Version=2010-05-08&x";
	changed[4].body = "x";
	set_header(&changed[5], "Host", "iam.amazonaws.com:80");
	set_header(&changed[6], "X-Amz-Target", "AWSStepFunctions.StopExecution"); /* and is not signed */
	for (int i = 0; i < 7; i++) {
		struct sigv4_refusal refusal = { 0 };
		assert_int_equal(verify(&changed[i], SECRET, NULL, &refusal), SIGV4_INVALID);
	}
}

static void what_means_the_same_is_the_same(void **state)
{
	struct attempt same[4];
	struct sigv4_refusal refusal = { 0 };
	for (int i = 0; i < 4; i++)
		same[i] = list_users;
	same[0].query = "Version=2010-05-08&Action=ListUsers";
	same[1].query = "%41ction=List%55sers&Version=2010%2d05-08";
	set_header(&same[2], "Content-Type", "  application/x-www-form-urlencoded;   charset=utf-8 ");
	set_header(&same[3], "User-Agent", "not signed");
	for (int i = 0; i < 4; i++)
		assert_int_equal(verify(&same[i], SECRET, NULL, &refusal), SIGV4_GOOD);
}

static void a_request_without_signature_is_told_so(void **state)
{
	struct attempt attempt = { "POST", "/", "", { { STR("Host"), STR("a") } }, "{}" };
	struct sigv4_refusal refusal = { 0 };
	assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_MISSING);
}

/* ---- time ---------------------------------------------------------------------------------------------- */

static void times_are_five_minutes_either_way(void **state)
{
	const int64_t then = 1440938160000; /* 20150830T123600Z */
	static const struct {
		int64_t offset_s;
		bool good;
	} cases[] = { { 0, true }, { 300, true }, { 301, false }, { -300, true }, { -301, false }, { 86400, false } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sigv4_claim claim = { .timestamp = STR("20150830T123600Z"), .time_ms = then };
		struct sigv4_refusal refusal = { 0 };
		assert_int_equal(sigv4_check_time(&claim, then + cases[i].offset_s * 1000, &refusal), cases[i].good);
		if (!cases[i].good)
			assert_non_null(strstr(refusal.message, cases[i].offset_s > 0 ? "Signature expired" : "Signature not yet current"));
	}
}

static void a_presigned_request_lasts_as_long_as_it_says(void **state)
{
	struct sigv4_claim claim = { .timestamp = STR("20150830T123600Z"), .time_ms = 1440938160000, .presigned = true, .expires_s = 3600 };
	struct sigv4_refusal refusal = { 0 };
	assert_true(sigv4_check_time(&claim, 1440938160000 + 3600 * 1000, &refusal));
	assert_false(sigv4_check_time(&claim, 1440938160000 + 3601 * 1000, &refusal));
	assert_false(sigv4_check_time(&claim, 1440938160000 - 301 * 1000, &refusal));
}

static void odd_dates_are_refused(void **state)
{
	static const char *const dates[] = { "20150830", "20150830T123600", "2015-08-30T12:36:00Z", "20151330T123600Z", "20150800T123600Z",
					     "20150830T243600Z", "20150830T126000Z", "20150830t123600z", "xxxxxxxxTxxxxxxZ" };
	for (size_t i = 0; i < sizeof dates / sizeof dates[0]; i++) {
		struct attempt attempt = list_users;
		struct sigv4_refusal refusal = { 0 };
		set_header(&attempt, "X-Amz-Date", dates[i]);
		assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_INCOMPLETE);
	}
	char text[17];
	assert_string_equal(sigv4_timestamp(1440938160000, text), "20150830T123600Z");
}

/* ---- signing, and chunks without signatures ------------------------------------------------------------- */

static struct str authorize(struct arena *arena, const struct attempt *attempt, const char *signed_payload)
{
	struct sigv4_request request = request_of(attempt);
	return sigv4_authorization(arena, &request, STR("AKIDEXAMPLE"), STR(SECRET), STR("eu-west-1"), STR("states"),
				   STR("20150830T123600Z"), str_of(signed_payload));
}

static void what_we_sign_we_verify(void **state)
{
	static const char *const queries[] = { "", "a", "a=&b=1", "b=1&a=%20x&a=+", "q=error%3ACarrier.*&limit=5" };
	for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
		_cleanup_(arena_done) struct arena arena = { 0 };
		struct attempt attempt = { "POST", "/v1/executions/arn%3Aaws%3Astates/x", queries[i],
					   { { STR("Host"), STR("localhost:8083") }, { STR("X-Amz-Date"), STR("20150830T123600Z") } }, "{\"a\":1}" };
		struct sigv4_refusal refusal = { 0 };
		char *text = arena_strdup(&arena, authorize(&arena, &attempt, attempt.body));
		set_header(&attempt, "Authorization", text);
		assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_GOOD);
		attempt.body = "{\"a\":2}";
		assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_INVALID);
	}
}

static void a_signature_is_for_one_way_of_signing(void **state)
{
	struct attempt attempt = list_users;
	struct sigv4_refusal refusal = { 0 };
	attempt.query = "Action=ListUsers&Version=2010-05-08&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=1";
	assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_INCOMPLETE);
	for (unsigned i = 0; i < 12; i++)
		if (str_eqz(attempt.headers[i].name, "Authorization"))
			attempt.headers[i].name = STR("X-Other");
	assert_int_equal(verify(&attempt, SECRET, NULL, &refusal), SIGV4_INCOMPLETE); /* the rest of the members is missing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_signing_key_is_derived),
		cmocka_unit_test(the_published_request_is_good),
		cmocka_unit_test(the_published_chunks_are_good),
		cmocka_unit_test(a_changed_chunk_is_refused),
		cmocka_unit_test(a_cut_or_longer_chunked_body_is_refused),
		cmocka_unit_test(another_secret_is_refused),
		cmocka_unit_test(a_malformed_header_is_refused),
		cmocka_unit_test(whatever_is_changed_in_a_request_is_noticed),
		cmocka_unit_test(what_means_the_same_is_the_same),
		cmocka_unit_test(a_request_without_signature_is_told_so),
		cmocka_unit_test(times_are_five_minutes_either_way),
		cmocka_unit_test(a_presigned_request_lasts_as_long_as_it_says),
		cmocka_unit_test(odd_dates_are_refused),
		cmocka_unit_test(what_we_sign_we_verify),
		cmocka_unit_test(a_signature_is_for_one_way_of_signing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
