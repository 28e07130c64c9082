/* api_table.c: prints the tables that other tests compare with what stands elsewhere, as JSON: the API's operations,
 * the settings, the limits. */
#include "server/api.h"
#include "server/config.h"
#include <stdio.h>

static const char *type_name(enum api_type type)
{
	switch (type) {
	case API_STRING:
		return "string";
	case API_BOOLEAN:
		return "boolean";
	case API_INTEGER:
		return "integer";
	case API_NUMBER:
		return "float";
	case API_OBJECT:
		return "structure";
	case API_LIST:
		return "list";
	}
	return "?";
}

static void print_operation(const struct api_operation *operation)
{
	printf("\"%s\":{\"output\":\"%s\",\"errors\":\"%s\",\"input\":{", operation->name, operation->output ? operation->output : "",
	       operation->errors);
	for (const struct api_member *m = operation->members; m->name; m++)
		printf("%s\"%s\":{\"type\":\"%s\",\"required\":%s,\"least\":%lld,\"most\":%lld,\"choices\":\"%s\"}",
		       m == operation->members ? "" : ",", m->name, type_name(m->type), m->required ? "true" : "false",
		       (long long)m->least, (long long)m->most, m->choices ? m->choices : "");
	printf("}}");
}

int main(void)
{
	printf("{\"operations\":{");
	for (unsigned i = 0; i < api_operations_count; i++) {
		printf("%s\n", i ? "," : "");
		print_operation(&api_operations[i]);
	}
	printf("},\n\"settings\":{");
	for (unsigned i = 0; i < config_rows_count; i++)
		printf("%s\"%s\":\"%s\"", i ? "," : "", config_rows[i].field, config_rows[i].value);
	printf("},\n\"limits\":{");
	for (unsigned i = 0; i < limit_rows_count; i++)
		printf("%s\"%s\":[%lld,%lld,%lld]", i ? "," : "", limit_rows[i].name, (long long)limit_rows[i].value,
		       (long long)limit_rows[i].least, (long long)limit_rows[i].most);
	printf("}}\n");
	return 0;
}
