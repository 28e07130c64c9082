#!/usr/bin/env bash
# The AWS command line walks through the whole API, in the order of a story: machines are made, run, published, given an alias; tasks wait for a token
# and for a worker; what failed is redriven; all is tagged, listed and deleted. Its answers are read with jq.
#   aws_cli.sh RATCHET
#
# Debian's command line (2.9.19) is older than half of the operations: it gets the current model through AWS_DATA_PATH. Fewer than 37 operations
# called is a failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ratchet=$(realpath "$1")
aws=/usr/bin/aws # Debian's, if it is there
[ -x $aws ] || aws=$(command -v aws || true)
if [ -z "$aws" ] || ! command -v jq > /dev/null; then
  echo "skipped: aws or jq is not installed (Debian packages awscli and jq)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 77
fi

folder=$(mktemp -d)
"$ratchet" serve --listen 127.0.0.1:0 --store "sqlite:$folder/store.db" --log-level warn > "$folder/url" &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
  [ -s "$folder/url" ] && break
  sleep 0.1
done
url=$(head -n 1 "$folder/url")

# Nothing of the machine's own configuration counts, and nothing but the server is asked.
export HOME=$folder AWS_CONFIG_FILE=$folder/none AWS_SHARED_CREDENTIALS_FILE=$folder/none AWS_EC2_METADATA_DISABLED=true AWS_PAGER=
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_DEFAULT_OUTPUT=json NO_PROXY=127.0.0.1
passed=0 failed=0 skipped=0
if python3 "$here/api_model.py" "$folder/models" > "$folder/operations"; then
  export AWS_DATA_PATH=$folder/models
else
  cat "$folder/operations"
  skipped=1
fi

sfn() {
  echo "$1" >> "$folder/called"
  "$aws" --endpoint-url "$url" stepfunctions "$@"
}

# StartSyncExecution and TestState go to "sync-" before the host. With a user's name in the URL, the prefix comes to stand before that name.
sync_sfn() {
  echo "$1" >> "$folder/called"
  "$aws" --endpoint-url "${url/:\/\//://x@}" stepfunctions "$@"
}

# Whether the command line knows these commands.
knows() {
  local usage name
  usage=$("$aws" --endpoint-url "$url" stepfunctions no-such-command 2>&1 || true)
  for name in "$@"; do
    grep -qE "(^|[| ])$name( |$)" <<< "$usage" || return 1
  done
}

pass() {
  passed=$((passed + 1))
}

fail() {
  echo "FAILED $1"
  failed=$((failed + 1))
}

# check NAME JQ_CONDITION COMMAND…: the command's answer meets the condition; the answer is left in $answer.
check() {
  local name=$1 condition=$2
  shift 2
  if ! answer=$("$@" 2> "$folder/stderr"); then
    fail "$name: $(tail -n 1 "$folder/stderr")"
  elif jq --exit-status "$condition" <<< "${answer:-null}" > "$folder/jq" 2>&1; then
    pass
  else
    fail "$name: not $condition: $answer"
  fi
}

# refused NAME ERROR COMMAND…: the command is refused with this error.
refused() {
  local name=$1 error=$2
  shift 2
  if answer=$("$@" 2> "$folder/stderr"); then
    fail "$name: answered $answer"
  elif grep -q "($error)" "$folder/stderr"; then
    pass
  else
    fail "$name: $(tail -n 1 "$folder/stderr")"
  fi
}

# Waits until an execution has ended.
ended() {
  for _ in $(seq 100); do
    [ "$(sfn describe-execution --execution-arn "$1" --query status --output text)" != RUNNING ] && return
  done
  fail "$1 does not end"
}

role=arn:aws:iam::000000000000:role/test
definition='{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"b": 2}, "ResultPath": "$.a", "Next": "B"}, "B": {"Type": "Succeed"}}}'
waiting='{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": true}}}'

check a_machine_is_created '.stateMachineArn | endswith(":stateMachine:first")' \
  sfn create-state-machine --name first --role-arn $role --definition "$definition"
first=$(jq -r .stateMachineArn <<< "$answer")
check the_same_again_is_the_same "(.stateMachineArn == \"$first\")" sfn create-state-machine --name first --role-arn $role --definition "$definition"
refused another_of_that_name_is_refused StateMachineAlreadyExists sfn create-state-machine --name first --role-arn $role --definition "$waiting"
refused a_bad_definition_is_refused InvalidDefinition sfn create-state-machine --name bad --role-arn $role --definition '{"StartAt": "A"}'
refused a_bad_name_is_refused InvalidName sfn create-state-machine --name 'a b' --role-arn $role --definition "$definition"
check it_is_described '.name == "first" and .status == "ACTIVE" and .type == "STANDARD" and (.definition | fromjson | .StartAt) == "A"' \
  sfn describe-state-machine --state-machine-arn "$first"
check a_second_one_is_created '.stateMachineArn | endswith(":stateMachine:second")' \
  sfn create-state-machine --name second --role-arn $role --definition "$waiting"
second=$(jq -r .stateMachineArn <<< "$answer")
check both_are_listed '[.stateMachines[].name] == ["first", "second"]' sfn list-state-machines
check the_list_has_pages '(.stateMachines | length) == 1 and (.NextToken | length) > 0' sfn list-state-machines --max-items 1
refused an_unknown_machine_is_not_described StateMachineDoesNotExist sfn describe-state-machine --state-machine-arn "${first}x"

check an_execution_is_started '.executionArn | endswith(":execution:first:one")' \
  sfn start-execution --state-machine-arn "$first" --name one --input '{"n": 1.50}'
one=$(jq -r .executionArn <<< "$answer")
ended "$one"
check its_outcome_is_described '.status == "SUCCEEDED" and .input == "{\"n\": 1.50}" and .output == "{\"n\":1.50,\"a\":{\"b\":2}}" and .stopDate != null' \
  sfn describe-execution --execution-arn "$one"
refused its_name_is_taken ExecutionAlreadyExists sfn start-execution --state-machine-arn "$first" --name one --input '{}'
refused an_input_must_be_json InvalidExecutionInput sfn start-execution --state-machine-arn "$first" --input '{'
check its_history_is_whole '[.events[] | [.id, .previousEventId, .type]] == [[1, 0, "ExecutionStarted"], [2, 0, "PassStateEntered"],
  [3, 2, "PassStateExited"], [4, 3, "SucceedStateEntered"], [5, 4, "SucceedStateExited"], [6, 5, "ExecutionSucceeded"]]' \
  sfn get-execution-history --execution-arn "$one"
# The command line asks for page after page by itself.
check the_history_has_pages '[.events[].id] == [1, 2, 3, 4, 5, 6]' sfn get-execution-history --execution-arn "$one" --page-size 2
check reversed_pages_fit_together '[.events[].id] == [6, 5, 4, 3, 2, 1]' sfn get-execution-history --execution-arn "$one" --reverse-order --page-size 4
check a_page_can_stand_alone '[.events[].id] == [1, 2]' sfn get-execution-history --execution-arn "$one" --no-paginate --max-results 2
check payloads_can_be_left_out '[.events[] | .. | .input?, .output? | select(. != null)] == []' \
  sfn get-execution-history --execution-arn "$one" --no-include-execution-data

check a_second_execution_waits '.executionArn | length > 0' sfn start-execution --state-machine-arn "$second" --name two
two=$(jq -r .executionArn <<< "$answer")
check a_repeat_is_the_same ".executionArn == \"$two\"" sfn start-execution --state-machine-arn "$second" --name two
check it_runs '.status == "RUNNING" and .output == null and .stopDate == null' sfn describe-execution --execution-arn "$two"
check running_ones_are_listed '[.executions[].name] == ["two"]' sfn list-executions --state-machine-arn "$second" --status-filter RUNNING
check it_is_stopped '.stopDate != null' sfn stop-execution --execution-arn "$two" --error Enough --cause 'no longer needed'
ended "$two"
check it_was_stopped '.status == "ABORTED" and .error == "Enough" and .cause == "no longer needed"' sfn describe-execution --execution-arn "$two"
check its_last_event_says_so '.events[0] | .type == "ExecutionAborted" and .executionAbortedEventDetails == {"error": "Enough", "cause": "no longer needed"}' \
  sfn get-execution-history --execution-arn "$two" --reverse-order --max-items 1
check none_runs '.executions == []' sfn list-executions --state-machine-arn "$second" --status-filter RUNNING
refused an_unknown_execution_is_not_described ExecutionDoesNotExist sfn describe-execution --execution-arn "${two}x"
for i in 1 2; do
  check "execution_${i}_is_started" '.executionArn | length > 0' sfn start-execution --state-machine-arn "$first" --name "many-$i"
done
check the_newest_comes_first '[.executions[].name] == ["many-2", "many-1", "one"]' sfn list-executions --state-machine-arn "$first" --page-size 2

check a_machine_is_updated '.updateDate != null' sfn update-state-machine --state-machine-arn "$first" \
  --definition '{"StartAt": "N", "States": {"N": {"Type": "Fail", "Error": "New", "Cause": "updated"}}}'
check the_update_counts '(.definition | fromjson | .StartAt) == "N"' sfn describe-state-machine --state-machine-arn "$first"
check the_new_definition_is_run '.executionArn | length > 0' sfn start-execution --state-machine-arn "$first" --name new
ended "$(jq -r .executionArn <<< "$answer")"
check its_failure_is_described '.status == "FAILED" and .error == "New" and .cause == "updated"' \
  sfn describe-execution --execution-arn "${one%one}new"
refused an_update_of_nothing_is_refused MissingRequiredParameter sfn update-state-machine --state-machine-arn "$first"

# ---- versions and aliases

if knows publish-state-machine-version create-state-machine-alias; then
  check a_version_is_published '.stateMachineVersionArn | endswith(":first:1")' \
    sfn publish-state-machine-version --state-machine-arn "$first" --description 'the failing one'
  check an_update_publishes_the_next '(.stateMachineVersionArn | endswith(":first:2")) and (.revisionId | length) > 0' \
    sfn update-state-machine --state-machine-arn "$first" --definition "$definition" --publish --version-description 'the good one'
  check versions_are_listed '[.stateMachineVersions[].stateMachineVersionArn | split(":") | last] == ["2", "1"]' \
    sfn list-state-machine-versions --state-machine-arn "$first"
  check a_version_is_described '.description == "the failing one" and (.definition | fromjson | .StartAt) == "N"' \
    sfn describe-state-machine --state-machine-arn "$first:1"
  check an_alias_is_made '.stateMachineAliasArn | endswith(":first:live")' sfn create-state-machine-alias --name live \
    --routing-configuration "stateMachineVersionArn=$first:1,weight=100"
  check it_is_pointed_elsewhere '.updateDate != null' sfn update-state-machine-alias --state-machine-alias-arn "$first:live" \
    --description 'what customers get' --routing-configuration "stateMachineVersionArn=$first:2,weight=100"
  check it_shows_its_routes '.name == "live" and .description == "what customers get" and [.routingConfiguration[].weight] == [100]' \
    sfn describe-state-machine-alias --state-machine-alias-arn "$first:live"
  check aliases_are_listed '[.stateMachineAliases[].stateMachineAliasArn | split(":") | last] == ["live"]' \
    sfn list-state-machine-aliases --state-machine-arn "$first"
  check an_alias_is_started '.executionArn | length > 0' sfn start-execution --state-machine-arn "$first:live" --name by-alias
  ended "${one%one}by-alias"
  check it_ran_the_version '.status == "SUCCEEDED" and (.stateMachineVersionArn | endswith(":2")) and (.stateMachineAliasArn | endswith(":live"))' \
    sfn describe-execution --execution-arn "${one%one}by-alias"
  refused a_version_in_use_stays ConflictException sfn delete-state-machine-version --state-machine-version-arn "$first:2"
  check the_alias_is_deleted '. == null' sfn delete-state-machine-alias --state-machine-alias-arn "$first:live"
  check the_version_is_deleted '. == null' sfn delete-state-machine-version --state-machine-version-arn "$first:1"
fi
check an_execution_says_what_it_runs '.name == "first" and (.definition | fromjson | .StartAt) == "A"' \
  sfn describe-state-machine-for-execution --execution-arn "$one"

# ---- a task that waits for its token: its child was given the token, and somebody who reads it there answers

asks=$(jq -cn --arg machine "$second" '{StartAt: "T", States: {T: {Type: "Task", End: true, HeartbeatSeconds: 600,
  Resource: "arn:aws:states:::states:startExecution.waitForTaskToken",
  Parameters: {StateMachineArn: $machine, Input: {"token.$": "$$.Task.Token"}}}}}')
check a_machine_that_asks_is_made '.stateMachineArn | length > 0' sfn create-state-machine --name asks --role-arn $role --definition "$asks"
asks=$(jq -r .stateMachineArn <<< "$answer")

# Starts one and leaves its token in $token and its ARN in $asked.
ask() {
  local child=
  asked=$(sfn start-execution --state-machine-arn "$asks" --name "$1" --query executionArn --output text)
  for _ in $(seq 50); do
    child=$(sfn list-executions --state-machine-arn "$second" --status-filter RUNNING --query 'executions[0].executionArn' --output text)
    [ "$child" = None ] || break
  done
  token=$(sfn describe-execution --execution-arn "$child" --query input --output text | jq -r .token)
  check "the_child_of_$1_is_stopped" '.stopDate != null' sfn stop-execution --execution-arn "$child"
}

ask approved
check a_heartbeat_is_heard '. == null' sfn send-task-heartbeat --task-token "$token"
check a_task_succeeds_by_its_token '. == null' sfn send-task-success --task-token "$token" --task-output '{"approved": true}'
ended "$asked"
check its_execution_goes_on '.status == "SUCCEEDED" and .output == "{\"approved\":true}"' sfn describe-execution --execution-arn "$asked"
refused a_token_is_used_once TaskTimedOut sfn send-task-success --task-token "$token" --task-output '{}'
ask refused
check a_task_fails_by_its_token '. == null' sfn send-task-failure --task-token "$token" --error Refused --cause 'too dear'
ended "$asked"
check its_execution_fails '.status == "FAILED" and .error == "Refused" and .cause == "too dear"' sfn describe-execution --execution-arn "$asked"
refused a_foreign_token_is_refused InvalidToken sfn send-task-heartbeat --task-token nothing

# ---- a worker fails, the execution is redriven, and the worker does it right

check an_activity_is_made '.activityArn | endswith(":activity:paint")' sfn create-activity --name paint --tags key=team,value=films
paint=$(jq -r .activityArn <<< "$answer")
check it_is_described '.name == "paint" and .creationDate != null' sfn describe-activity --activity-arn "$paint"
check another_is_made '.activityArn | length > 0' sfn create-activity --name sand
check activities_are_listed_page_by_page '[.activities[].name] == ["paint", "sand"]' sfn list-activities --page-size 1
check a_machine_with_it_is_made '.stateMachineArn | length > 0' sfn create-state-machine --name paints --role-arn $role \
  --definition "{\"StartAt\": \"T\", \"States\": {\"T\": {\"Type\": \"Task\", \"Resource\": \"$paint\", \"End\": true}}}"
paints=$(jq -r .stateMachineArn <<< "$answer")
check it_is_started '.executionArn | length > 0' sfn start-execution --state-machine-arn "$paints" --name red --input '{"colour": "red"}'
red=$(jq -r .executionArn <<< "$answer")
check a_worker_is_given_the_task '(.input | fromjson | .colour) == "red"' sfn get-activity-task --activity-arn "$paint" --worker-name ann
check it_fails '. == null' sfn send-task-failure --task-token "$(jq -r .taskToken <<< "$answer")" --error NoPaint
ended "$red"
if knows redrive-execution; then
  check the_failed_one_is_redriven '.redriveDate != null' sfn redrive-execution --execution-arn "$red" --client-token once
  date=$(jq .redriveDate <<< "$answer")
  check a_repeat_is_the_same ".redriveDate == $date" sfn redrive-execution --execution-arn "$red" --client-token once
  check the_worker_is_given_it_again '.taskToken | length > 0' sfn get-activity-task --activity-arn "$paint"
  check it_does_it '. == null' sfn send-task-success --task-token "$(jq -r .taskToken <<< "$answer")" --task-output '"done"'
  ended "$red"
  check it_succeeded '.status == "SUCCEEDED" and .redriveCount == 1 and .redriveStatus == "NOT_REDRIVABLE"' sfn describe-execution --execution-arn "$red"
  check the_list_counts_it '[.executions[].redriveCount] == [1]' sfn list-executions --state-machine-arn "$paints"
  refused what_succeeded_is_not_redriven ExecutionNotRedrivable sfn redrive-execution --execution-arn "$red"
fi

# ---- map runs: there is none without a distributed Map

if knows list-map-runs; then
  run=arn:aws:states:us-east-1:000000000000:mapRun:first/label:6b1bbd4a-9a5f-4d0e-bd0d-0a4d6dbdf4d0
  check an_execution_has_no_map_runs '.mapRuns == []' sfn list-map-runs --execution-arn "$one"
  refused an_unknown_one_is_not_described ResourceNotFound sfn describe-map-run --map-run-arn $run
  refused nor_changed ResourceNotFound sfn update-map-run --map-run-arn $run --max-concurrency 2
fi

# ---- definitions and states without an execution, Express executions

if knows validate-state-machine-definition; then
  check a_good_definition_is_valid '.result == "OK" and .diagnostics == []' sfn validate-state-machine-definition --definition "$definition"
  check a_bad_one_has_diagnostics '.result == "FAIL" and .diagnostics[0].code == "SCHEMA_VALIDATION_FAILED"' \
    sfn validate-state-machine-definition --definition '{"StartAt": "A"}'
fi
if knows test-state; then
  check a_state_is_tested '.status == "SUCCEEDED" and .nextState == "B" and (.output | fromjson) == {"a": {"b": 2}}' \
    sync_sfn test-state --definition "$(jq -c .States.A <<< "$definition")" --input '{}'
fi
check an_express_machine_is_made '.stateMachineArn | length > 0' \
  sfn create-state-machine --name quick --type EXPRESS --role-arn $role --definition "$definition"
check an_express_execution_is_waited_for '.status == "SUCCEEDED" and (.output | fromjson) == {"a": {"b": 2}} and .billingDetails.billedMemoryUsedInMB == 64' \
  sync_sfn start-sync-execution --state-machine-arn "${first%first}quick" --input '{}'

# ---- tags, and the end

check a_resource_is_tagged '. == null' sfn tag-resource --resource-arn "$paint" --tags key=stage,value=test
check tags_are_listed '[.tags[] | "\(.key)=\(.value)"] | sort == ["stage=test", "team=films"]' sfn list-tags-for-resource --resource-arn "$paint"
check a_tag_is_taken_away '. == null' sfn untag-resource --resource-arn "$paint" --tag-keys team
check one_is_left '.tags == [{"key": "stage", "value": "test"}]' sfn list-tags-for-resource --resource-arn "$paint"
check an_activity_is_deleted '. == null' sfn delete-activity --activity-arn "$paint"
refused it_is_not_there_any_more ActivityDoesNotExist sfn describe-activity --activity-arn "$paint"
check a_machine_is_deleted '. == null' sfn delete-state-machine --state-machine-arn "$second"
for _ in $(seq 50); do
  sfn describe-state-machine --state-machine-arn "$second" > "$folder/describe" 2>&1 || break
done
refused it_is_gone StateMachineDoesNotExist sfn describe-state-machine --state-machine-arn "$second"
check the_others_are_left '[.stateMachines[].name] == ["asks", "first", "paints", "quick"]' sfn list-state-machines

called=$(sort -u "$folder/called" | wc -l)
if [ $skipped = 0 ] && [ "$called" -lt 37 ]; then
  fail "only $called operations are called, of $(wc -l < "$folder/operations")"
fi
echo "$("$aws" --version 2> /dev/null | cut -d' ' -f1): $called operations called"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
