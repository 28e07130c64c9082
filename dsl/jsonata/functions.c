/* functions.c: the table of built-in functions. Arity is how many arguments a higher-order function may give it. */
#include "dsl/jsonata/functions.h"

const struct native natives[] = {
	/* name, signature, implementation, arity, flavour */
	{ "sum", "<a<n>:n>", native_sum, 1 },
	{ "count", "<a:n>", native_count, 1 },
	{ "max", "<a<n>:n>", native_max, 1 },
	{ "min", "<a<n>:n>", native_min, 1 },
	{ "average", "<a<n>:n>", native_average, 1 },
	{ "string", "<x-b?:s>", native_string, 1 },
	{ "substring", "<s-nn?:s>", native_substring, 3 },
	{ "substringBefore", "<s-s:s>", native_substring_before, 2 },
	{ "substringAfter", "<s-s:s>", native_substring_after, 2 },
	{ "lowercase", "<s-:s>", native_lowercase, 1 },
	{ "uppercase", "<s-:s>", native_uppercase, 1 },
	{ "length", "<s-:n>", native_length, 1 },
	{ "trim", "<s-:s>", native_trim, 1 },
	{ "pad", "<s-ns?:s>", native_pad, 3 },
	{ "match", "<s-f<s:o>n?:a<o>>", native_match, 3 },
	{ "contains", "<s-(sf):b>", native_contains, 2 },
	{ "replace", "<s-(sf)(sf)n?:s>", native_replace, 4 },
	{ "split", "<s-(sf)n?:a<s>>", native_split, 3 },
	{ "join", "<a<s>s?:s>", native_join, 2 },
	{ "formatNumber", "<n-so?:s>", native_format_number, 3 },
	{ "formatBase", "<n-n?:s>", native_format_base, 2 },
	{ "formatInteger", "<n-s:s>", native_format_integer, 2 },
	{ "parseInteger", "<s-s:n>", native_parse_integer, 2 },
	{ "number", "<(nsb)-:n>", native_number, 1 },
	{ "floor", "<n-:n>", native_floor, 1 },
	{ "ceil", "<n-:n>", native_ceil, 1 },
	{ "round", "<n-n?:n>", native_round, 2 },
	{ "abs", "<n-:n>", native_abs, 1 },
	{ "sqrt", "<n-:n>", native_sqrt, 1 },
	{ "power", "<n-n:n>", native_power, 2 },
	{ "random", "<:n>", native_random, 0, NATIVE_LIBRARY_ONLY },
	{ "boolean", "<x-:b>", native_boolean, 1 },
	{ "not", "<x-:b>", native_not, 1 },
	{ "map", "<af>", native_map, 2 },
	{ "zip", "<a+>", native_zip, 0 },
	{ "filter", "<af>", native_filter, 2 },
	{ "single", "<af?>", native_single, 2 },
	{ "reduce", "<afj?:j>", native_reduce, 3 },
	{ "sift", "<o-f?:o>", native_sift, 2 },
	{ "keys", "<x-:a<s>>", native_keys, 1 },
	{ "lookup", "<x-s:x>", native_lookup, 2 },
	{ "append", "<xx:a>", native_append, 2 },
	{ "exists", "<x:b>", native_exists, 1 },
	{ "spread", "<x-:a<o>>", native_spread, 1 },
	{ "merge", "<a<o>:o>", native_merge, 1 },
	{ "reverse", "<a:a>", native_reverse, 1 },
	{ "each", "<o-f:a>", native_each, 2 },
	{ "error", "<s?:x>", native_error, 1 },
	{ "assert", "<bs?:x>", native_assert, 2 },
	{ "type", "<x:s>", native_type, 1 },
	{ "sort", "<af?:a>", native_sort, 2 },
	{ "shuffle", "<a:a>", native_shuffle, 1 },
	{ "distinct", "<x:x>", native_distinct, 1 },
	{ "base64encode", "<s-:s>", native_base64encode, 1 },
	{ "base64decode", "<s-:s>", native_base64decode, 1 },
	{ "encodeUrlComponent", "<s-:s>", native_encode_url_component, 1 },
	{ "encodeUrl", "<s-:s>", native_encode_url, 1 },
	{ "decodeUrlComponent", "<s-:s>", native_decode_url_component, 1 },
	{ "decodeUrl", "<s-:s>", native_decode_url, 1 },
	{ "eval", "<sx?:x>", native_eval, 2, NATIVE_LIBRARY_ONLY },
	{ "toMillis", "<s-s?:n>", native_to_millis, 2 },
	{ "fromMillis", "<n-s?s?:s>", native_from_millis, 3 },
	{ "clone", "<(oa)-:o>", native_clone, 1 },
	{ "now", "<s?s?:s>", native_now, 2 },
	{ "millis", "<:n>", native_millis, 0 },
	/* the States Language's own */
	{ "partition", "<an:a>", native_partition, 2, NATIVE_STATES_ONLY },
	{ "range", "<nnn?:a>", native_range, 3, NATIVE_STATES_ONLY },
	{ "hash", "<s-s:s>", native_hash, 2, NATIVE_STATES_ONLY },
	{ "random", "<n?:n>", native_random_seeded, 1, NATIVE_STATES_ONLY },
	{ "uuid", "<:s>", native_uuid, 0, NATIVE_STATES_ONLY },
	{ "parse", "<s-:x>", native_parse, 1, NATIVE_STATES_ONLY },
};

const int natives_count = sizeof natives / sizeof *natives;

int native_find(struct str name, enum jsonata_flavour flavour)
{
	uint8_t foreign = flavour == JSONATA_STATES ? NATIVE_LIBRARY_ONLY : NATIVE_STATES_ONLY;
	for (int i = 0; i < natives_count; i++)
		if (natives[i].flavour != foreign && str_eqz(name, natives[i].name))
			return i;
	return -1;
}
