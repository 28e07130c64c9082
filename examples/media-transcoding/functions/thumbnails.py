"""thumbnails: {source, output, duration_s} → [paths]: four pictures, evenly spread."""

import os

import media

COUNT = 4


def handler(event, context):
    folder = f"{event['output']}/thumbnails"
    os.makedirs(folder, exist_ok=True)
    paths = []
    for number in range(1, COUNT + 1):
        path = f"{folder}/{number}.jpg"
        part = f"{path}.{context.aws_request_id}.part"
        media.ffmpeg(["-ss", f"{event['duration_s'] * (number - 0.5) / COUNT:.3f}", "-i", event["source"], "-frames:v", "1",
                      "-vf", "scale=320:-2", "-f", "image2", "-update", "1", part])
        os.rename(part, path)
        paths.append(path)
        media.tell_progress(number / COUNT)
    return paths
