/* main.c: the program. A guard process of an exec task is this binary too. */
#include "cli/cli.h"
#include "connectors/connector.h"
#include <string.h>

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "exec-guard") == 0)
		exec_guard_main(argc, argv);
	return cli_main(argc, argv);
}
