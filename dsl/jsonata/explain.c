/* explain.c: looking into a compiled program: its tree as text, and the variables it reads. */
#include "dsl/jsonata/syntax.h"
#include "base/buffer.h"

/* ---- every node ------------------------------------------------------------------------- */

static void walk(const struct node *node, int depth, void (*visit)(void *data, const struct node *node, int depth),
		 void *data)
{
	if (!node)
		return;
	visit(data, node, depth++);
	const struct node *operands[] = { node->a, node->b, node->c };
	for (int i = 0; i < 3; i++)
		walk(operands[i], depth, visit, data);
	if (node->kind != NODE_SORT)
		for (uint32_t i = 0; i < node->count; i++)
			walk(node->list[i], depth, visit, data);
	for (uint32_t i = 0; node->kind == NODE_SORT && i < node->count; i++)
		walk(node->terms[i].expression, depth, visit, data);
	for (uint32_t i = 0; node->group && i < node->group->count; i++) {
		walk(node->group->keys[i], depth, visit, data);
		walk(node->group->values[i], depth, visit, data);
	}
	for (uint32_t i = 0; i < node->stage_count; i++)
		walk(node->stages[i].predicate, depth, visit, data);
}

/* ---- the tree as text ------------------------------------------------------------------- */

static void explain_node(void *data, const struct node *node, int depth)
{
	static const char *const kinds[] = {
#define X(name) #name,
		NODE_KINDS(X)
#undef X
	};
	struct buffer *out = data;
	for (int i = 0; i < depth; i++)
		buffer_addz(out, "  ");
	for (const char *kind = kinds[node->kind]; *kind; kind++)
		buffer_byte(out, (char)(*kind | 32));
	if (node->kind != NODE_PATH && node->text.len) {
		buffer_byte(out, ' ');
		value_write_string(node->text, out);
	}
	const struct {
		bool set;
		const char *text;
	} marks[] = { { node->keep_array || node->keep_singleton, "keeps arrays" },
		      { node->cons, "not flattened" },
		      { node->tuple, "tuples" },
		      { node->stage_count > 0, "predicates" },
		      { node->has_group, "grouped" } };
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (marks[i].set)
			buffer_printf(out, " (%s)", marks[i].text);
	buffer_byte(out, '\n');
}

void jsonata_explain(const struct jsonata *program, struct buffer *buffer)
{
	walk(program->root, 0, explain_node, buffer);
}

/* ---- variables -------------------------------------------------------------------------- */

struct references {
	const struct jsonata *program;
	void (*visit)(void *data, struct str name, struct str reference);
	void *data;
};

static bool is_free(const struct jsonata *program, const struct node *node)
{
	return node->kind == NODE_VARIABLE && node->name && node->native < 0 && node->text.len &&
	       !str_eqz(node->text, "$") && !program->names.bound[node->name];
}

static void visit_references(void *data, const struct node *node, int depth)
{
	struct references *r = data;
	const struct node *first = node->kind == NODE_PATH ? node->list[0] : node, *last = first;
	if (!is_free(r->program, first))
		return;
	for (uint32_t i = 1; node->kind == NODE_PATH && i < node->count && node->list[i]->kind == NODE_NAME; i++)
		last = node->list[i];
	size_t start = first->start, end = last->end > start ? last->end : first->end;
	r->visit(r->data, first->text, str_sub(r->program->text, start, end - start));
}

void jsonata_references(const struct jsonata *program, void (*visit)(void *data, struct str name, struct str reference),
			void *data)
{
	struct references references = { program, visit, data };
	walk(program->root, 0, visit_references, &references);
}
