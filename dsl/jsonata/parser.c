/* parser.c: from tokens to the raw tree, by operator precedence (Pratt).
 *
 * Each operator knows how strongly it binds to its left (syntax.h). parse_expression(power) reads an operand and then
 * goes on as long as the operator that follows binds stronger than `power`. The raw tree still has `.`, `[`, `^` … as
 * binary nodes; shape.c makes paths of them. */
#include "dsl/jsonata/signature.h"
#include "dsl/jsonata/regex.h"
#include "dsl/jsonata/syntax.h"
#include "base/buffer.h"
#include "base/mem.h"

static const uint8_t powers[OPERATOR_COUNT] = {
#define X(name, text, power) [OP_##name] = power,
	OPERATORS(X)
#undef X
};

static struct node *parse_expression(struct compiler *c, int power);

/* ---- tokens ---------------------------------------------------------------------------- */

static bool at_operator(const struct compiler *c, enum operator op)
{
	return c->token.kind == TOKEN_OPERATOR && c->token.op == op;
}

static void advance(struct compiler *c, bool operand)
{
	c->token = lexer_next(c, operand);
	if (c->token.kind == TOKEN_OPERATOR && (c->token.op == OP_BANG || c->token.op == OP_TILDE))
		compile_fail(c, JSONATA_S0204, c->token.start, c->token.end, &c->token.text, NULL);
}

static struct str quoted(struct compiler *c, struct str text)
{
	_cleanup_(buffer_done) struct buffer out = { 0 };
	value_write_string(text, &out);
	return arena_str(c->arena, buffer_str(&out));
}

static void expect(struct compiler *c, enum operator op, bool operand)
{
	if (!at_operator(c, op)) {
		struct str wanted = quoted(c, str_of(operator_text(op)));
		compile_fail(c, c->token.kind == TOKEN_END ? JSONATA_S0203 : JSONATA_S0202, c->token.start,
			     c->token.end, &c->token.text, &wanted);
	}
	advance(c, operand);
}

/* ---- nodes ----------------------------------------------------------------------------- */

static struct node *new_node(struct compiler *c, enum node_kind kind, const struct token *token)
{
	struct node *node = ARENA_NEW(c->arena, struct node);
	node->kind = kind;
	node->op = token->op;
	node->id = c->program->node_count++;
	node->start = token->start;
	node->end = token->end;
	node->text = token->text;
	node->native = -1;
	return node;
}

/* Keeps track of how high the tree grows: later passes and the evaluator recurse over it. */
static void grow(struct compiler *c, struct node *node, const struct node *child)
{
	if (!child)
		return;
	if (child->height >= node->height)
		node->height = child->height + 1;
	node->binds |= child->binds && child->kind != NODE_BLOCK && child->kind != NODE_LAMBDA;
	if (node->height > (uint32_t)c->depth_max) {
		struct str why = STR("The expression is nested too deeply");
		compile_fail(c, JSONATA_U1001, node->start, node->end, NULL, &why);
	}
}

struct node_list {
	struct node **items;
	uint32_t count, capacity;
};

static void list_add(struct compiler *c, struct node_list *list, struct node *node)
{
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? list->capacity * 2 : 4;
		struct node **items = ARENA_ARRAY(c->arena, struct node *, list->capacity);
		if (list->count)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
	}
	list->items[list->count++] = node;
}

static void take_list(struct compiler *c, struct node *node, struct node_list list)
{
	node->list = list.items;
	node->count = list.count;
	for (uint32_t i = 0; i < list.count; i++)
		grow(c, node, list.items[i]);
}

static struct node *binary(struct compiler *c, const struct token *token, struct node *left, struct node *right)
{
	struct node *node = new_node(c, NODE_BINARY, token);
	node->a = left;
	node->b = right;
	grow(c, node, left);
	grow(c, node, right);
	node->binds |= token->op == OP_BIND;
	return node;
}

/* ---- operands -------------------------------------------------------------------------- */

/* key: value, … } */
static struct group *parse_pairs(struct compiler *c, struct node *owner, const struct token *token)
{
	struct node_list keys = { 0 }, values = { 0 };
	if (!at_operator(c, OP_BRACE_END)) {
		for (;;) {
			list_add(c, &keys, parse_expression(c, 0));
			expect(c, OP_COLON, true);
			list_add(c, &values, parse_expression(c, 0));
			if (!at_operator(c, OP_COMMA))
				break;
			advance(c, true);
		}
	}
	expect(c, OP_BRACE_END, false);
	for (uint32_t i = 0; i < keys.count; i++) {
		grow(c, owner, keys.items[i]);
		grow(c, owner, values.items[i]);
	}
	struct group *group = ARENA_NEW(c->arena, struct group);
	*group = (struct group){ keys.items, values.items, keys.count, token->start, token->end };
	return group;
}

static struct node *parse_block(struct compiler *c, const struct token *token)
{
	struct node_list list = { 0 };
	while (!at_operator(c, OP_PAREN_END)) {
		list_add(c, &list, parse_expression(c, 0));
		if (!at_operator(c, OP_SEMICOLON))
			break;
		advance(c, true);
	}
	expect(c, OP_PAREN_END, false);
	struct node *node = new_node(c, NODE_BLOCK, token);
	take_list(c, node, list);
	return node;
}

static struct node *parse_array(struct compiler *c, const struct token *token)
{
	struct node_list list = { 0 };
	if (!at_operator(c, OP_BRACKET_END)) {
		for (;;) {
			struct node *item = parse_expression(c, 0);
			if (at_operator(c, OP_RANGE)) {
				struct token range = c->token;
				advance(c, true);
				item = binary(c, &range, item, parse_expression(c, 0));
			}
			list_add(c, &list, item);
			if (!at_operator(c, OP_COMMA))
				break;
			advance(c, true);
		}
	}
	expect(c, OP_BRACKET_END, false);
	struct node *node = new_node(c, NODE_ARRAY, token);
	take_list(c, node, list);
	return node;
}

/* | where | what to put there [, what to remove] | */
static struct node *parse_transform(struct compiler *c, const struct token *token)
{
	struct node *node = new_node(c, NODE_TRANSFORM, token);
	node->a = parse_expression(c, 0);
	expect(c, OP_BAR, true);
	node->b = parse_expression(c, 0);
	if (at_operator(c, OP_COMMA)) {
		advance(c, true);
		node->c = parse_expression(c, 0);
	}
	expect(c, OP_BAR, true);
	grow(c, node, node->a);
	grow(c, node, node->b);
	grow(c, node, node->c);
	return node;
}

static struct node *parse_operator_operand(struct compiler *c, const struct token *token)
{
	struct node *node;
	switch ((int)token->op) {
	case OP_AND:
	case OP_OR:
	case OP_IN:
		return new_node(c, NODE_NAME, token);
	case OP_TIMES:
		return new_node(c, NODE_WILDCARD, token);
	case OP_DESCENDANTS:
		return new_node(c, NODE_DESCENDANTS, token);
	case OP_PERCENT:
		return new_node(c, NODE_PARENT, token);
	case OP_MINUS:
		node = new_node(c, NODE_NEGATE, token);
		node->a = parse_expression(c, 70);
		grow(c, node, node->a);
		return node;
	case OP_PAREN:
		return parse_block(c, token);
	case OP_BRACKET:
		return parse_array(c, token);
	case OP_BRACE:
		node = new_node(c, NODE_OBJECT, token);
		node->group = parse_pairs(c, node, token);
		return node;
	case OP_BAR:
		return parse_transform(c, token);
	default:
		compile_fail(c, JSONATA_S0211, token->start, token->end, &token->text, NULL);
	}
}

static struct node *parse_operand(struct compiler *c, const struct token *token)
{
	struct node *node;
	switch (token->kind) {
	case TOKEN_END: /* who wanted more may have more to say; else shape.c refuses it */
		return new_node(c, NODE_OPERATOR, token);
	case TOKEN_NAME:
		return new_node(c, NODE_NAME, token);
	case TOKEN_VARIABLE:
		return new_node(c, NODE_VARIABLE, token);
	case TOKEN_STRING:
		return new_node(c, NODE_STRING, token);
	case TOKEN_NUMBER:
		node = new_node(c, NODE_NUMBER, token);
		node->number = token->number;
		return node;
	case TOKEN_VALUE:
		node = new_node(c, NODE_VALUE, token);
		node->boolean = str_eqz(token->text, "true");
		node->null = str_eqz(token->text, "null");
		return node;
	case TOKEN_REGEX:
		node = new_node(c, NODE_REGEX, token);
		struct str why = STR_EMPTY;
		node->regex = regex_compile(c->arena, token->text,
					    (token->ignore_case ? REGEX_IGNORE_CASE : 0) |
						(token->multiline ? REGEX_MULTILINE : 0) |
						(c->flavour == JSONATA_STATES ? REGEX_ASCII_SPACES : 0),
					    &why);
		if (!node->regex)
			compile_fail(c, JSONATA_S0303, token->start, token->end, &token->text, &why);
		return node;
	case TOKEN_OPERATOR:
		return parse_operator_operand(c, token);
	}
	return NULL;
}

/* ---- what goes on behind an operand ---------------------------------------------------- */

/* The signature of a lambda, "<sn:n>": its tokens' texts, up to the bracket that closes it. */
static void parse_signature(struct compiler *c, struct node *lambda)
{
	size_t start = c->token.start, end = c->token.end;
	struct str signature = STR("<"); /* in the arena: advance() may leave by a longjmp */
	for (int depth = 1; depth > 0 && !at_operator(c, OP_BRACE) && c->token.kind != TOKEN_END;) {
		advance(c, true);
		depth += at_operator(c, OP_LESS) - at_operator(c, OP_GREATER);
		if (signature.len > 1000)
			compile_fail(c, JSONATA_S0401, start, end, NULL, NULL);
		signature = arena_format(c->arena, "%.*s%.*s", STR_FMT(signature), STR_FMT(c->token.text));
	}
	expect(c, OP_GREATER, true);
	enum jsonata_code code = JSONATA_OK;
	struct str value = STR_EMPTY;
	size_t offset = 0;
	lambda->signature = signature_parse(c->arena, signature, &code, &value, &offset);
	if (!lambda->signature) {
		value = quoted(c, value);
		compile_fail(c, code, start, end + offset, NULL, &value);
	}
}

static bool is_lambda_word(const struct node *node)
{
	return node->kind == NODE_NAME && (str_eqz(node->text, "function") || str_eqz(node->text, "λ"));
}

static struct node *parse_lambda(struct compiler *c, struct node *call, const struct node *word)
{
	for (uint32_t i = 0; i < call->count; i++) {
		const struct node *parameter = call->list[i];
		if (parameter->kind == NODE_VARIABLE)
			continue;
		struct str index = arena_format(c->arena, "%u", i + 1);
		compile_fail(c, JSONATA_S0208, parameter->start, parameter->end, &parameter->text, &index);
	}
	call->kind = NODE_LAMBDA;
	if (at_operator(c, OP_LESS))
		parse_signature(c, call);
	expect(c, OP_BRACE, true);
	call->start = word->start;
	call->a = parse_expression(c, 0);
	grow(c, call, call->a);
	expect(c, OP_BRACE_END, true);
	return call;
}

static struct node *parse_call(struct compiler *c, const struct token *token, struct node *procedure)
{
	struct node *call = new_node(c, NODE_CALL, token);
	struct node_list arguments = { 0 };
	if (!at_operator(c, OP_PAREN_END)) {
		for (;;) {
			if (at_operator(c, OP_QUESTION)) {
				call->kind = NODE_PARTIAL;
				list_add(c, &arguments, new_node(c, NODE_OPERATOR, &c->token));
				advance(c, true);
			} else {
				list_add(c, &arguments, parse_expression(c, 0));
			}
			if (!at_operator(c, OP_COMMA))
				break;
			advance(c, true);
		}
	}
	expect(c, OP_PAREN_END, false);
	take_list(c, call, arguments);
	if (is_lambda_word(procedure))
		return parse_lambda(c, call, procedure);
	call->a = procedure;
	grow(c, call, procedure);
	return call;
}

/* An empty predicate, `[]`, asks to keep arrays of one; it belongs to the step itself. */
static struct node *parse_predicate(struct compiler *c, const struct token *token, struct node *left)
{
	if (at_operator(c, OP_BRACKET_END)) {
		struct node *step = left;
		while (step->kind == NODE_BINARY && step->op == OP_BRACKET)
			step = step->a;
		step->keep_array = true;
		advance(c, true);
		return left;
	}
	struct node *predicate = parse_expression(c, 0);
	expect(c, OP_BRACKET_END, false);
	return binary(c, token, left, predicate);
}

static struct node *parse_order_by(struct compiler *c, const struct token *token, struct node *left)
{
	struct node *node = new_node(c, NODE_SORT, token);
	node->a = left;
	grow(c, node, left);
	uint32_t capacity = 0;
	expect(c, OP_PAREN, true);
	for (;;) {
		if (node->count == capacity) {
			capacity = capacity ? capacity * 2 : 4;
			struct sort_term *terms = ARENA_ARRAY(c->arena, struct sort_term, capacity);
			if (node->count)
				memcpy(terms, node->terms, node->count * sizeof *terms);
			node->terms = terms;
		}
		struct sort_term *term = &node->terms[node->count++];
		term->descending = at_operator(c, OP_GREATER);
		if (at_operator(c, OP_LESS) || at_operator(c, OP_GREATER))
			advance(c, true);
		term->expression = parse_expression(c, 0);
		grow(c, node, term->expression);
		if (!at_operator(c, OP_COMMA))
			break;
		advance(c, true);
	}
	expect(c, OP_PAREN_END, true);
	return node;
}

static struct node *parse_condition(struct compiler *c, const struct token *token, struct node *left)
{
	struct node *node = new_node(c, NODE_CONDITION, token);
	node->a = left;
	node->b = parse_expression(c, 0);
	if (at_operator(c, OP_COLON)) {
		advance(c, true);
		node->c = parse_expression(c, 0);
	}
	grow(c, node, node->a);
	grow(c, node, node->b);
	grow(c, node, node->c);
	return node;
}

/* a ?: b is a ? a : b; a ?? b is $exists(a) ? a : b. The operand is read once by the evaluator. */
static struct node *parse_default(struct compiler *c, const struct token *token, struct node *left)
{
	struct node *node = new_node(c, NODE_CONDITION, token);
	node->a = left;
	node->c = parse_expression(c, 0);
	grow(c, node, left);
	grow(c, node, node->c);
	return node;
}

static struct node *parse_variable_binding(struct compiler *c, const struct token *token, struct node *left)
{
	struct node *right = parse_expression(c, powers[token->op]);
	if (right->kind != NODE_VARIABLE)
		compile_fail(c, JSONATA_S0214, right->start, right->end, &token->text, NULL);
	return binary(c, token, left, right);
}

static struct node *parse_continuation(struct compiler *c, const struct token *token, struct node *left)
{
	struct node *node;
	switch ((int)token->op) {
	case OP_PAREN:
		return parse_call(c, token, left);
	case OP_BRACKET:
		return parse_predicate(c, token, left);
	case OP_BRACE:
		node = binary(c, token, left, NULL);
		node->group = parse_pairs(c, node, token);
		return node;
	case OP_CARET:
		return parse_order_by(c, token, left);
	case OP_QUESTION:
		return parse_condition(c, token, left);
	case OP_ELVIS:
	case OP_COALESCE:
		return parse_default(c, token, left);
	case OP_AT:
	case OP_HASH:
		return parse_variable_binding(c, token, left);
	case OP_BIND:
		if (left->kind != NODE_VARIABLE)
			compile_fail(c, JSONATA_S0212, left->start, left->end, &left->text, NULL);
		return binary(c, token, left, parse_expression(c, powers[OP_BIND] - 1));
	default:
		return binary(c, token, left, parse_expression(c, powers[token->op]));
	}
}

static struct node *parse_expression(struct compiler *c, int power)
{
	if (++c->depth > c->depth_max) {
		struct str why = STR("The expression is nested too deeply");
		compile_fail(c, JSONATA_U1001, c->token.start, c->token.end, NULL, &why);
	}
	struct token token = c->token;
	if (token.kind != TOKEN_END)
		advance(c, false);
	struct node *left = parse_operand(c, &token);
	while (c->token.kind == TOKEN_OPERATOR && power < powers[c->token.op]) {
		token = c->token;
		advance(c, true);
		left = parse_continuation(c, &token, left);
	}
	c->depth--;
	return left;
}

struct node *parse_program(struct compiler *c)
{
	advance(c, true);
	struct node *root = parse_expression(c, 0);
	if (c->token.kind != TOKEN_END)
		compile_fail(c, JSONATA_S0201, c->token.start, c->token.end, &c->token.text, NULL);
	return root;
}
