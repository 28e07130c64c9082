// walk.mjs URL: the AWS SDK for JavaScript v3 walks through the whole API, in the order of a story: machines are made, published, given an alias and
// run; tasks wait for a token and for a worker; what failed is redriven; all is tagged, listed and deleted. The last line is
// 'N passed, N failed, N skipped'; below 37 operations it fails. (walk.sh starts it.)

import assert from "node:assert/strict";
import * as sdk from "@aws-sdk/client-sfn";

const OPERATIONS = 37;
const role = "arn:aws:iam::000000000000:role/test";
const pass = { StartAt: "A", States: { A: { Type: "Pass", Result: { b: 2 }, ResultPath: "$.a", Next: "B" }, B: { Type: "Succeed" } } };
const waits = { StartAt: "W", States: { W: { Type: "Wait", Seconds: 3600, End: true } } };
const task = (Resource, more = {}) => ({ StartAt: "T", States: { T: { Type: "Task", Resource, End: true, ...more } } });

const client = new sdk.SFN({
	endpoint: process.argv[2],
	region: "us-east-1",
	credentials: { accessKeyId: "test", secretAccessKey: "test" },
	disableHostPrefix: true, // StartSyncExecution and TestState would be sent to sync-127.0.0.1
	maxAttempts: 1,
});
const called = new Set();
client.middlewareStack.add(
	(next, context) => async (args) => {
		called.add(context.commandName.replace(/Command$/, ""));
		return next(args);
	},
	{ step: "initialize" },
);

let passed = 0;
let failed = 0;
function step(name, check) {
	try {
		check();
		passed++;
	} catch (failure) {
		failed++;
		console.log(`FAILED ${name}: ${failure.message}`);
	}
}
async function refused(name, error, promise) {
	let refusal;
	try {
		const answer = await promise;
		step(name, () => assert.fail(`answered ${JSON.stringify(answer)}`));
		return;
	} catch (thrown) {
		refusal = thrown;
	}
	step(name, () => {
		assert.equal(refusal.name, error, String(refusal));
		assert.ok(refusal instanceof sdk[error], "it is not of the modelled class");
		assert.ok(refusal.message.length > 0);
		assert.equal(refusal.$metadata.httpStatusCode, 400);
	});
}
async function collect(paginator, list) {
	const pages = [];
	for await (const page of paginator) pages.push(page[list]);
	return { count: pages.length, all: pages.flat() };
}
const create = (name, definition, more = {}) =>
	client.createStateMachine({ name, definition: JSON.stringify(definition), roleArn: role, ...more }).then((made) => made.stateMachineArn);
async function ended(executionArn) {
	for (let i = 0; i < 300; i++) {
		const seen = await client.describeExecution({ executionArn });
		if (seen.status !== "RUNNING") return seen;
		await new Promise((done) => setTimeout(done, 50));
	}
	throw new Error(`${executionArn} does not end`);
}

const chapters = {
	async machines() {
		const good = await client.validateStateMachineDefinition({ definition: JSON.stringify(pass), severity: "WARNING" });
		step("a good definition is valid", () => assert.deepEqual([good.result, good.diagnostics, good.truncated], ["OK", [], false]));
		const bad = await client.validateStateMachineDefinition({ definition: '{"StartAt": "A"}' });
		step("a bad one has diagnostics", () => assert.deepEqual([bad.result, bad.diagnostics[0].severity], ["FAIL", "ERROR"]));
		this.orders = await create("orders", pass, { tags: [{ key: "team", value: "films" }] });
		this.waits = await create("waits", waits);
		await refused("its name is taken", "StateMachineAlreadyExists", create("orders", waits));
		await refused("a bad definition is refused", "InvalidDefinition", create("bad", { StartAt: "A" }));
		const seen = await client.describeStateMachine({ stateMachineArn: this.orders });
		step("it is described", () => {
			assert.deepEqual(JSON.parse(seen.definition), pass);
			assert.deepEqual([seen.status, seen.type, seen.roleArn], ["ACTIVE", "STANDARD", role]);
			assert.ok(seen.creationDate instanceof Date && Math.abs(Date.now() - seen.creationDate) < 60000);
		});
		const listed = await collect(sdk.paginateListStateMachines({ client, pageSize: 1 }, {}), "stateMachines");
		step("machines are listed, page by page", () => assert.deepEqual([listed.count, listed.all.map((m) => m.name)], [2, ["orders", "waits"]]));
		await refused("an unknown one is not described", "StateMachineDoesNotExist", client.describeStateMachine({ stateMachineArn: `${this.orders}x` }));
	},
	async versions() {
		const stateMachineArn = this.orders;
		const { stateMachineVersionArn: first } = await client.publishStateMachineVersion({ stateMachineArn, description: "the first" });
		const { stateMachineVersionArn: second } = await client.updateStateMachine({
			stateMachineArn, definition: JSON.stringify({ ...pass, Comment: "2" }), publish: true, versionDescription: "the second",
		});
		const listed = await client.listStateMachineVersions({ stateMachineArn });
		step("two versions are published", () =>
			assert.deepEqual(listed.stateMachineVersions.map((v) => v.stateMachineVersionArn), [`${stateMachineArn}:2`, `${stateMachineArn}:1`]));
		const { stateMachineAliasArn } = await client.createStateMachineAlias({
			name: "live", routingConfiguration: [{ stateMachineVersionArn: first, weight: 100 }],
		});
		await client.updateStateMachineAlias({
			stateMachineAliasArn, description: "what customers get", routingConfiguration: [{ stateMachineVersionArn: second, weight: 100 }],
		});
		const seen = await client.describeStateMachineAlias({ stateMachineAliasArn });
		step("an alias routes", () => assert.deepEqual([seen.name, seen.description, seen.routingConfiguration],
			["live", "what customers get", [{ stateMachineVersionArn: second, weight: 100 }]]));
		const aliases = await client.listStateMachineAliases({ stateMachineArn });
		step("aliases are listed", () => assert.deepEqual(aliases.stateMachineAliases.map((a) => a.stateMachineAliasArn), [stateMachineAliasArn]));
		const { executionArn } = await client.startExecution({ stateMachineArn: stateMachineAliasArn, name: "by-alias" });
		const run = await ended(executionArn);
		step("an alias is started", () => assert.deepEqual([run.status, run.stateMachineVersionArn, run.stateMachineAliasArn],
			["SUCCEEDED", second, stateMachineAliasArn]));
		await refused("a version in use stays", "ConflictException", client.deleteStateMachineVersion({ stateMachineVersionArn: second }));
		await client.deleteStateMachineAlias({ stateMachineAliasArn });
		await client.deleteStateMachineVersion({ stateMachineVersionArn: first });
		const left = await client.listStateMachineVersions({ stateMachineArn });
		step("alias and version are deleted", () => assert.deepEqual(left.stateMachineVersions.map((v) => v.stateMachineVersionArn), [second]));
	},
	async executions() {
		const stateMachineArn = this.orders;
		const { executionArn } = await client.startExecution({ stateMachineArn, name: "one", input: '{"n": 1.50}' });
		const seen = await ended(executionArn);
		step("an execution succeeds", () => assert.deepEqual([seen.status, seen.output], ["SUCCEEDED", '{"n":1.50,"a":{"b":2}}']));
		await refused("its name is taken", "ExecutionAlreadyExists", client.startExecution({ stateMachineArn, name: "one", input: "{}" }));
		await refused("an input must be JSON", "InvalidExecutionInput", client.startExecution({ stateMachineArn, input: "{" }));
		const run = await client.describeStateMachineForExecution({ executionArn });
		step("it says what it runs", () => assert.equal(run.name, "orders"));
		const history = await collect(sdk.paginateGetExecutionHistory({ client, pageSize: 4 }, { executionArn }), "events");
		step("its history is whole", () => assert.deepEqual([history.count, history.all.map((e) => e.type)], [2, ["ExecutionStarted",
			"PassStateEntered", "PassStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"]]));
		const executions = await collect(sdk.paginateListExecutions({ client, pageSize: 1 }, { stateMachineArn }), "executions");
		step("executions are listed, the newest first", () => assert.deepEqual([executions.count, executions.all.map((e) => e.name)], [2, ["one", "by-alias"]]));
		// The service has no waiters: the SDK makes none.
		step("there are no waiters", () => assert.deepEqual(Object.keys(sdk).filter((name) => name.startsWith("waitUntil")), []));
		const runs = await collect(sdk.paginateListMapRuns({ client }, { executionArn }), "mapRuns");
		step("an execution without a distributed Map has no map runs", () => assert.deepEqual(runs.all, []));
		const mapRunArn = "arn:aws:states:us-east-1:000000000000:mapRun:orders/label:6b1bbd4a-9a5f-4d0e-bd0d-0a4d6dbdf4d0";
		await refused("an unknown map run is not described", "ResourceNotFound", client.describeMapRun({ mapRunArn }));
		await refused("nor changed", "ResourceNotFound", client.updateMapRun({ mapRunArn, maxConcurrency: 2 }));
	},
	// A child gets the token of the task that started it, and somebody else, who reads it there, answers for it.
	async tokens() {
		const asks = await create("asks", task("arn:aws:states:::states:startExecution.waitForTaskToken", {
			HeartbeatSeconds: 600, Parameters: { StateMachineArn: this.waits, Input: { "token.$": "$$.Task.Token" } },
		}));
		const ask = async (name) => {
			const { executionArn } = await client.startExecution({ stateMachineArn: asks, name });
			for (let i = 0; i < 200; i++) {
				const { executions } = await client.listExecutions({ stateMachineArn: this.waits, statusFilter: "RUNNING" });
				if (executions.length) {
					const child = await client.describeExecution({ executionArn: executions[0].executionArn });
					const { stopDate } = await client.stopExecution({ executionArn: child.executionArn, error: "Enough", cause: "its token is known" });
					step("an execution is stopped", () => assert.ok(stopDate instanceof Date));
					return { executionArn, taskToken: JSON.parse(child.input).token };
				}
			}
			throw new Error("no child was started");
		};
		const good = await ask("good");
		await client.sendTaskHeartbeat({ taskToken: good.taskToken });
		await client.sendTaskSuccess({ taskToken: good.taskToken, output: '{"approved":true}' });
		const approved = await ended(good.executionArn);
		step("a task succeeds by its token", () => assert.deepEqual([approved.status, approved.output], ["SUCCEEDED", '{"approved":true}']));
		const bad = await ask("bad");
		await client.sendTaskFailure({ taskToken: bad.taskToken, error: "Refused", cause: "too dear" });
		const dear = await ended(bad.executionArn);
		step("a task fails by its token", () => assert.deepEqual([dear.status, dear.error, dear.cause], ["FAILED", "Refused", "too dear"]));
		await refused("a token is used once", "TaskTimedOut", client.sendTaskSuccess({ taskToken: bad.taskToken, output: "{}" }));
		await refused("a foreign token is refused", "InvalidToken", client.sendTaskHeartbeat({ taskToken: "nothing" }));
	},
	// A worker fails its task; the execution is redriven, and the worker does it right.
	async workers() {
		const { activityArn } = await client.createActivity({ name: "paint" });
		await client.createActivity({ name: "sand" });
		const seen = await client.describeActivity({ activityArn });
		step("an activity is made", () => assert.equal(seen.name, "paint"));
		const listed = await collect(sdk.paginateListActivities({ client, pageSize: 1 }, {}), "activities");
		step("activities are listed, page by page", () => assert.deepEqual(listed.all.map((a) => a.name), ["paint", "sand"]));
		const stateMachineArn = await create("paints", task(activityArn));
		const { executionArn } = await client.startExecution({ stateMachineArn, name: "red", input: '{"colour":"red"}' });
		const given = await client.getActivityTask({ activityArn, workerName: "ann" });
		step("a worker is given the task", () => assert.deepEqual(JSON.parse(given.input), { colour: "red" }));
		await client.sendTaskFailure({ taskToken: given.taskToken, error: "NoPaint", cause: "the pot is empty" });
		const spoilt = await ended(executionArn);
		step("its failure is the execution's", () => assert.deepEqual([spoilt.error, spoilt.redriveStatus], ["NoPaint", "REDRIVABLE"]));
		const redriven = await client.redriveExecution({ executionArn, clientToken: "once" });
		const again = await client.redriveExecution({ executionArn, clientToken: "once" });
		step("a redrive goes on, once", () => assert.deepEqual(redriven.redriveDate, again.redriveDate));
		const { taskToken } = await client.getActivityTask({ activityArn });
		await client.sendTaskSuccess({ taskToken, output: '"done"' });
		const done = await ended(executionArn);
		step("it succeeds then", () => assert.deepEqual([done.status, done.redriveCount, done.output], ["SUCCEEDED", 1, '"done"']));
		await refused("what succeeded is not redriven", "ExecutionNotRedrivable", client.redriveExecution({ executionArn }));
		await client.deleteActivity({ activityArn });
		await refused("a deleted activity is gone", "ActivityDoesNotExist", client.describeActivity({ activityArn }));
	},
	async express() {
		const stateMachineArn = await create("quick", pass, { type: "EXPRESS" });
		const seen = await client.startSyncExecution({ stateMachineArn, input: "{}" });
		step("an Express execution is waited for", () => {
			assert.deepEqual([seen.status, JSON.parse(seen.output)], ["SUCCEEDED", { a: { b: 2 } }]);
			assert.equal(seen.billingDetails.billedMemoryUsedInMB, 64);
		});
		const tested = await client.testState({ definition: JSON.stringify(pass.States.A), input: "{}", inspectionLevel: "DEBUG" });
		step("a state is tested", () => assert.deepEqual([tested.status, tested.nextState, JSON.parse(tested.inspectionData.result)], ["SUCCEEDED", "B", { b: 2 }]));
		const mocked = await client.testState({
			definition: JSON.stringify(task("arn:aws:states:::lambda:invoke").States.T), input: "{}", mock: { result: '{"Payload":1}' },
		});
		step("with a mock, a task too", () => assert.deepEqual([mocked.status, JSON.parse(mocked.output)], ["SUCCEEDED", { Payload: 1 }]));
	},
	async tags() {
		const resourceArn = this.orders;
		await client.tagResource({ resourceArn, tags: [{ key: "stage", value: "test" }] });
		const both = await client.listTagsForResource({ resourceArn });
		step("tags are listed", () => assert.deepEqual(both.tags.map((t) => `${t.key}=${t.value}`).sort(), ["stage=test", "team=films"]));
		await client.untagResource({ resourceArn, tagKeys: ["team"] });
		const left = await client.listTagsForResource({ resourceArn });
		step("and taken away", () => assert.deepEqual(left.tags, [{ key: "stage", value: "test" }]));
		await refused("an unknown resource has no tags", "ResourceNotFound", client.listTagsForResource({ resourceArn: `${resourceArn}x` }));
	},
	async end() {
		await client.deleteStateMachine({ stateMachineArn: this.orders });
		let names;
		for (let i = 0; i < 100; i++) {
			names = (await client.listStateMachines({})).stateMachines.map((m) => m.name);
			if (!names.includes("orders")) break;
			await new Promise((done) => setTimeout(done, 50));
		}
		step("the machine is gone", () => assert.deepEqual(names, ["asks", "paints", "quick", "waits"]));
	},
};

const made = {};
for (const [name, chapter] of Object.entries(chapters)) {
	try {
		await chapter.call(made);
	} catch (failure) {
		failed++;
		console.log(`FAILED the chapter ${name} broke off: ${failure.stack}`);
	}
}
const known = Object.keys(sdk).filter((name) => /^[A-Z].*Command$/.test(name) && name !== "$Command").map((name) => name.replace(/Command$/, ""));
step(`${OPERATIONS} operations are called`, () => assert.ok(called.size >= OPERATIONS, `only ${called.size}: not ${known.filter((name) => !called.has(name))}`));
console.log(`@aws-sdk/client-sfn, Node.js ${process.version}: ${called.size} operations called`);
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed ? 1 : 0);
