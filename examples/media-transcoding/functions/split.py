"""split: {source, output, renditions, chunk_s?} → {chunks, jobs}: a job for each chunk and rendition.

Cuts the source at its keyframes into chunks of about chunk_s seconds (4), without encoding. The folder of chunks gets its
name when all are there: who finds it is done."""

import csv
import os
import shutil

import media


def handler(event, context):
    folder = f"{event['output']}/scratch/chunks"
    if not os.path.exists(folder):
        part = f"{folder}.{context.aws_request_id}.part"
        os.makedirs(part)
        media.ffmpeg(["-i", event["source"], "-map", "0:v:0", "-map", "0:a:0?", "-c", "copy", "-f", "segment",
                      "-segment_time", str(event.get("chunk_s", 4)), "-reset_timestamps", "1",
                      "-segment_list", f"{part}/list.csv", "-segment_list_type", "csv", f"{part}/%05d.mkv"])
        try:
            os.rename(part, folder)
        except OSError:  # another attempt was faster
            shutil.rmtree(part)
    with open(f"{folder}/list.csv", newline="") as file:
        chunks = [(name.removesuffix(".mkv"), round(float(end) - float(begin), 3)) for name, begin, end in csv.reader(file)]
    return {
        "chunks": len(chunks),
        "jobs": [{"chunk": chunk, "rendition": rendition["name"], "duration_s": duration_s}
                 for chunk, duration_s in chunks for rendition in event["renditions"]],
    }
