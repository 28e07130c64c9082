/* collections.c: the intrinsic functions of arrays, objects and numbers. Elements are shared, not copied. */
#include "base/map.h"
#include "dsl/intrinsics/intrinsics.h"
#include <assert.h>

/* What one element of a new array costs. */
enum { SLOT_BYTES = 16 };

static bool room_for(const struct intrinsic_run *run, size_t elements)
{
	return evaluation_steps(run->evaluation, (int64_t)elements) &&
	       evaluation_bytes(run->evaluation, (uint64_t)elements * SLOT_BYTES);
}

/* ---- arrays -------------------------------------------------------------------------------------------- */

struct value *intrinsic_array(const struct intrinsic_run *run)
{
	if (!room_for(run, run->count))
		return NULL;
	struct value *array = value_new_array(run->count);
	for (size_t i = 0; i < run->count; i++)
		value_array_add(array, run->arguments[i]);
	return array;
}

struct value *intrinsic_array_partition(const struct intrinsic_run *run)
{
	int64_t size;
	if (!intrinsic_wants(run, 0, VALUE_ARRAY) || !intrinsic_integer(run, 1, &size))
		return NULL;
	if (size <= 0)
		return intrinsic_fail(run, "The argument 2 must be a positive integer but was %lld", (long long)size);
	size_t count = value_count(run->arguments[0]);
	if (!room_for(run, 2 * count))
		return NULL;
	struct value *parts = value_new_array(0);
	for (size_t i = 0; i < count;) {
		size_t len = (uint64_t)size < count - i ? (size_t)size : count - i;
		struct value *part = value_new_array(len);
		for (size_t end = i + len; i < end; i++)
			value_array_add(part, value_at(run->arguments[0], i));
		value_array_take(parts, part);
	}
	return parts;
}

struct value *intrinsic_array_contains(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_ARRAY))
		return NULL;
	bool found = false;
	for (size_t i = 0; !found && i < value_count(run->arguments[0]) && !run->evaluation->exceeded; i++)
		found = evaluation_equal(run->evaluation, value_at(run->arguments[0], i), run->arguments[1]);
	return value_new_bool(found);
}

/* The last element is included when a step falls on it. */
struct value *intrinsic_array_range(const struct intrinsic_run *run)
{
	int64_t from, to, step, most = run->evaluation->limits->array_range_items;
	if (!intrinsic_integer(run, 0, &from) || !intrinsic_integer(run, 1, &to) || !intrinsic_integer(run, 2, &step))
		return NULL;
	if (step == 0)
		return intrinsic_fail(run, "The argument 3 must not be zero");
	uint64_t count = 0;
	if (step > 0 ? from <= to : from >= to) {
		uint64_t distance = step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to;
		uint64_t stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
		count = distance / stride;
		if (count >= (uint64_t)most)
			return intrinsic_fail(run, "The array would have more than %lld items", (long long)most);
		count++;
	}
	if (!room_for(run, count))
		return NULL;
	struct value *array = value_new_array(count);
	for (uint64_t i = 0; i < count; i++)
		value_array_take(array, value_from_int((int64_t)((uint64_t)from + i * (uint64_t)step)));
	return array;
}

struct value *intrinsic_array_get_item(const struct intrinsic_run *run)
{
	int64_t index;
	if (!intrinsic_wants(run, 0, VALUE_ARRAY) || !intrinsic_integer(run, 1, &index))
		return NULL;
	size_t count = value_count(run->arguments[0]);
	if (index < 0 || (uint64_t)index >= count)
		return intrinsic_fail(run, "The index %lld is outside of the array, which has %zu items",
				      (long long)index, count);
	return value_ref(value_at(run->arguments[0], (size_t)index));
}

struct value *intrinsic_array_length(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_ARRAY))
		return NULL;
	return value_from_int((int64_t)value_count(run->arguments[0]));
}

/* Keeps the first of equal elements. Elements of one hash are chained: `next` is the index before, plus one. */
struct value *intrinsic_array_unique(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_ARRAY))
		return NULL;
	const struct value *array = run->arguments[0];
	size_t count = value_count(array);
	if (!room_for(run, 3 * count))
		return NULL;
	size_t *next = ARENA_ARRAY(run->evaluation->arena, size_t, count + 1);
	struct u64_map seen = { 0 };
	struct value *unique = value_new_array(0);
	for (size_t i = 0; i < count && !run->evaluation->exceeded; i++) {
		const struct value *one = value_at(array, i);
		uint64_t hash = evaluation_hash(run->evaluation, one);
		size_t newest = (size_t)(uintptr_t)u64_map_get(&seen, hash), other = newest;
		while (other && !evaluation_equal(run->evaluation, value_at(array, other - 1), one))
			other = next[other - 1];
		if (other)
			continue;
		next[i] = newest;
		u64_map_put(&seen, hash, (void *)(uintptr_t)(i + 1));
		value_array_add(unique, one);
	}
	u64_map_done(&seen);
	return unique;
}

/* ---- objects ------------------------------------------------------------------------------------------- */

static struct value *merge(const struct intrinsic_run *run, const struct value *a, const struct value *b, bool deep)
{
	size_t expected = value_count(a) + value_count(b);
	struct value *merged = value_new_object(expected);
	if (!evaluation_enter(run->evaluation))
		return merged;
	if (room_for(run, expected)) {
		for (size_t i = 0; i < value_count(a); i++)
			value_object_set(merged, value_key_at(a, i), value_at(a, i));
		for (size_t i = 0; i < value_count(b); i++) {
			struct str key = value_key_at(b, i);
			const struct value *theirs = value_at(b, i), *ours = deep ? value_get(a, key) : NULL;
			if (ours && value_is(ours, VALUE_OBJECT) && value_is(theirs, VALUE_OBJECT))
				value_object_take(merged, key, merge(run, ours, theirs, true));
			else
				value_object_set(merged, key, theirs);
		}
	}
	evaluation_leave(run->evaluation);
	return merged;
}

/* AWS merges only shallowly (third argument false); the specification's deep merge is here too. */
struct value *intrinsic_json_merge(const struct intrinsic_run *run)
{
	if (!intrinsic_wants(run, 0, VALUE_OBJECT) || !intrinsic_wants(run, 1, VALUE_OBJECT) ||
	    !intrinsic_wants(run, 2, VALUE_BOOL))
		return NULL;
	return merge(run, run->arguments[0], run->arguments[1], value_bool(run->arguments[2]));
}

/* ---- numbers ------------------------------------------------------------------------------------------- */

struct value *intrinsic_math_add(const struct intrinsic_run *run)
{
	int64_t a, b, sum;
	if (!intrinsic_integer(run, 0, &a) || !intrinsic_integer(run, 1, &b))
		return NULL;
	if (__builtin_add_overflow(a, b, &sum))
		return intrinsic_fail(run, "The sum of %lld and %lld is out of range", (long long)a, (long long)b);
	return value_from_int(sum);
}

/* From `start` on, below `end`. A seed as third argument always gives the same number. */
struct value *intrinsic_math_random(const struct intrinsic_run *run)
{
	int64_t start, end, seed;
	if (!intrinsic_integer(run, 0, &start) || !intrinsic_integer(run, 1, &end))
		return NULL;
	if (start >= end)
		return intrinsic_fail(run, "The start %lld must be less than the end %lld", (long long)start,
				      (long long)end);
	uint64_t range = (uint64_t)end - (uint64_t)start, offset;
	if (run->count == 3) {
		struct random seeded;
		if (!intrinsic_integer(run, 2, &seed))
			return NULL;
		random_seed(&seeded, (uint64_t)seed);
		offset = random_below(&seeded, range);
	} else {
		assert(run->evaluation->env->random);
		offset = random_below(run->evaluation->env->random, range);
	}
	return value_from_int((int64_t)((uint64_t)start + offset));
}
