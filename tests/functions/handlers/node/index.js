// Handlers as AWS documents them: async functions, promises, callbacks.
exports.handler = async (event, context) => {
  console.log('EVENT\n' + JSON.stringify(event));
  return { statusCode: 200, name: context.functionName };
};
exports.promised = (event) => new Promise((resolve) => setTimeout(() => resolve({ promised: event }), 10));
exports.called = (event, context, callback) => {
  setTimeout(() => callback(null, { called: event }), 10);
};
exports.calledWithError = (event, context, callback) => callback(new TypeError('callback said no'));
exports.calledWithText = (event, context, callback) => callback('just text');
exports.done = (event, context) => context.succeed('old style');
exports.plain = () => ({ plain: true });
exports.context = async (event, context) => ({
  id: context.awsRequestId, arn: context.invokedFunctionArn, version: context.functionVersion, memory: context.memoryLimitInMB,
  remaining: context.getRemainingTimeInMillis(), custom: context.clientContext?.custom, group: context.logGroupName,
});
exports.throws = async () => {
  class OrderProblem extends Error { constructor(m) { super(m); this.name = 'OrderProblem'; } }
  throw new OrderProblem('no such order');
};
exports.throwsText = async () => { throw 'thrown text'; };
exports.rejectsLater = async () => {
  Promise.reject(new Error('nobody listens'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  return 'not reached';
};
exports.throwsLater = (event, context, callback) => { setTimeout(() => { throw new RangeError('too late'); }, 5); };
exports.throwsAfterwards = async (event) => { if (event) setTimeout(() => { throw new Error('nobody waits'); }, 100); return 'gone'; };
exports.exits = async () => { process.exit(7); };
exports.nothing = async () => {};
exports.large = async () => 'a'.repeat(7 * 1024 * 1024);
