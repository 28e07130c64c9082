/* program.c: from text to program: scopes, names and the graph between states; and the program's life. The overview is
 * in compile.h. */
#include "dsl/program.h"
#include "base/error.h"
#include "base/mem.h"
#include "dsl/compile.h"
#include <stdlib.h>

/* ---- scopes ----------------------------------------------------------------------------- */

uint32_t compile_scope_later(struct compiler *c, const struct djson *object, enum field_owner owner,
			     uint32_t owner_state, uint32_t branch)
{
	struct program *program = c->program;
	uint32_t depth = owner_state == STATE_NONE ? 0 : c->depth + 1;
	uint32_t index = program->scopes_count++;
	MEM_GROW(program->scopes, c->scopes_capacity, program->scopes_count);
	program->scopes[index] =
	    (struct scope){ .start = STATE_NONE, .owner = owner_state, .branch = branch, .comment = STR_EMPTY };
	if (depth > c->limits->state_depth) {
		report(c,
		       &(struct report){ AT_OBJECT(object), .code = DIAGNOSTIC_TOO_DEEPLY_NESTED,
					 .expected = expecting(c, "at most %lld levels of Map and Parallel states",
							       (long long)c->limits->state_depth) },
		       "The states are nested too deeply");
		return index;
	}
	struct pending *pending = ARENA_NEW(c->scratch, struct pending);
	*pending = (struct pending){ .object = object, .owner = owner, .scope = index, .depth = depth };
	*c->pending_tail = pending;
	c->pending_tail = &pending->next;
	return index;
}

/* State names are unique in the whole definition and at most 80 characters long. */
static void check_name(struct compiler *c, const struct djson *state)
{
	int64_t characters = 0;
	for (size_t i = 0; i < state->key.len; i++)
		characters += ((unsigned char)state->key.ptr[i] & 0xc0) != 0x80;
	if (characters == 0)
		report(c,
		       &(struct report){ AT_KEY(state, state), .code = DIAGNOSTIC_INVALID_STATE_NAME,
					 .expected = STR("a name") },
		       "The state name is empty");
	else if (characters > c->limits->name_chars)
		report(c,
		       &(struct report){ AT_KEY(state, state), .code = DIAGNOSTIC_INVALID_STATE_NAME,
					 .expected =
					     expecting(c, "1 to %lld characters", (long long)c->limits->name_chars) },
		       "The state name is longer than %lld characters", (long long)c->limits->name_chars);
	const struct djson *first = str_map_get(&c->names, state->key);
	if (!first) {
		str_map_put(&c->names, state->key, (void *)state);
		return;
	}
	struct str other = djson_pointer(first, c->scratch);
	report(c,
	       &(struct report){ AT_KEY(state, state), .code = DIAGNOSTIC_DUPLICATE_STATE_NAME,
				 .expected =
				     expecting(c, "a name of its own; %.*s has it", STR_FMT(str_sub(other, 0, 300))) },
	       "Duplicate State name: %.*s", STR_FMT(str_sub(state->key, 0, 200)));
}

/* Scopes whose states' names are to be collected. */
struct unnamed {
	const struct djson *object;
	struct unnamed *next;
};

static void unnamed_add(struct compiler *c, struct unnamed ***tail, const struct djson *object)
{
	if (!object || object->kind != VALUE_OBJECT)
		return;
	struct unnamed *unnamed = ARENA_NEW(c->scratch, struct unnamed);
	unnamed->object = object;
	**tail = unnamed;
	*tail = &unnamed->next;
}

/* Names of every scope, before any transition is looked at: a target in another scope is told apart from one that is
 * nowhere. */
static void collect_names(struct compiler *c, const struct djson *root)
{
	struct unnamed *list = NULL, **tail = &list;
	unnamed_add(c, &tail, root);
	for (; list; list = list->next) {
		const struct djson *states = djson_get(list->object, STR("States"));
		if (!states || states->kind != VALUE_OBJECT)
			continue;
		for (const struct djson *state = states->first; state; state = state->next) {
			const struct djson *branches = djson_get(state, STR("Branches"));
			check_name(c, state);
			unnamed_add(c, &tail, djson_get(state, STR("ItemProcessor")));
			unnamed_add(c, &tail, djson_get(state, STR("Iterator")));
			if (branches && branches->kind == VALUE_ARRAY)
				for (const struct djson *branch = branches->first; branch; branch = branch->next)
					unnamed_add(c, &tail, branch);
		}
	}
}

static uint32_t add_states(struct compiler *c, uint32_t count)
{
	struct program *program = c->program;
	uint32_t first = program->states_count;
	program->states_count += count;
	MEM_GROW(program->states, c->states_capacity, program->states_count);
	memset(program->states + first, 0, sizeof *program->states * count);
	for (uint32_t i = first; i < program->states_count; i++)
		program->states[i].index = i;
	return first;
}

static void compile_scope(struct compiler *c, const struct pending *pending)
{
	struct program *program = c->program;
	struct fields fields;
	fields_read(c, pending->object, pending->owner, program->language, false, &fields);
	const struct djson *states = fields.at[F_States], *timeout = fields.at[F_TimeoutSeconds];
	struct scope *scope = &program->scopes[pending->scope];
	scope->comment = compile_str(c, fields.at[F_Comment]);
	if (pending->scope == 0) {
		program->comment = scope->comment;
		program->version = compile_str(c, fields.at[F_Version]);
		program->timeout_s = timeout ? compile_number(c, &fields, F_TimeoutSeconds, FIELD_COUNT).value : 0;
	}
	if (!states)
		return;
	uint32_t first = scope->first = add_states(c, states->count);
	scope->count = states->count;
	c->scope = pending->scope;
	c->depth = pending->depth;
	c->states_object = states;
	for (const struct djson *state = states->first; state; state = state->next)
		if (!state->duplicate)
			str_map_put(&c->scope_names, state->key, (void *)(uintptr_t)(first + state->index + 1));
	scope->start = compile_target(c, fields.at[F_StartAt]);
	for (const struct djson *state = states->first; state; state = state->next)
		compile_state(c, state, &program->states[first + state->index]);
	str_map_done(&c->scope_names);
	c->scope_names = (struct str_map){ 0 };
}

/* ---- the graph -------------------------------------------------------------------------- */

/* States of one scope that were reached, and those whose transitions are still to be followed. */
struct reach {
	const struct scope *scope;
	bool *reached;
	uint32_t *stack, top;
};

static void reach(struct reach *r, uint32_t target)
{
	if (target == STATE_NONE || r->reached[target - r->scope->first])
		return;
	r->reached[target - r->scope->first] = true;
	r->stack[r->top++] = target;
}

static void check_reachable(struct compiler *c, const struct djson *states, const struct scope *scope)
{
	struct reach r = { .scope = scope,
			   .reached = ARENA_ARRAY(c->scratch, bool, scope->count),
			   .stack = ARENA_ARRAY(c->scratch, uint32_t, scope->count) };
	reach(&r, scope->start);
	while (r.top) {
		const struct state *state = &c->program->states[r.stack[--r.top]];
		reach(&r, state->next);
		for (uint32_t i = 0; i < state->catchers_count; i++)
			reach(&r, state->catchers[i].next);
		if (state->type != STATE_CHOICE)
			continue;
		reach(&r, state->choice.fallback);
		for (uint32_t i = 0; i < state->choice.rules_count; i++)
			reach(&r, state->choice.rules[i].next);
	}
	for (const struct djson *state = states->first; state; state = state->next)
		if (!state->duplicate && !r.reached[state->index])
			report(c,
			       &(struct report){ AT_KEY(state, state), .code = DIAGNOSTIC_MISSING_TRANSITION_TARGET,
						 .expected = STR("a Next, Default, Catch or StartAt that leads here") },
			       "State \"%.*s\" is not reachable.", STR_FMT(str_sub(state->key, 0, 200)));
}

/* ---- variables -------------------------------------------------------------------------- */

/* A variable and the scope it lives in, as one key. */
static struct str variable_key(struct compiler *c, uint32_t scope, struct str name)
{
	return arena_format(c->scratch, "%u %.*s", scope, STR_FMT(name));
}

/* Whether the Assign is a catcher's. */
static bool of_catcher(const struct assigned *assigned)
{
	const struct djson *array = assigned->member->parent->parent->parent;
	return array && str_eqz(array->key, "Catch");
}

/* An inner scope may read an outer one's variables but not assign to their names. AWS was seen to let it pass where
 * only a catcher assigns the outer one. */
static void check_variables(struct compiler *c)
{
	_cleanup_(str_map_done) struct str_map variables = { 0 };
	const struct program *program = c->program;
	for (struct assigned *a = c->assigned; a; a = a->next) {
		struct str key = variable_key(c, a->scope, a->name);
		if (!of_catcher(a) || !str_map_get(&variables, key))
			str_map_put(&variables, key, a);
	}
	for (const struct assigned *a = c->assigned; a; a = a->next) {
		const struct assigned *outer = NULL;
		for (uint32_t owner = program->scopes[a->scope].owner; owner != STATE_NONE && !outer;) {
			uint32_t scope = program->states[owner].scope;
			outer = str_map_get(&variables, variable_key(c, scope, a->name));
			owner = program->scopes[scope].owner;
		}
		if (!outer)
			continue;
		struct str place = djson_pointer(outer->member->parent, c->scratch);
		report(c,
		       &(struct report){
			   AT_KEY(a->member->parent, a->member), .code = DIAGNOSTIC_DUPLICATE_VARIABLE_NAME,
			   .severity = of_catcher(outer) ? DIAGNOSTIC_WARNING : DIAGNOSTIC_ERROR,
			   .expected = expecting(c, "another name; %.*s assigns it in a scope around this one",
						 STR_FMT(str_sub(place, 0, 300))) },
		       "Duplicate variable name: %.*s", STR_FMT(a->name));
	}
}

/* ---- the whole -------------------------------------------------------------------------- */

/* Repeated keys; those of states were told by their names. */
static void report_duplicates(struct compiler *c, const struct djson *root)
{
	for (const struct djson *node = root; node; node = djson_walk(node, root)) {
		const struct djson *state = node->duplicate ? str_map_get(&c->names, node->key) : NULL;
		if (!node->duplicate || (state && state->parent == node->parent))
			continue;
		report(c,
		       &(struct report){ AT_KEY(node, node), .code = DIAGNOSTIC_INVALID_JSON_DESCRIPTION,
					 .expected = STR("each field once") },
		       "Duplicate field '%.*s'", STR_FMT(str_sub(node->key, 0, 200)));
	}
}

static void read_machine_language(struct compiler *c, const struct djson *root)
{
	const struct djson *language = djson_get(root, STR("QueryLanguage"));
	if (!language || language->kind != VALUE_STRING || str_eqz(language->text, "JSONPath"))
		return;
	if (str_eqz(language->text, "JSONata"))
		c->program->language = QUERY_JSONATA;
	else
		report_value(c, language, STR("JSONPath or JSONata"),
			     "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]");
}

static void compile_machine(struct compiler *c, const struct djson *root)
{
	read_machine_language(c, root);
	collect_names(c, root);
	if (c->duplicates)
		report_duplicates(c, root);
	compile_scope_later(c, root, OWNER_MACHINE, STATE_NONE, 0);
	for (struct pending *pending = c->pending; pending; pending = pending->next) {
		if (c->program->states_count > c->limits->states) {
			report_object(c, pending->object,
				      expecting(c, "at most %lld states", (long long)c->limits->states),
				      "The definition has too many states");
			return;
		}
		compile_scope(c, pending);
	}
	check_variables(c);
	const struct djson *states = djson_get(root, STR("States"));
	if (!c->terminal && c->program->states_count)
		report(c,
		       &(struct report){ .offset = states->offset + states->length - 1,
					 .length = 1,
					 .code = DIAGNOSTIC_MISSING_END_STATE,
					 .expected = STR("a state with End: true, or a Succeed or Fail state") },
		       "Workflow has no terminal state");
	for (struct pending *pending = c->pending; pending; pending = pending->next) {
		const struct scope *scope = &c->program->scopes[pending->scope];
		if (scope->count && djson_get(pending->object, STR("StartAt")))
			check_reachable(c, djson_get(pending->object, STR("States")), scope);
	}
}

/* JSON of a definition in YAML; false after a complaint. */
static bool read_yaml(struct compiler *c)
{
	struct wf_error err = { 0 };
	size_t offset = 0;
	if (!definition_is_yaml(c->given))
		return true;
	if (yaml_to_json(c->given, c->yaml, &offset, &err) == 0) {
		c->source = buffer_str(&c->yaml->text);
		return true;
	}
	c->yaml = NULL;
	report(c,
	       &(struct report){ .offset = offset,
				 .length = 1,
				 .code = DIAGNOSTIC_INVALID_JSON_DESCRIPTION,
				 .expected = STR("YAML of mappings, lists and plain values") },
	       "Invalid YAML: %s", err.message);
	return false;
}

/* False after a complaint about the text as a whole. */
static bool read_text(struct compiler *c, struct djson **ret_root)
{
	struct djson_problem problem;
	if ((int64_t)c->source.len > c->limits->definition_bytes) {
		report(c,
		       &(struct report){
			   .expected = expecting(c, "at most %lld bytes", (long long)c->limits->definition_bytes) },
		       "The definition has %zu bytes", c->source.len);
		return false;
	}
	if (!read_yaml(c))
		return false;
	bool blank = true;
	for (size_t i = 0; i < c->source.len && blank; i++)
		blank = c->source.ptr[i] && strchr(" \t\r\n", c->source.ptr[i]);
	*ret_root = blank ? NULL : djson_read(c->source, c->limits->json_depth, c->scratch, &c->duplicates, &problem);
	if (!*ret_root && !blank) {
		report(c,
		       &(struct report){ .offset = problem.offset,
					 .length = problem.length,
					 .code = DIAGNOSTIC_INVALID_JSON_DESCRIPTION,
					 .expected = problem.expected },
		       "%.*s", STR_FMT(problem.message));
		return false;
	}
	if (blank || (*ret_root)->kind != VALUE_OBJECT) {
		report(c, &(struct report){ .expected = STR("an object with StartAt and States") },
		       "Definition must be a valid JSON object");
		return false;
	}
	return true;
}

/* The arrays grew on the heap; the finished program has them in its arena. */
static void settle(struct program *program)
{
	struct state *states = program->states;
	struct scope *scopes = program->scopes;
	program->states = ARENA_ARRAY(&program->arena, struct state, program->states_count + 1);
	program->scopes = ARENA_ARRAY(&program->arena, struct scope, program->scopes_count + 1);
	if (states)
		memcpy(program->states, states, sizeof *states * program->states_count);
	if (scopes)
		memcpy(program->scopes, scopes, sizeof *scopes * program->scopes_count);
	free(states);
	free(scopes);
}

/* Places of states in the text that was given. */
static void settle_places(const struct compiler *c, struct program *program)
{
	for (uint32_t i = 0; i < program->states_count; i++) {
		struct state *state = &program->states[i];
		size_t end = yaml_json_end(c->yaml, state->offset + state->length), length;
		yaml_json_place(c->yaml, c->given, state->offset, state->length, &state->offset, &length);
		state->length = end > state->offset ? end - state->offset : length;
	}
}

int program_compile(struct str text, const struct program_options *options, struct arena *arena,
		    struct diagnostics *diagnostics, struct program **ret_program)
{
	static const struct limits defaults = LIMITS_DEFAULT;
	struct program *program = NEW(struct program);
	*program = (struct program){ .refs = 1, .comment = STR_EMPTY, .version = STR_EMPTY };
	*diagnostics = (struct diagnostics){ .tail = &diagnostics->first };
	struct yaml_json yaml = { 0 };
	struct compiler c = { .source = text,
			      .given = text,
			      .yaml = &yaml,
			      .scratch = arena,
			      .program = program,
			      .arena = &program->arena,
			      .diagnostics = diagnostics };
	c.limits = options && options->limits ? options->limits : &defaults;
	c.express = options && options->express;
	c.distributed = options && options->distributed;
	c.pending_tail = &c.pending;
	struct djson *root;
	if (read_text(&c, &root))
		compile_machine(&c, root);
	if (!yaml.count)
		c.yaml = NULL;
	reports_finish(&c);
	str_map_done(&c.names);
	str_map_done(&c.labels);
	program->source = arena_str(&program->arena, text);
	settle(program);
	if (c.yaml)
		settle_places(&c, program);
	yaml_json_done(&yaml);
	if (diagnostics->errors) {
		program_unref(program);
		return ERR(INVALID);
	}
	*ret_program = program;
	return 0;
}

/* ---- the program's life ----------------------------------------------------------------- */

struct program *program_ref(const struct program *program)
{
	struct program *p = (struct program *)program;
	p->refs++;
	return p;
}

void program_unref(const struct program *program)
{
	struct program *p = (struct program *)program;
	if (!p || --p->refs)
		return;
	struct arena arena = p->arena;
	free(p);
	arena_done(&arena);
}

const struct state *program_state(const struct program *program, uint32_t scope, struct str name)
{
	if (scope >= program->scopes_count)
		return NULL;
	const struct scope *s = &program->scopes[scope];
	for (uint32_t i = s->first; i < s->first + s->count; i++)
		if (str_eq(program->states[i].name, name))
			return &program->states[i];
	return NULL;
}
