#!/usr/bin/env bash
# The AWS command line against the server: every operation as a user would call it, its answers read with jq.
#   aws_cli.sh RATCHET
set -euo pipefail
ratchet=$(realpath "$1")
for tool in aws jq; do
  if ! command -v "$tool" > /dev/null; then
    echo "skipped: $tool is not installed (Debian packages awscli and jq)"
    echo "0 passed, 0 failed, 1 skipped"
    exit 77
  fi
done

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
passed=0 failed=0

sfn() {
  aws --endpoint-url "$url" stepfunctions "$@"
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

# Older versions of the command line do not know this one.
usage=$(sfn validate-state-machine-definition 2>&1 || true)
if ! grep -qi 'invalid choice' <<< "$usage"; then
  check a_good_definition_is_valid '.result == "OK" and .diagnostics == []' sfn validate-state-machine-definition --definition "$definition"
  check a_bad_one_has_diagnostics '.result == "FAIL" and .diagnostics[0].code == "SCHEMA_VALIDATION_FAILED"' \
    sfn validate-state-machine-definition --definition '{"StartAt": "A"}'
fi

check a_machine_is_deleted '. == null' sfn delete-state-machine --state-machine-arn "$second"
for _ in $(seq 50); do
  sfn describe-state-machine --state-machine-arn "$second" > "$folder/describe" 2>&1 || break
done
refused it_is_gone StateMachineDoesNotExist sfn describe-state-machine --state-machine-arn "$second"
check only_one_is_left '[.stateMachines[].name] == ["first"]' sfn list-state-machines

echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
