"""probe: {source} → {width, height, codec, duration_s, has_audio}. Errors: Unreadable, NoVideo."""

import media


class NoVideo(Exception):
    pass


def handler(event, context):
    found = media.probe(event["source"])
    video = media.video_stream(found)
    if not video:
        raise NoVideo(f"{event['source']} has no video stream")
    return {
        "width": video["width"],
        "height": video["height"],
        "codec": video["codec_name"],
        "duration_s": float(found["format"]["duration"]),
        "has_audio": any(stream["codec_type"] == "audio" for stream in found["streams"]),
    }
