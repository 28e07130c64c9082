/* contract_protocol.c: of the contract: an owner that follows the protocol of store.h under faults of every kind, and two back ends
 * that are given the same random script and must then hold the same. */
#include "base/random.h"
#include "tests/store/contract.h"

/* ---- an owner under faults -------------------------------------------------------------------------------- */

/* Appends records 0, 1, 2 … of one execution, one to a batch, several batches outstanding, following store.h's protocol. */
struct owner {
	struct fixture *fixture;
	struct random random;
	uint64_t next; /* number of the next record, and sequence - first_sequence of its batch */
	uint64_t stored; /* records known to be stored */
	uint64_t wanted;
	unsigned outstanding;
	bool unknown, reading, fenced, done;
	unsigned seen[4];
};

static void owner_go(struct owner *owner);

static void owner_sequence(void *data, uint64_t sequence, int code, const struct wf_error *err)
{
	struct owner *owner = data;
	assert_int_equal(code, 0);
	assert_int_equal(owner->outstanding, 0);
	assert_true(sequence >= owner->stored);
	owner->stored = owner->next = sequence;
	owner->unknown = owner->reading = false;
	owner_go(owner);
}

static void owner_done(struct store_batch *batch, enum store_result result, const struct wf_error *err)
{
	struct owner *owner = batch->data;
	owner->outstanding--;
	owner->seen[result]++;
	switch (result) {
	case STORE_COMMITTED:
		/* Whatever was lost before: what is committed follows what is stored. */
		assert_true(owner->unknown ? batch->sequence > owner->stored : batch->sequence == owner->stored + 1);
		owner->stored = batch->sequence;
		break;
	case STORE_FAILED:
		/* It may be an old one that fails while the new numbering is under way: only one that begins anew counts. */
		if (!owner->unknown && batch->sequence == owner->stored + 1)
			owner->next = owner->stored;
		break;
	case STORE_FENCED:
		owner->fenced = true;
		break;
	case STORE_UNKNOWN:
		owner->unknown = true;
		break;
	}
	store_batch_free(batch);
	if (owner->fenced && !owner->outstanding) {
		/* As a new owner would, but for the reading of everything. */
		struct store_lease lease;
		assert_int_equal(store_acquire(owner->fixture->store, &lease, NULL), 0);
		owner->fixture->lease = lease;
		owner->stored = owner->next = lease.sequence;
		owner->fenced = owner->unknown = false;
	}
	owner_go(owner);
}

static void owner_go(struct owner *owner)
{
	if (owner->fenced || owner->reading)
		return;
	if (owner->unknown) {
		if (!owner->outstanding) {
			owner->reading = true;
			store_read_sequence(owner->fixture->store, owner_sequence, owner);
		}
		return;
	}
	if (owner->stored == owner->wanted && !owner->outstanding)
		owner->done = true;
	while (owner->outstanding < 6 && owner->next < owner->wanted) {
		struct store_batch *b = store_batch_new();
		b->epoch = owner->fixture->lease.epoch;
		b->sequence = owner->next + 1;
		add_record(b, ID(1), (uint32_t)owner->next, arena_format(&b->arena, "record %llu", (unsigned long long)owner->next));
		b->done = owner_done;
		b->data = owner;
		owner->next++;
		owner->outstanding++;
		store_submit(owner->fixture->store, b);
	}
}

static enum fault any_fault(void *data, const struct store_batch *batch)
{
	struct owner *owner = data;
	uint64_t n = random_below(&owner->random, 60);
	return n > FAULT_LOSE ? FAULT_NONE : (enum fault)n;
}

static void an_owner_that_follows_the_protocol_stores_everything_once(void **state)
{
	struct fixture *f = *state;
	if (!f->variant.faulty)
		return;
	unsigned seen[4] = { 0 };
	for (uint64_t seed = 0; seed < 10; seed++) {
		struct owner owner = { .fixture = f, .stored = f->lease.sequence, .next = f->lease.sequence, .wanted = f->lease.sequence + 200 };
		random_seed(&owner.random, seed);
		faulty_set(f->store, any_fault, &owner);
		owner_go(&owner);
		test_loop_until_true(f->loop, &owner.done, 60);
		faulty_set(f->store, NULL, NULL);
		f->lease.sequence = owner.stored;
		for (int i = 0; i < 4; i++)
			seen[i] += owner.seen[i];
	}
	for (int i = 0; i < 4; i++)
		assert_true(seen[i] > 0);
	struct answer a = records(f, ID(1), 0, false, SIZE_MAX);
	assert_int_equal(a.count, 2000);
	for (uint32_t i = 0; i < a.count; i++)
		assert_str(a.records[i].bytes, arena_format(&f->arena, "record %u", i));
}

/* ---- two back ends, one script ------------------------------------------------------------------------------ */

/* A random batch; some of them fail. The same seed and step give the same on every back end. */
static void script_batch(struct store_batch *b, struct random *random, const char *const *names)
{
	uint64_t ops = 1 + random_below(random, 12);
	for (uint64_t i = 0; i < ops; i++) {
		uint64_t id = ID(1 + random_below(random, 40)), n = random_below(random, 100);
		if (n < 20)
			add_execution(b, id, 1 + random_below(random, 3), names[random_below(random, 8)], (int64_t)random_below(random, 50));
		else if (n < 30)
			add_end(b, id, (uint8_t)random_below(random, 4), random_below(random, 3) ? 50 + (int64_t)random_below(random, 60) : 0);
		else if (n < 50)
			add_record(b, id, (uint32_t)random_below(random, 4), arena_format(&b->arena, "%llu", (unsigned long long)random_u64(random)));
		else if (n < 55)
			add_snapshot(b, id, (uint32_t)random_below(random, 4), arena_format(&b->arena, "%llu", (unsigned long long)random_u64(random)));
		else if (n < 65)
			add_open(b, id, (int64_t)random_below(random, 20));
		else if (n < 70)
			add_delete_open(b, id);
		else if (n < 80)
			add_message(b, id, ID(1 + random_below(random, 5)), random_below(random, 30), STR("m"));
		else if (n < 90)
			add_delete_message(b, id, random_below(random, 200));
		else if (n < 92)
			add_delete_message_by_key(b, id, ID(1 + random_below(random, 5)), random_below(random, 30));
		else if (n < 97)
			add_item(b, (uint8_t)random_below(random, 3), str_of(names[random_below(random, 8)]), STR("i"));
		else
			add_delete_item(b, (uint8_t)random_below(random, 3), str_of(names[random_below(random, 8)]));
	}
}

static void run_script(struct fixture *f, uint64_t seed, struct buffer *log)
{
	static const char *const names[] = { "", "", "", "a", "b", "c", "d", "e" };
	struct random random;
	random_seed(&random, seed);
	for (int step = 0; step < 400; step++) {
		struct wf_error err = { 0 };
		struct store_batch *b = batch_next(f);
		script_batch(b, &random, names);
		enum store_result result = commit(f, b, &err);
		buffer_printf(log, "%d %s\n", result, err.code ? error_code_name(err.code) : "");
		if (step % 50 == 49)
			buffer_printf(log, "purged %llu\n", (unsigned long long)purge(f, 80, UINT32_MAX).number);
	}
	dump(f, log);
}

/* Equal, or the first lines that differ are shown. */
static void same_lines(const char *got, const char *wanted)
{
	for (int line = 1; strcmp(got, wanted) != 0; line++) {
		size_t a = strcspn(got, "\n"), b = strcspn(wanted, "\n");
		if (a != b || memcmp(got, wanted, a) != 0) {
			fprintf(stderr, "line %d: got <%.*s>, wanted <%.*s>\n", line, (int)a, got, (int)b, wanted);
			fail();
		}
		got += a + (got[a] != 0);
		wanted += b + (wanted[b] != 0);
	}
}

static void every_back_end_makes_the_same_of_a_random_script(void **state)
{
	struct fixture *f = *state;
	struct fixture *memory = fixture_new((struct variant){ "memory", false, false });
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct buffer wanted = { 0 }, got = { 0 };
		run_script(memory, seed, &wanted);
		run_script(f, seed, &got);
		same_lines(got.data, wanted.data);
		buffer_done(&wanted);
		buffer_done(&got);
	}
	fixture_free(memory);
}

static const struct contract_test tests[] = {
	TEST(an_owner_that_follows_the_protocol_stores_everything_once),
	TEST(every_back_end_makes_the_same_of_a_random_script),
};
const struct contract_group contract_protocol = CONTRACT_GROUP(tests);
