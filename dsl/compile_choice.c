/* compile_choice.c: the rules of a Choice state. A rule is an object with one operator; And, Or and Not hold further
 * ones, which are bounded in depth by the reader. */
#include "base/timestamp.h"
#include "dsl/compile.h"

struct operator_row {
	const char *name;
	enum choice_node node;
	enum choice_comparison comparison;
	enum choice_operand operand;
	bool path;
};

/* clang-format off */
static const struct operator_row operators[] = {
#define X(name, comparison, operand)                                                      \
	{ #name, CHOICE_COMPARE, CHOICE_##comparison, CHOICE_##operand, false },          \
	{ #name "Path", CHOICE_COMPARE, CHOICE_##comparison, CHOICE_##operand, true },
	CHOICE_OPERATORS(X)
#undef X
	{ "StringMatches", CHOICE_MATCHES },
	{ "IsNull", CHOICE_IS_NULL },
	{ "IsPresent", CHOICE_IS_PRESENT },
	{ "IsNumeric", CHOICE_IS_NUMERIC },
	{ "IsString", CHOICE_IS_STRING },
	{ "IsBoolean", CHOICE_IS_BOOLEAN },
	{ "IsTimestamp", CHOICE_IS_TIMESTAMP },
	{ "And", CHOICE_AND },
	{ "Or", CHOICE_OR },
	{ "Not", CHOICE_NOT },
};
/* clang-format on */

static const struct operator_row *find_operator(struct str name)
{
	for (unsigned i = 0; i < sizeof operators / sizeof *operators; i++)
		if (str_eqz(name, operators[i].name))
			return &operators[i];
	return NULL;
}

static bool has_children(enum choice_node node)
{
	return node == CHOICE_AND || node == CHOICE_OR || node == CHOICE_NOT;
}

static bool expect_kind(struct compiler *c, const struct djson *node, enum value_kind kind, const char *aws_name)
{
	if (node->kind == kind)
		return true;
	report_value(c, node, expecting(c, "%s, not %s", aws_name, value_kind_name(node->kind)),
		     "Expected value of type %s", aws_name);
	return false;
}

static void compile_test(struct compiler *c, const struct djson *object, const struct djson *chosen,
			 struct choice_test *test);

static void compile_operand(struct compiler *c, const struct djson *node, struct choice_test *test)
{
	static const struct {
		enum value_kind kind;
		const char *name;
	} kinds[] = { [CHOICE_STRING] = { VALUE_STRING, "String" },
		      [CHOICE_NUMERIC] = { VALUE_NUMBER, "Number" },
		      [CHOICE_BOOLEAN] = { VALUE_BOOL, "Boolean" },
		      [CHOICE_TIMESTAMP] = { VALUE_STRING, "String" } };
	if (!expect_kind(c, node, kinds[test->operand_type].kind, kinds[test->operand_type].name))
		return;
	test->operand = compile_value(c, node);
	if (test->operand_type == CHOICE_TIMESTAMP && !timestamp_parse(node->text, &test->operand_ms))
		report_value(c, node, STR("a timestamp such as 2016-03-14T01:59:00Z"),
			     "String does not match RFC3339 timestamp");
}

static void compile_operator(struct compiler *c, const struct djson *node, const struct operator_row *row,
			     struct choice_test *test)
{
	test->node = row->node;
	test->comparison = row->comparison;
	test->operand_type = row->operand;
	switch (row->node) {
	case CHOICE_AND:
	case CHOICE_OR:
		if (!expect_kind(c, node, VALUE_ARRAY, "Array"))
			return;
		if (!node->count)
			report_value(c, node, STR("at least one rule"), "Value cannot be empty");
		test->children = ARENA_ARRAY(c->arena, struct choice_test, node->count);
		test->children_count = node->count;
		for (const struct djson *child = node->first; child; child = child->next)
			compile_test(c, child, NULL, &test->children[child->index]);
		return;
	case CHOICE_NOT:
		test->children = ARENA_NEW(c->arena, struct choice_test);
		test->children_count = 1;
		compile_test(c, node, NULL, test->children);
		return;
	case CHOICE_COMPARE:
		if (!row->path)
			compile_operand(c, node, test);
		else if (expect_kind(c, node, VALUE_STRING, "String"))
			test->operand_path = compile_path(c, node, PATH_ANY);
		return;
	case CHOICE_MATCHES:
		if (expect_kind(c, node, VALUE_STRING, "String"))
			test->pattern = compile_str(c, node);
		return;
	case CHOICE_IS_NULL:
	case CHOICE_IS_PRESENT:
	case CHOICE_IS_NUMERIC:
	case CHOICE_IS_STRING:
	case CHOICE_IS_BOOLEAN:
	case CHOICE_IS_TIMESTAMP:
		expect_kind(c, node, VALUE_BOOL, "Boolean");
		test->wanted = node->boolean;
		return;
	case CHOICE_CONDITION:
		return;
	}
}

/* A JSONPath test: exactly one operator; a Variable unless it combines others. A whole rule has more fields,
 * which go into `rule`; it is NULL for a nested test. */
static void compile_members(struct compiler *c, const struct djson *object, struct fields *rule,
			    struct choice_test *test)
{
	const struct djson *variable = NULL, *chosen = NULL;
	unsigned count = 0;
	bool unknown = false;
	for (const struct djson *member = object->first; member; member = member->next) {
		if (member->duplicate)
			continue;
		if (str_eqz(member->key, "Variable")) {
			variable = member;
		} else if (find_operator(member->key)) {
			chosen = member;
			count++;
		} else if (rule ? !fields_read_one(c, member, QUERY_JSONPATH, rule)
				: !str_eqz(member->key, "Comment")) {
			unknown = true; /* most likely the operator */
			report_key(c, object, member,
				   rule ? STR("a field of a choice rule or an operator")
					: STR("Variable and an operator, without Next and Assign, within another rule"),
				   "Field '%.*s' is not supported", STR_FMT(str_sub(member->key, 0, 200)));
		}
	}
	if (count == 0 && !unknown)
		report_object(c, object, STR("exactly one operator such as StringEquals, IsPresent, And"),
			      "A choice rule must have a comparison operator");
	else if (count > 1)
		report(c,
		       &(struct report){ AT_KEY(object, chosen),
					 .expected = STR("exactly one operator; And combines several") },
		       "A choice rule must have exactly one comparison operator");
	if (!chosen)
		return;
	compile_test(c, object, chosen, test);
	bool combines = has_children(test->node);
	if (!variable && !combines)
		report_object(c, object, STR("a rule with Variable"), "These fields are required: [Variable]");
	else if (variable && combines)
		report_key(c, object, variable, expecting(c, "%.*s without Variable", STR_FMT(chosen->key)),
			   "Field 'Variable' is not supported");
	else if (variable && expect_kind(c, variable, VALUE_STRING, "String"))
		test->variable = compile_path(c, variable, PATH_ANY);
}

/* With `chosen`, the operator's member: compiles that. Without: `object` is a nested test that is still to be read. */
static void compile_test(struct compiler *c, const struct djson *object, const struct djson *chosen,
			 struct choice_test *test)
{
	if (chosen)
		compile_operator(c, chosen, find_operator(chosen->key), test);
	else if (expect_kind(c, object, VALUE_OBJECT, "Object"))
		compile_members(c, object, NULL, test);
}

static void compile_rule(struct compiler *c, const struct djson *object, enum query_language language,
			 struct choice_rule *rule)
{
	rule->next = STATE_NONE;
	if (!expect_kind(c, object, VALUE_OBJECT, "Object"))
		return;
	struct fields fields = { .object = object, .owner = OWNER_RULE };
	if (language == QUERY_JSONATA) {
		fields_read(c, object, OWNER_RULE, language, false, &fields);
		rule->test.node = CHOICE_CONDITION;
		const struct djson *condition = fields.at[F_Condition];
		rule->test.condition = condition && condition->kind == VALUE_BOOL
					   ? compile_constant(c, condition)
					   : compile_template(c, condition, language);
		rule->output = compile_template(c, fields.at[F_Output], language);
	} else {
		compile_members(c, object, &fields, &rule->test);
		fields_check(c, language, &fields);
	}
	rule->next = compile_target(c, fields.at[F_Next]);
	rule->assign = compile_assign(c, fields.at[F_Assign], language);
}

void compile_choice(struct compiler *c, const struct fields *fields, struct state *state)
{
	const struct djson *rules = fields->at[F_Choices];
	state->choice.fallback = compile_target(c, fields->at[F_Default]);
	if (!rules)
		return;
	state->choice.rules = ARENA_ARRAY(c->arena, struct choice_rule, rules->count);
	state->choice.rules_count = rules->count;
	for (const struct djson *rule = rules->first; rule; rule = rule->next)
		compile_rule(c, rule, state->language, &state->choice.rules[rule->index]);
}
