// notify: tells NOTIFY_URL (its setting in ratchet.yaml; without one, only the log) that a video is ready.
// {execution, manifest, …} → what it was given, with `notified`.
//
// A task runs at least once, so a message may come twice; both bear the same key, by which who gets them can tell.
export async function handler(event, context) {
  const url = process.env.NOTIFY_URL;
  console.log(`ready: ${event.manifest}`);
  if (url) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': context.idempotencyKey ?? context.awsRequestId },
      body: JSON.stringify(event),
      signal: AbortSignal.timeout(context.getRemainingTimeInMillis() - 500),
    });
    if (!answer.ok)
      throw new Error(`${url} answered ${answer.status}`);
  }
  return { ...event, notified: Boolean(url) };
}
