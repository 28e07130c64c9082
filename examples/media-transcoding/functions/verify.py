"""verify: {playlist: {name, height, playlist, bandwidth}, duration_s} → the playlist with its width and length. Error: NotAsWanted.

Plays it through ffprobe: is it as long and as high as it should be?"""

import media

TOLERANCE_S = 0.5


class NotAsWanted(Exception):
    pass


def handler(event, context):
    wanted = event["playlist"]
    found = media.probe(wanted["playlist"])
    video, duration_s = media.video_stream(found), float(found["format"]["duration"])
    if not video or video["height"] != wanted["height"] or abs(duration_s - event["duration_s"]) > TOLERANCE_S:
        raise NotAsWanted(f"{wanted['name']}: {duration_s} s at height {video and video['height']}, "
                          f"wanted {event['duration_s']} s at {wanted['height']}")
    return {**wanted, "width": video["width"], "duration_s": duration_s}
