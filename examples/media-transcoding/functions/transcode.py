"""transcode: {output, chunk, rendition, renditions, duration_s} → {bytes, reused}: encodes one chunk in one rendition.

The file gets its name when it is complete. So a task that is run again, because the server was killed before it could
commit that the first run had succeeded, finds the file and does not encode a second time. OUTPUT/encodes.log has a line for
each encode that began and each that ended well."""

import os

import media


def note(event, word):
    # One write of one line with O_APPEND: workers do not mix theirs.
    log = os.open(f"{event['output']}/encodes.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(log, f"{word} {event['chunk']} {event['rendition']}\n".encode())
    os.close(log)


def handler(event, context):
    folder = f"{event['output']}/scratch/{event['rendition']}"
    result = f"{folder}/{event['chunk']}.mp4"
    if os.path.exists(result):
        return {"bytes": os.path.getsize(result), "reused": True}
    rendition = next(one for one in event["renditions"] if one["name"] == event["rendition"])
    os.makedirs(folder, exist_ok=True)
    part = f"{result}.{context.aws_request_id}.part"
    note(event, "begun")
    try:
        media.ffmpeg(["-i", f"{event['output']}/scratch/chunks/{event['chunk']}.mkv", "-vf", f"scale=-2:{rendition['height']}",
                      "-c:v", "libx264", "-preset", "veryfast", "-b:v", f"{rendition['video_kbps']}k",
                      "-maxrate", f"{rendition['video_kbps']}k", "-bufsize", f"{rendition['video_kbps'] * 2}k",
                      "-force_key_frames", "expr:gte(t,n_forced*2)", "-pix_fmt", "yuv420p",
                      "-c:a", "aac", "-b:a", f"{rendition['audio_kbps']}k", "-ac", "2", "-f", "mp4", part], event["duration_s"])
        os.rename(part, result)
    finally:
        if os.path.exists(part):
            os.remove(part)
    note(event, "done")
    return {"bytes": os.path.getsize(result), "reused": False}
