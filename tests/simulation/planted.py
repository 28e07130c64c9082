#!/usr/bin/env python3
"""Plants mistakes in the engine, one at a time, and shows that the simulator finds each of them.

A mistake is an edit of one source file: the edited copy is compiled by itself and linked in front of the product's own libraries, so
that the sources have no switches for it. An edit whose text is no longer in the source fails the test: it must be written anew.

Prints a table: what was planted, by which seed it was found, and what the simulator said."""

import argparse
import os
import re
import subprocess
import sys
import tempfile

SEEDS = 2000

# name, file, [(old, new), …]; white space in `old` matches any white space.
PLANTED = [
    ("reply before its dependency", "engine/request.c",
     [("sequence > engine->committed ? batch_find(engine, sequence) : NULL", "NULL")]),
    ("acknowledged before its commit", "engine/turn.c",
     [("request_hold(request, resident->newest);", "request_hold(request, 0);")]),
    ("described before its commit", "engine/query.c",
     [("request_hold(request, resident->newest);", "request_hold(request, 0);")]),
    ("command before its commit", "engine/turn.c",
     [("LIST_ADD(&batch->releases, release);",
       "LIST_ADD(&batch->releases, release); for (uint32_t i = 0; i < result.commands_count; i++) "
       "if (result.commands[i].kind == COMMAND_START_TASK) dispatch_start(engine, resident, &result.commands[i], false);")]),
    ("lost command", "engine/batch.c",
     [("dispatch_start(engine, resident, command, false);", "if (command->task_id % 5) dispatch_start(engine, resident, command, false);")]),
    ("lost cancel", "engine/batch.c",
     [("dispatch_cancel(engine, resident->id, command->task_id);", ";")]),
    ("a retry is not counted", "engine/core/evolve.c",
     [("frame->attempts[event->index]++;", ";")]),
    ("a branch outlives the failure of another", "engine/core/fan.c",
     [("abort_children(step, parent, after_id);", ";")]),
    ("input lost on a failed commit", "engine/batch.c",
     [("mailbox_put_back(engine, input->resident, input);", "if (input->request) mailbox_put_back(engine, input->resident, input); else input_free(input);")]),
    ("inputs back in the wrong order", "engine/batch.c",
     [("while (count--) { struct input *input = inputs[count];", "for (size_t i = 0; i < count; i++) { struct input *input = inputs[i];")]),
    ("state kept after a failed commit", "engine/batch.c",
     [("cache_reload(engine, release->resident);", ";")]),
    ("steps while it is being loaded", "engine/turn.c",
     [("if (resident->state == RESIDENT_LOADING)", "if (false)")]),
    ("duplicate dispatch after a failed commit", "engine/recovery.c",
     [("if (!first_sight(engine, resident)) return;", "(void)first_sight(engine, resident);")]),
    ("open row of one that is redriven again not written", "engine/cache.c",
     [("resident->has_open = false; /* of one", "; /* of one")]),
    ("a redrive acknowledged before its commit", "engine/query.c",
     [("request->info.redrive_ms = execution_redriven_ms(resident->execution);",
       "{ request->info.redrive_ms = execution_redriven_ms(resident->execution); resident->newest = 0; }")]),
    ("Express executions not counted while the others are", "engine/recovery.c",
     [("engine->stats.open += count;", "engine->stats.open = count;")]),
    ("an Express execution begun under a stored one's id", "engine/express.c",
     [("return EXPRESS_BIT | (engine->next_express++ & (EXPRESS_BIT - 1));", "return ++engine->last_execution << 8;")]),
    ("a failure beyond the tolerated ones tolerated", "engine/core/fan.c",
     [("bool tolerated = fan->failed < fan->tolerated;", "bool tolerated = fan->failed <= fan->tolerated && fan->tolerated;")]),
    ("tasks not started again by recovery", "engine/recovery.c",
     [("if (commands[i].kind == COMMAND_START_TASK)", "if (commands[i].kind == COMMAND_START_TASK && i == 0)")]),
    ("recovery passes over the last of a page", "engine/recovery.c",
     [("recovery->loading = 1;", "recovery->loading = 1; if (count > 1) count--;")]),
    ("wake times read once only", "engine/recovery.c",
     [("from_ms - now_ms >= HORIZON_REFRESH_MS", "true")]),
    ("timer dropped at eviction", "engine/cache.c",
     [("if (engine->recovery.asked && wake_ms > engine->recovery.horizon_ms)", "")]),
    ("evicted with an uncommitted batch", "engine/cache.c",
     [("resident->ready || resident->uncommitted ||", "resident->ready ||")]),
    ("open row not moved", "engine/turn.c",
     [("!resident->has_open || resident->open_wake_ms != wake_ms", "!resident->has_open")]),
    ("open row left behind", "engine/turn.c",
     [("if (ended && resident->has_open)", "if (false)")]),
    ("end not written to the row", "engine/turn.c",
     [("if (!resident->stored || ended ||", "if (!resident->stored ||")]),
    ("rest of a step forgotten", "engine/turn.c",
     [("if (result.more && !engine->draining)", "if (false)")]),
    ("snapshot one record short", "engine/turn.c",
     [("resident->next_record, arena_str", "resident->next_record - 1, arena_str")]),
    ("snapshot forgets what was retried", "engine/core/snapshot.c",
     [("code_u32(codec, &frame->attempts[i]);", "{ uint32_t none = 0; code_u32(codec, &none); }")]),
    ("lost batch taken for stored", "engine/batch.c",
     [("else if (sequence < batch->sequence)", "else if (false)")]),
    ("stored batch taken for lost", "engine/batch.c",
     [("case STORE_UNKNOWN:", "case STORE_UNKNOWN: (void)LIST_TAKE(&engine->batches); engine->outstanding--; LIST_ADD(&engine->failed, batch); break;")]),
    ("fencing not heeded", "engine/batch.c",
     [("case STORE_COMMITTED:", "case STORE_FENCED: case STORE_COMMITTED:"),
      ("case STORE_FENCED: engine_halt(engine, TAKEN_OVER); return;", "")]),
    ("more batches than allowed", "engine/turn.c",
     [("engine->outstanding >= engine->limits.batches_outstanding", "engine->outstanding > engine->limits.batches_outstanding")]),
    ("more tasks than allowed", "engine/dispatch.c",
     [("dispatch->running < (uint64_t)engine->limits.tasks_in_flight", "dispatch->running <= (uint64_t)engine->limits.tasks_in_flight")]),
    ("timer fires early", "engine/core/step.c",
     [("frame->due_ms <= now_ms && !budget_spent", "frame->due_ms <= now_ms + 700 && !budget_spent")]),
    ("a task's answer accepted twice", "engine/core/state_task.c",
     [("input->task_id < execution->next_id ? CORE_CLOSED : CORE_UNKNOWN", "input->task_id < execution->next_id ? CORE_ACCEPTED : CORE_UNKNOWN")]),
    ("a name taken with another input", "engine/start.c",
     [("memcmp(hash, attributes.input_hash, sizeof hash) == 0", "true")]),
    ("a worker's task left in the queue", "engine/activities.c",
     [("input->kind == INPUT_TASK_STARTED && input->request && input->outcome == CORE_ACCEPTED", "false")]),
    ("a worker's task not kept", "engine/activities.c",
     [("else if (command->resource.kind == RESOURCE_ACTIVITY)", "else if (false)")]),
    ("the end of a child told to nobody", "engine/children.c",
     [("tell_parent(batch, resident);", ";")]),
    ("the end of a child told in another batch", "engine/children.c",
     [("store_batch_add(batch, STORE_APPEND_MESSAGE)->message = (struct store_message){ .target_id = attributes.parent.execution_id,",
       "static struct store_batch *other; if (!other) other = store_batch_new(); "
       "store_batch_add(other, STORE_APPEND_MESSAGE)->message = (struct store_message){ .target_id = attributes.parent.execution_id,")]),
    ("messages of the last process not read", "engine/children.c",
     [("void children_recover(struct engine *engine) { read_messages(engine);", "void children_recover(struct engine *engine) { (void)read_messages;")]),
    ("a message deleted before its effect", "engine/children.c",
     [("input->message = *message; mailbox_put(engine, parent.execution_id, input);",
       "message_done(engine, message); mailbox_put(engine, parent.execution_id, input);")]),
    ("a message kept behind its effect", "engine/children.c",
     [("if (input->message_taken) children_delete_message(batch, &input->message);", ";")]),
    ("a message kept that finds its task answered", "engine/children.c",
     [("if (input->message.sender && !input->message_taken) message_done(engine, &input->message);", ";")]),
    ("a child not stopped with its parent", "engine/children.c",
     [("waits(command->resource.pattern))", "false)")]),
    ("a child not stopped whose start was not answered", "engine/children.c",
     [("child->stopped = child->cancelled = true;", "message_done(engine, &key);")]),
    ("a child not looked for that another process began", "engine/children.c",
     [("search->machine = registry_find(search->children->engine, str_of(search->machine_name));", "search->machine = NULL;")]),
    ("a child's start refused for a moment's trouble", "engine/children.c",
     [("if (error->passing) {", "if (false) {")]),
    ("a child begun once more by recovery", "engine/children.c",
     [("high = token_check(&engine->key, \"child of a task\", high ^ parent.event_id);",
       "high = token_check(&engine->key, \"child of a task\", high ^ parent.event_id ^ engine->epoch);")]),
    ("a dead letter kept behind its redrive", "engine/dead_letters.c",
     [("} else if (release->reopened) {", "} else if (false) {")]),
    ("no dead letter of one that fails in its first step", "engine/dead_letters.c",
     [("release->letter = is_letter(engine, resident->machine, release->status);",
       "release->letter = !release->begun && is_letter(engine, resident->machine, release->status);")]),
    ("one that had come to its end aborted with another", "engine/core/fan.c",
     [("} else { end_exited_children(step, parent); }", "}")]),
    ("a job's redrive and another in one step", "engine/turn.c",
     [("if (taken && resident->inputs.first->kind == INPUT_REDRIVE)", "if (false)")]),
    ("the end of what a job redrove not in its row", "engine/redrive_jobs.c",
     [("if (!job || job->dropping || (!ended && !release->reopened))", "if (!job || job->dropping || !release->reopened)")]),
    ("the redrive of a job not in its row", "engine/redrive_jobs.c",
     [("if (!job || job->dropping || (!ended && !release->reopened))", "if (!job || job->dropping || !ended)")]),
    ("a job forgotten by recovery", "engine/redrive_jobs.c",
     [("link_job(engine, job); return true;", "job_free(job); return true;")]),
    ("a job goes on when it is paused", "engine/redrive_jobs.c",
     [("else if (job->state == JOB_RUNNING) run_job(engine, job);", "else if (job->state <= JOB_PAUSED) run_job(engine, job);")]),
    ("a job complete while some of it still run", "engine/redrive_jobs.c",
     [("if (!job->counts[OUTCOME_PENDING] && !job->counts[OUTCOME_RUNNING] && !job->flying)",
       "if (!job->counts[OUTCOME_PENDING] && !job->flying)")]),
    ("one skipped by a job for a moment's trouble", "engine/redrive_jobs.c",
     [("if (engine->draining || passing)", "if (engine->draining)")]),
    ("a job's page read while some of it are on their way", "engine/redrive_jobs.c",
     [("if (job->flying) return; job->after = 0;", "job->after = 0;")]),
    ("a job acknowledged before its rows are there", "engine/redrive_jobs.c",
     [("job_request(engine, change->request, job->number, done, data);",
       "done(data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY }, &(struct redrive_info){ .number = job->number });")]),
    ("a newer failure discarded with an older one", "engine/dead_letters.c",
     [(".failed_ms = change->picks[i].failed_ms", ".failed_ms = 0")]),
    ("a discard acknowledged before its commit", "engine/dead_query.c",
     [("dead_forget(engine, preview->picks, preview->count, false, done, data);",
       "dead_forget(engine, preview->picks, preview->count, false, NULL, NULL); "
       "done(data, &(struct engine_error){ .code = ENGINE_OK, .message = STR_EMPTY }, preview->count);")]),
    ("a redrive with a definition that does not fit", "engine/redrive_jobs.c",
     [("else if (code < 0 || !compatible)", "else if (code < 0)")]),
    ("a redrive with the newest definition, unasked", "engine/redrive_jobs.c",
     [("if (!job->newest) {", "if (false) {")]),
    ("the definition of a redrive not in its row", "engine/turn.c",
     [("attributes.revision = resident->revision->number;", ";")]),
    ("a definition acknowledged before its commit", "engine/registry.c",
     [("if (update(request, asked)) registry_put_change(engine, request->machine, request);",
       "if (update(request, asked)) { registry_put_change(engine, request->machine, NULL); request_hold(request, 0); }")]),
    ("a revision not stored", "engine/registry_store.c",
     [("registry_put_item(batch, op_kind, ITEM_REVISION, key, machine->dropped ? NULL : &out);",
       "if (revision->number == 1) registry_put_item(batch, op_kind, ITEM_REVISION, key, machine->dropped ? NULL : &out);")]),
    ("an answer by token replayed as that of its request", "engine/core/replay.c",
     [(".token = true", ".token = frame && frame->task && frame->task->submitted")]),
    ("an answer by token taken for that of its request", "engine/core/state_task.c",
     [("resource.pattern == PATTERN_WAIT_FOR_TASK_TOKEN && !input->token)", "resource.pattern == PATTERN_WAIT_FOR_TASK_TOKEN)")]),
    ("a child stopped with its parent that nobody waits for", "engine/children.c",
     [("waits(command->resource.pattern))", "true)")]),
    ("an end told to no target", "engine/notify.c",
     [("if (release->status != EXECUTION_RUNNING) tell(", "if (release->status == EXECUTION_FAILED_) tell(")]),
    ("a redrive told to no target", "engine/notify.c",
     [("if (release->begun || release->reopened) tell(", "if (release->begun) tell(")]),
    ("a target told of changes in another order", "engine/notify.c",
     [(".behind = first_of(target->first, messages[i].sender_id),", ".behind = false,")]),
    ("a change forgotten that its target refused", "engine/notify.c",
     [("if (result->end == TASK_SUCCEEDED) {", "if (result->end != TASK_TIMED_OUT) {")]),
    ("a change kept that its target took", "engine/notify.c",
     [("change->message = delivery->key;", "change->message = delivery->key; change->message.event++;")]),
    ("changes of the last process told to no target", "engine/notify.c",
     [("target->tail = &target->first; target->more = true;", "target->tail = &target->first; target->more = false;")]),
    ("one change told under two ids", "engine/notify.c",
     [('token_check(&engine->key, "notification", delivery->key.sender)', 'token_check(&engine->key, "notification", delivery->key.sender ^ delivery->attempts)')]),
    ("more workers than a function may have", "connectors/function/pool.c",
     [("if (function->workers_count >= function->max_concurrent) return false;", "if (function->workers_count > function->max_concurrent) return false;")]),
    ("room taken that another function has reserved", "connectors/function/pool.c",
     [("if (other->workers_count < other->reserved) taken +=", "if (false) taken +=")]),
    ("an event waits beside an idle worker", "connectors/function/pool.c",
     [("worker->state = WORKER_IDLE; if (version->queue.first) {", "worker->state = WORKER_IDLE; if (version->queued > 1) {")]),
    ("who finds no room is not looked at again", "connectors/function/pool.c",
     [("if (function_wants(function)) join_round(function); else waiting--;", "waiting--;")]),
    ("an event given to two workers", "connectors/function/pool.c",
     [("struct invocation *invocation = version->queue.first; dequeue(version, invocation); worker_give(worker, invocation);",
       "struct invocation *invocation = version->queue.first; if (version->queued < 3) dequeue(version, invocation); worker_give(worker, invocation);")]),
    ("the event of a worker that crashed forgotten", "connectors/function/worker.c",
     [("} else if (invocation) { invocation_break(", "} else if (false) { invocation_break(")]),
    ("a cancelled event's worker goes on", "connectors/function/invoke.c",
     [("worker->invocation = NULL; worker_kill(worker);", "worker->invocation = NULL;")]),
    ("a cancelled task's event goes on", "connectors/function/function.c",
     [("functions_cancel(task->invocation); free_task(task);", "free_task(task);")]),
    ("open executions counted twice", "engine/turn.c",
     [("engine->counting ||", "")]),
]


def planted_source(source, edits):
    """The source with the edits, or None if one does not apply exactly once."""
    for old, new in edits:
        pattern = r"\s+".join(re.escape(word) for word in old.split())
        source, count = re.subn(pattern, lambda _: new, source)
        if count != 1:
            return None
    return source


def build(options, folder, name, source_name, text):
    """Compiles the edited copy and links it in front of the rest."""
    path = os.path.join(folder, os.path.basename(source_name))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    program = os.path.join(folder, "planted")
    command = [*options.compiler, "-std=gnu17", "-D_GNU_SOURCE", '-DRATCHET_VERSION="planted"', "-O1", "-g", "-w", "-I", options.source,
               "-I", os.path.dirname(os.path.join(options.source, source_name)), path, "-o", program,
               "-Wl,--whole-archive", options.libraries[0], "-Wl,--no-whole-archive",
               "-Wl,--start-group", *options.libraries[1:], "-Wl,--end-group",
               "-ljansson", "-lyaml", "-lsqlite3", "-lev", "-lnettle", "-lpcre2-8", "-lmicrohttpd", "-lm", "-ldl", "-lpthread"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        print(f"{name}: does not build\n{result.stderr}")
        return None
    return program


def search(program, seeds):
    """The first seed that finds it, and what was said; None if none does."""
    result = subprocess.run([program, "--seeds", str(seeds), "--first"], capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    said = re.search(r"^seed (\d+)[^:]*: (.*)$", result.stdout, re.M)
    if not said:
        return ("?", result.stdout.strip()[-100:])
    assertion = re.search(r"Assertion `(.*)' failed", result.stderr)
    return (said[1], f"assertion: {assertion[1]}" if assertion and said[2] == "Aborted" else said[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", required=True)
    parser.add_argument("--compiler", nargs="+", required=True)
    parser.add_argument("--libraries", nargs="+", required=True)
    parser.add_argument("--only")
    options = parser.parse_args()
    passed = failed = 0
    rows = []
    with tempfile.TemporaryDirectory(prefix="ratchet-planted-") as folder:
        for name, source_name, edits in PLANTED:
            if options.only and options.only not in name:
                continue
            with open(os.path.join(options.source, source_name), encoding="utf-8") as file:
                text = planted_source(file.read(), edits or [])
            found = None
            if text is None:
                rows.append((name, source_name, "-", "the text to edit is no longer in the source"))
            else:
                program = build(options, folder, name, source_name, text)
                found = search(program, SEEDS) if program else None
                rows.append((name, source_name, *(found or ("-", "NOT FOUND"))))
            passed += found is not None
            failed += found is None
            print("| %-42s | %-26s | %5s | %s" % (*rows[-1][:3], rows[-1][3][:110]), flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
