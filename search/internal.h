/* internal.h: what the files of search/ share.
 *
 *     feed.c      loop: commits into the queue; life
 *     catchup.c   loop: reads the store for what the file does not have
 *     writer.c    its thread: queue → tracked executions → rows, words, figures
 *     track.c     one execution as the writer follows it: events → row, durations of states
 *     memory.c    figures in memory, for the overview
 *     parts.c     words, in parts by ranges of ids, so that they go when their executions do
 *     reader.c    its thread: questions */
#pragma once
#include "base/map.h"
#include "base/mem.h"
#include "search/file.h"
#include <pthread.h>

enum {
	SEARCH_QUEUE_BYTES = 32 << 20,  /* beyond it the feed is dropped, and read from the store later */
	SEARCH_CATCHUP_BYTES = 1 << 20, /* beyond it catching up waits */
	SEARCH_TRACKED = 4096,          /* executions that the writer remembers beyond a transaction */
	SEARCH_VISITS_KEPT = 64,        /* open visits that a row has at most; beyond it the journal is asked for */
	SEARCH_PAGE = 1000,             /* rows that run, looked at while catching up */
	SEARCH_CHANGED = 200,           /* rows told at once */
	SEARCH_MINUTES = 60,
	WRITER_RECENT = 64,
};
/* Ids are nearly in the order of commits: catching up begins this much below the highest. */
#define SEARCH_ID_MARGIN ((uint64_t)10000 << 8)

/* ---- the queue: entries one behind the other ---- */

enum entry_kind {
	ENTRY_FEED, /* what a commit had */
	ENTRY_FULL, /* a part of an execution's journal, read from the store */
	ENTRY_GONE, /* the store has it no more */
	ENTRY_CAUGHT_UP,
};

/* A record's bytes follow each other; blobs only where a payload is looked at. */
struct entry {
	enum entry_kind kind;
	uint64_t id, machine;
	enum execution_status status;
	int64_t start_ms, stop_ms;
	bool begun, first, last; /* first, last: parts of FULL */
	uint64_t version, parent;
	struct str name;
	uint32_t records_count;
	struct reader records;
};
/* With the records behind it: entry_put_record for each. Returns where the count stands, for whoever does not know it. */
void entry_put(struct buffer *out, const struct entry *entry);
void entry_put_record(struct buffer *out, const struct store_record *record);
bool entry_read(struct reader *in, struct entry *ret_entry);
bool entry_read_record(struct reader *in, struct arena *arena, uint32_t *ret_number, struct record *ret_record);

/* ---- one execution ---- */

struct visit { /* of a state that has not been left */
	const char *state; /* interned; NULL: none */
	int64_t entered_ms;
	uint32_t attempts;
	bool stopped; /* failed or cut off: a redrive goes on with it */
};

struct tracked {
	struct search_row row; /* name, error, state: own memory */
	bool in_file, dirty;
	bool filling; /* further parts of its journal come */
	bool recent;  /* had something since it was last looked at for forgetting */
	enum execution_status counted; /* the status that the counters have it under; valid if in_file */
	uint32_t records;      /* that are in the figures */
	uint32_t seen;         /* whose visits are followed */
	struct visit root;     /* of frame 0 */
	struct u64_map visits; /* of the other frames */
	bool failing;
	uint32_t failed_frame;
	const char *failed_state;
	struct buffer words; /* of a new one */
};

struct delta {
	uint64_t machine;
	int64_t hour;
	const char *state; /* "": the execution */
	struct figure figure;
};
struct minute_delta {
	uint64_t machine;
	int64_t minute;
	uint64_t started, failed;
};

struct writer {
	struct file file;
	struct u64_map tracked;
	struct u64_map needed;  /* asked for */
	struct str_map strings; /* interned states */
	struct str_map deltas;  /* key → struct delta */
	struct str recent_strings[WRITER_RECENT]; /* found without hashing */
	struct delta *recent_deltas[WRITER_RECENT];
	struct minute_delta *minutes;
	size_t minutes_count, minutes_capacity;
	struct tracked **dirty;
	size_t dirty_count, dirty_capacity;
	uint64_t high, catch_from; /* catch_from 0: nothing to catch up */
	struct u64_map skipped; /* executions whose further FULL parts are skipped */
	int64_t swept_ms;
	uint64_t swept_id;
	int64_t retention_ms;
	size_t hand; /* where looking for what to forget goes on */
	struct buffer visits;
};

const char *writer_intern(struct writer *writer, struct str text);
struct figure *writer_figure(struct writer *writer, uint64_t machine, const char *state, int64_t time_ms);
struct minute_delta *writer_minute(struct writer *writer, uint64_t machine, int64_t time_ms);
struct tracked *tracked_new(const struct search_row *row);
void tracked_free(struct tracked *tracked);
void tracked_set_text(struct str *place, struct str text);
/* Folds a record; figures count only if `counts`. 0 or ERR(CORRUPT). */
/* As if nothing had been folded yet; what is counted stays. */
void tracked_restart(struct tracked *tracked);
/* What a row keeps of it, so that it can be followed on without its journal; nothing if that would be too much. */
void tracked_write_visits(const struct tracked *tracked, struct buffer *out);
/* Goes on where the row stands. False: the bytes do not say where. */
bool tracked_read_visits(struct writer *writer, struct tracked *tracked, struct str bytes);
int tracked_record(struct writer *writer, struct tracked *tracked, const struct record *record, bool counts,
		   struct arena *arena);

/* ---- figures in memory ---- */

struct machine_memory {
	uint64_t machine;
	uint64_t counts[5];
	bool touched; /* counts are to be written */
	struct {
		int64_t hour;
		struct figure figure;
	} hours[SEARCH_HOURS + 1];
	struct {
		int64_t minute;
		uint64_t started, failed;
	} minutes[SEARCH_MINUTES + 1];
};

/* ---- the whole ---- */

struct changed {
	struct arena arena;
	struct search_row *rows;
	uint32_t count;
	bool more;
};

struct search_job {
	struct search_job *next;
	struct loop_post post;
	struct search *search;
	struct arena arena;
	void (*run)(struct search_job *job, struct file *file); /* on the reader's thread */
	void (*answer)(struct search_job *job);                 /* on the loop's */
	int code;
	void *data;
	union {
		search_rows_fn *rows;
		search_count_fn *count;
		search_texts_fn *texts;
		search_durations_fn *durations;
	} done;
	/* asked */
	struct search_request request;
	uint64_t id, machine;
	struct str text, text2;
	int64_t since_ms, now_ms;
	enum query_kind kind;
	uint32_t limit;
	/* found */
	struct search_row *rows;
	struct str *texts;
	struct search_duration *durations;
	uint32_t count;
	uint64_t go_on, number; /* go_on: the id that the next page is below */
};

struct wanted {
	uint64_t id;
	uint64_t records; /* nothing is to be done if its journal has as many; 0: it is read */
};

struct catching {
	bool active, listing, list_done;
	uint64_t from;           /* ids above it are looked for */
	struct store_execution last; /* where the listing stands */
	struct wanted *ids;      /* to be read */
	size_t ids_count, ids_at, ids_capacity;
	unsigned reading;
	struct loop_timer timer;
	uint64_t done, total;
};

struct search {
	char *path;
	struct loop *loop;
	struct store *store;
	struct engine *engine;
	struct clock_source *clock;
	search_changed_fn *changed;
	void *changed_data;
	struct catching catching;
	bool closing;
	unsigned questions; /* of the store, open */

	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct buffer queue;
	bool lost, stop, again;   /* to the writer */
	struct loop_post post;    /* from the writer … */
	bool posted;
	struct changed *told;
	struct wanted *need;
	size_t need_count, need_capacity;
	bool next_page;           /* the loop has looked at the rows that run, and asks for more */
	bool pages;               /* there are more */
	uint64_t page_after;
	uint32_t tracked_most;
	bool catch_up;            /* the loop is to begin */
	uint64_t catch_up_from;
	struct u64_map machines;  /* number → struct machine_memory */
	bool ready;
	struct search_row oldest; /* name: own memory */
	int64_t retention_ms;
	uint64_t catch_done, catch_total;

	pthread_t writer_thread, reader_thread;
	bool writer_runs, reader_runs;
	pthread_cond_t asked;
	struct search_job *jobs, **jobs_tail;
	unsigned jobs_open;
	bool reopen; /* the file was made anew */
	bool opened; /* the writer has it open: a reader may */
};

void *search_writer(void *search);
void *search_reader(void *search);
/* Loop: reads what the writer has asked for. */
void catchup_begin(struct search *search, uint64_t from);
void catchup_add(struct search *search, struct wanted wanted);
void catchup_run(struct search *search);
void catchup_done(struct search *search);
/* Memory; with the lock held. */
struct machine_memory *memory_of(struct search *search, uint64_t machine);
void memory_load(struct search *search, struct file *file, int64_t now_ms);
void memory_clear(struct search *search);
void memory_hour(struct machine_memory *memory, int64_t hour, const struct figure *figure);
void memory_minute(struct machine_memory *memory, int64_t minute, uint64_t started, uint64_t failed);
