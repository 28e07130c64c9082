/* main.c: the program. A guard process of an exec task is this binary too. */
#include "cli/cli.h"
#include "connectors/connector.h"

int main(int argc, char **argv)
{
	if (exec_guard_wanted(argc, argv))
		exec_guard_main(argc, argv);
	return cli_main(argc, argv);
}
