/* functions_boolean.c: truth and existence. */
#include "dsl/jsonata/functions.h"

#define ARG(i) (call->arguments[i])

NATIVE(native_boolean)
{
	return is_nothing(ARG(0)) ? NOTHING : item_boolean(item_truth(e, ARG(0)));
}

NATIVE(native_not)
{
	return is_nothing(ARG(0)) ? NOTHING : item_boolean(!item_truth(e, ARG(0)));
}

NATIVE(native_exists)
{
	return item_boolean(!is_nothing(ARG(0)));
}
