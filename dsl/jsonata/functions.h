/* functions.h: the built-in functions: one table, functions.c, of names, signatures and implementations; these are in
 * functions_NOUN.c. Private to dsl/jsonata/. */
#pragma once
#include "dsl/jsonata/evaluation.h"

/* How a built-in is called: arguments as its signature made them (missing ones are nothing), how many there are at
 * least room for (`count` ≥ the signature's parameters), the context and the caller's variables. */
struct call {
	struct item *arguments;
	uint32_t count;
	struct item input;
	struct frame *frame;
	const struct native *native;
};

typedef struct item native_function(struct evaluation *e, struct call *call);

enum native_flavour { NATIVE_BOTH, NATIVE_LIBRARY_ONLY, NATIVE_STATES_ONLY };

struct native {
	const char *name;
	const char *signature; /* NULL: unchecked */
	native_function *function;
	uint8_t arity;
	uint8_t flavour; /* enum native_flavour */
};

extern const struct native natives[];
extern const int natives_count;
/* Index of a built-in, or -1. */
int native_find(struct str name, enum jsonata_flavour flavour);

/* signature.c: arguments checked and completed into call->arguments; throws T0410, T0411, T0412. `ret` has room for
 * `room`. */
void signature_apply_text(struct evaluation *e, const struct native *native, const struct item *arguments,
			  uint32_t count, struct item input, struct call *call);
struct item *signature_apply(struct evaluation *e, const struct signature *signature, const struct item *arguments,
			     uint32_t count, struct item input, uint32_t *ret_count);
struct signature *signature_of_native(struct evaluation *e, const struct native *native);

#define NATIVE(name) struct item name(struct evaluation *e, struct call *call)
NATIVE(native_sum);
NATIVE(native_count);
NATIVE(native_max);
NATIVE(native_min);
NATIVE(native_average);
NATIVE(native_string);
NATIVE(native_substring);
NATIVE(native_substring_before);
NATIVE(native_substring_after);
NATIVE(native_lowercase);
NATIVE(native_uppercase);
NATIVE(native_length);
NATIVE(native_trim);
NATIVE(native_pad);
NATIVE(native_match);
NATIVE(native_contains);
NATIVE(native_replace);
NATIVE(native_split);
NATIVE(native_join);
NATIVE(native_format_number);
NATIVE(native_format_base);
NATIVE(native_format_integer);
NATIVE(native_parse_integer);
NATIVE(native_number);
NATIVE(native_floor);
NATIVE(native_ceil);
NATIVE(native_round);
NATIVE(native_abs);
NATIVE(native_sqrt);
NATIVE(native_power);
NATIVE(native_random);
NATIVE(native_boolean);
NATIVE(native_not);
NATIVE(native_map);
NATIVE(native_zip);
NATIVE(native_filter);
NATIVE(native_single);
NATIVE(native_reduce);
NATIVE(native_sift);
NATIVE(native_keys);
NATIVE(native_lookup);
NATIVE(native_append);
NATIVE(native_exists);
NATIVE(native_spread);
NATIVE(native_merge);
NATIVE(native_reverse);
NATIVE(native_each);
NATIVE(native_error);
NATIVE(native_assert);
NATIVE(native_type);
NATIVE(native_sort);
NATIVE(native_shuffle);
NATIVE(native_distinct);
NATIVE(native_base64encode);
NATIVE(native_base64decode);
NATIVE(native_encode_url_component);
NATIVE(native_encode_url);
NATIVE(native_decode_url_component);
NATIVE(native_decode_url);
NATIVE(native_eval);
NATIVE(native_to_millis);
NATIVE(native_from_millis);
NATIVE(native_clone);
NATIVE(native_now);
NATIVE(native_millis);
NATIVE(native_partition);
NATIVE(native_range);
NATIVE(native_hash);
NATIVE(native_random_seeded);
NATIVE(native_uuid);
NATIVE(native_parse);

/* Shared between their files. */
struct item lookup_key(struct evaluation *e, struct item input, struct str key,
		       uint32_t *hint); /* fields of objects, through arrays */
struct item matcher_call(struct evaluation *e, const struct regex *regex, struct str subject, size_t from);
struct str format_integer(struct evaluation *e, double number, struct str picture);
struct item regex_function(struct evaluation *e, const struct regex *regex);
