/* report.c: complaints about a definition, and what the table of fields alone can tell about an object. */
#include "base/mem.h"
#include "dsl/compile.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- making and ordering diagnostics ---------------------------------------------------- */

struct str expecting(struct compiler *c, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct str text = arena_vformat(c->scratch, format, args);
	va_end(args);
	return text;
}

void report(struct compiler *c, const struct report *r, const char *format, ...)
{
	struct diagnostics *list = c->diagnostics;
	*(r->severity == DIAGNOSTIC_ERROR ? &list->errors : &list->warnings) += 1;
	/* Warnings leave room for the errors that are still to come. */
	if (c->stored >= (r->severity == DIAGNOSTIC_ERROR ? DIAGNOSTICS_MAX : DIAGNOSTICS_MAX / 2))
		return;
	c->stored++;
	struct diagnostic *d = ARENA_NEW(c->scratch, struct diagnostic);
	d->severity = r->severity;
	d->code = r->code;
	va_list args;
	va_start(args, format);
	d->message = arena_vformat(c->scratch, format, args);
	va_end(args);
	if (r->location)
		d->location = djson_pointer(r->location, c->scratch);
	d->expected = r->expected;
	d->offset = r->offset;
	d->length = r->length;
	*list->tail = d;
	list->tail = &d->next;
}

/* By place; the order of reporting decides between equals, so that the sort must not move those (qsort may). */
struct ranked {
	struct diagnostic *diagnostic;
	unsigned rank;
};

static int ranked_compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->diagnostic->offset != y->diagnostic->offset)
		return x->diagnostic->offset < y->diagnostic->offset ? -1 : 1;
	return x->rank < y->rank ? -1 : 1;
}

void reports_finish(struct compiler *c)
{
	struct diagnostics *list = c->diagnostics;
	struct ranked *sorted = ARENA_ARRAY(c->scratch, struct ranked, c->stored + 1);
	unsigned count = 0;
	for (struct diagnostic *d = list->first; d && c->yaml; d = d->next)
		yaml_json_place(c->yaml, c->given, d->offset, d->length, &d->offset, &d->length);
	for (struct diagnostic *d = list->first; d; d = d->next, count++)
		sorted[count] = (struct ranked){ d, count };
	qsort(sorted, count, sizeof *sorted, ranked_compare);
	list->tail = &list->first;
	uint32_t line = 1, column = 1;
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		struct diagnostic *d = sorted[i].diagnostic;
		for (; at < d->offset && at < c->given.len; at++) {
			if (c->given.ptr[at] == '\n') {
				line++;
				column = 1;
			} else if (((unsigned char)c->given.ptr[at] & 0xc0) != 0x80) {
				column++;
			}
		}
		d->line = line;
		d->column = column;
		*list->tail = d;
		list->tail = &d->next;
	}
	*list->tail = NULL;
}

/* ---- reading an object by the table ----------------------------------------------------- */

bool node_is_jsonata(const struct djson *node)
{
	return node->kind == VALUE_STRING && expr_is_jsonata(node->text);
}

/* "String", "Number or Array": the kinds of a row in words. */
static struct str kinds_text(struct compiler *c, const struct field_row *row)
{
	static const char *const names[] = {
		[VALUE_NULL] = "Null",     [VALUE_BOOL] = "Boolean", [VALUE_NUMBER] = "Number",
		[VALUE_STRING] = "String", [VALUE_ARRAY] = "Array",  [VALUE_OBJECT] = "Object"
	};
	char text[128] = "";
	for (unsigned kind = 0; kind < sizeof names / sizeof *names; kind++) {
		if (!(row->kinds & 1u << kind) || (kind == VALUE_NULL && row->kinds != 1u << VALUE_NULL))
			continue;
		size_t len = strlen(text);
		const char *name = kind == VALUE_NUMBER && (row->flags & FIELD_INTEGER) ? "Integer" : names[kind];
		snprintf(text + len, sizeof text - len, "%s%s", len ? " or " : "", name);
	}
	return arena_str(c->scratch, str_of(text));
}

static void wrong_kind(struct compiler *c, const struct djson *node, const struct field_row *row,
		       enum query_language language)
{
	struct str kinds = kinds_text(c, row);
	bool jsonata = language == QUERY_JSONATA && (row->flags & FIELD_JSONATA);
	report_value(c, node,
		     expecting(c, "%.*s%s, not %s", STR_FMT(kinds),
			       jsonata ? " or a JSONata expression \"{% … %}\"" : "", value_kind_name(node->kind)),
		     "Expected value of type %.*s", STR_FMT(kinds));
}

static bool number_fits(struct compiler *c, const struct djson *node, const struct field_row *row)
{
	double number = compile_double(c, node);
	if ((row->flags & FIELD_INTEGER) && number != floor(number)) {
		report_value(c, node, expecting(c, "a whole number, not %.*s", STR_FMT(str_sub(node->text, 0, 40))),
			     "Expected value of type Integer");
		return false;
	}
	if ((row->flags & FIELD_RANGE) && !(number >= row->low && number <= row->high)) {
		report_value(c, node, expecting(c, "a number from %.0f to %.0f", row->low, row->high),
			     number < row->low ? "The value must be greater than or equal to %.0f"
					       : "The value must be less than or equal to %.0f",
			     number < row->low ? row->low : row->high);
		return false;
	}
	return true;
}

bool fields_read_one(struct compiler *c, const struct djson *member, enum query_language language,
		     struct fields *fields)
{
	const struct field_row *row = field_row(fields->owner, language, member->key);
	if (!row)
		return false;
	fields->members[row->field] = member;
	if (language == QUERY_JSONATA && (row->flags & FIELD_JSONATA) && node_is_jsonata(member)) {
		fields->at[row->field] = member;
	} else if (!(row->kinds & 1u << member->kind)) {
		wrong_kind(c, member, row, language);
	} else if (member->kind == VALUE_NUMBER && !number_fits(c, member, row)) {
		return true;
	} else if ((row->flags & FIELD_NOT_EMPTY) && !member->first && !member->text.len) {
		report_value(c, member, STR("at least one"), "Value cannot be empty");
	} else {
		fields->at[row->field] = member;
	}
	return true;
}

/* How many single-letter changes turn one word into the other; for short words. */
static unsigned distance(struct str a, struct str b)
{
	enum { LETTERS = 40 };
	if (a.len >= LETTERS || b.len >= LETTERS)
		return LETTERS;
	unsigned row[LETTERS];
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned best = diagonal + ((a.ptr[i - 1] | 0x20) != (b.ptr[j - 1] | 0x20));
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.len];
}

static void unknown_field(struct compiler *c, const struct djson *member, enum query_language language,
			  const struct fields *fields, bool warning)
{
	enum query_language other = language == QUERY_JSONPATH ? QUERY_JSONATA : QUERY_JSONPATH;
	const char *owner = field_owner_name(fields->owner), *nearest = NULL;
	unsigned best = 4;
	for (unsigned i = 0; i < field_rows_count; i++) {
		const struct field_row *row = &field_rows[i];
		if (!(row->owners & 1u << fields->owner) || !(row->languages & 1u << language))
			continue;
		unsigned d = distance(member->key, str_of(field_name(row->field)));
		if (d < best) {
			best = d;
			nearest = field_name(row->field);
		}
	}
	struct str expected = expecting(c, "a field of %s", owner);
	if (field_row(fields->owner, other, member->key))
		expected = expecting(c, "a field of %s in %s; this one belongs to %s", owner,
				     language == QUERY_JSONATA ? "JSONata" : "JSONPath",
				     language == QUERY_JSONATA ? "JSONPath" : "JSONata");
	else if (nearest)
		expected = expecting(c, "a field of %s: %s?", owner, nearest);
	struct str shown = str_sub(member->key, 0, 200);
	report(c,
	       &(struct report){ AT_KEY(fields->object, member), .expected = expected,
				 .severity = warning ? DIAGNOSTIC_WARNING : DIAGNOSTIC_ERROR },
	       "Field '%.*s' is not supported", STR_FMT(shown));
}

static void check_required(struct compiler *c, enum query_language language, const struct fields *fields)
{
	char missing[256] = "";
	for (unsigned i = 0; i < field_rows_count; i++) {
		const struct field_row *row = &field_rows[i];
		if (!(row->flags & FIELD_REQUIRED) || !(row->owners & 1u << fields->owner) ||
		    !(row->languages & 1u << language) || fields->members[row->field])
			continue;
		size_t len = strlen(missing);
		snprintf(missing + len, sizeof missing - len, "%s%s", len ? ", " : "", field_name(row->field));
	}
	if (*missing)
		report_object(c, fields->object, expecting(c, "%s with %s", field_owner_name(fields->owner), missing),
			      "These fields are required: [%s]", missing);
}

void fields_check(struct compiler *c, enum query_language language, const struct fields *fields)
{
	check_required(c, language, fields);
	for (unsigned i = 0; i < field_conflicts_count; i++) {
		const struct field_conflict *conflict = &field_conflicts[i];
		const struct djson *first = fields->members[conflict->first],
				   *second = fields->members[conflict->second];
		if (!(conflict->owners & 1u << fields->owner) || !first || !second)
			continue;
		const struct djson *later = first->offset > second->offset ? first : second;
		report_key(c, fields->object, later,
			   expecting(c, "either %s or %s", field_name(conflict->first), field_name(conflict->second)),
			   "Only one of these fields is allowed: [%s, %s]", field_name(conflict->first),
			   field_name(conflict->second));
	}
}

void fields_read(struct compiler *c, const struct djson *object, enum field_owner owner, enum query_language language,
		 bool unknown_ok, struct fields *fields)
{
	memset(fields, 0, sizeof *fields);
	fields->object = object;
	fields->owner = owner;
	for (const struct djson *member = object->first; member; member = member->next)
		if (!member->duplicate && !fields_read_one(c, member, language, fields))
			unknown_field(c, member, language, fields, unknown_ok);
	fields_check(c, language, fields);
}
