"""Writes files as C arrays: embed.py OUT FILE ... (client_files of connectors/function/clients.h)."""
import os
import sys

out, files = sys.argv[1], sys.argv[2:]
with open(out, "w") as to:
    to.write('#include "connectors/function/clients.h"\n')
    for i, path in enumerate(files):
        with open(path, "rb") as f:
            data = f.read()
        to.write("static const unsigned char file_%d[] = {\n" % i)
        for at in range(0, len(data), 20):
            to.write("".join("%d," % b for b in data[at:at + 20]) + "\n")
        to.write("};\n")
    to.write("const struct client_file client_files[] = {\n")
    for i, path in enumerate(files):
        to.write('\t{ "%s", file_%d, sizeof file_%d },\n' % (os.path.basename(path), i, i))
    to.write("\t{ 0 },\n};\n")
