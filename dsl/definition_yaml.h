/* definition_yaml.h: definitions that are written in YAML.
 *
 * The compiler reads JSON. A definition in YAML is turned into JSON text first, and what is said of places in that is
 * said of the YAML. A text that begins like JSON is JSON, so that AWS's words for broken JSON stay as they are. */
#pragma once
#include "base/arena.h"
#include "value/yaml_reader.h"

/* Whether the text is to be read as YAML: it begins with neither { nor [ and has a line that begins with StartAt:,
 * States: or Type:. */
bool definition_is_yaml(struct str text);

/* The JSON of one that is, in the arena; the text itself if it is not, or cannot be read. */
struct str definition_as_json(struct str text, struct arena *arena);
