// The Lambda Runtime API's client for Node.js handlers: asks for events, calls the handler, gives its answer back.
//
// Started by the server with _HANDLER (module.function), LAMBDA_TASK_ROOT and AWS_LAMBDA_RUNTIME_API in its environment.
// Standard library only. Handlers may be async functions, give a promise, or take a callback. One connection, kept; written with
// plain sockets, because a warm call should cost little.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import net from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const root = process.env.LAMBDA_TASK_ROOT || process.cwd();
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const prefix = '/2018-06-01/runtime/';

// ---- HTTP/1.1, one request at a time

let socket = null; // null: not connected
let waiting = null; // { resolve, reject } of the request under way
let chunks = []; // of its answer

function closed(error) {
  if (this !== socket)
    return;
  socket = null;
  chunks = [];
  const request = waiting;
  waiting = null;
  request?.reject(error instanceof Error ? error : new Error('the Runtime API closed the connection'));
}

function connect() {
  socket = net.connect({ host, port: Number(port), noDelay: true });
  socket.on('data', take).on('error', closed).on('close', closed);
}

// The answer's head, with its length and that of the body; null: it is not all there.
function readHead(bytes) {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0)
    return null;
  const [first, ...lines] = bytes.latin1Slice(0, end).split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(' ', 2)[1]), headers, from: end + 4, length: Number(headers['content-length'] ?? 0) };
}

function take(chunk) {
  if (!waiting)
    return;
  if (!waiting.head) {
    chunks = [chunks.length ? Buffer.concat([...chunks, chunk]) : chunk];
    waiting.head = readHead(chunks[0]);
    waiting.got = chunks[0].length;
  } else {
    chunks.push(chunk);
    waiting.got += chunk.length;
  }
  const { head, got, resolve } = waiting;
  if (!head || got < head.from + head.length)
    return;
  const body = Buffer.concat(chunks).utf8Slice(head.from, head.from + head.length);
  chunks = [];
  waiting = null;
  if (head.headers.connection?.toLowerCase() === 'close') {
    socket.destroy();
    socket = null;
  } else {
    socket.unref(); // while the handler runs, only what it does keeps the process
  }
  resolve({ status: head.status, headers: head.headers, body });
}

function call(method, what, body = '', headers = {}) {
  return new Promise((resolve, reject) => {
    if (!socket)
      connect();
    waiting = { resolve, reject, head: null, got: 0 };
    socket.ref();
    let head = `${method} ${prefix}${what} HTTP/1.1\r\nHost: ${host}:${port}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    for (const name in headers)
      head += `${name}: ${headers[name]}\r\n`;
    socket.write(`${head}\r\n${body}`);
  });
}

// ---- errors

// Our own frames left out: they tell nobody anything, and stand at another place on each machine.
function stackOf(error) {
  return String(error.stack || '').split('\n').filter((line) => !line.includes(import.meta.url));
}

function describe(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'message' in error && 'stack' in error))
    return { errorType: error.name || 'Error', errorMessage: String(error.message), trace: stackOf(error) };
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function report(what, answer, kind) {
  return call('POST', what, JSON.stringify(answer), { 'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': kind.replace(/[^\x20-\x7e]/g, '?') });
}

class InitError extends Error {
  constructor(kind, message, trace) {
    super(message);
    this.name = kind;
    this.trace = trace;
  }
}

// ---- the handler

// The file of a module: with one of the endings that handlers have.
function find(module) {
  for (const ending of ['', '.js', '.mjs', '.cjs']) {
    const file = path.resolve(root, module + ending);
    if (ending ? existsSync(file) : /\.[cm]?js$/.test(file) && existsSync(file))
      return file;
  }
  return null;
}

async function load(entry) {
  const slash = entry.lastIndexOf('/') + 1;
  const dot = entry.indexOf('.', slash);
  if (dot <= slash || dot === entry.length - 1)
    throw new InitError('Runtime.MalformedHandlerName', 'Bad handler');
  const file = find(entry.slice(0, dot));
  if (!file)
    throw new InitError('Runtime.ImportModuleError', `Error: Cannot find module '${entry.slice(0, dot)}'`);
  let module;
  try {
    try {
      module = file.endsWith('.mjs') ? await import(pathToFileURL(file)) : createRequire(path.join(root, 'x.js'))(file);
    } catch (e) {
      if (e.code !== 'ERR_REQUIRE_ESM' && !(e instanceof SyntaxError && /import statement|Unexpected token 'export'/.test(e.message)))
        throw e;
      module = await import(pathToFileURL(file));
    }
  } catch (e) {
    if (e instanceof SyntaxError)
      throw new InitError('Runtime.UserCodeSyntaxError', `SyntaxError: ${e.message}`, String(e.stack).split('\n'));
    if (e.code === 'MODULE_NOT_FOUND' || e.code === 'ERR_MODULE_NOT_FOUND')
      throw new InitError('Runtime.ImportModuleError', `Error: ${e.message}`, String(e.stack).split('\n'));
    throw e;
  }
  let handler = module;
  for (const part of entry.slice(dot + 1).split('.'))
    handler = handler?.[part] ?? (handler === module ? module.default?.[part] : undefined);
  if (handler === undefined)
    throw new InitError('Runtime.HandlerNotFound', `${entry} is undefined or not exported`);
  if (typeof handler !== 'function')
    throw new InitError('Runtime.HandlerNotFound', `${entry} is not a function`);
  return handler;
}

// ---- one invocation

function makeContext(headers, settle) {
  const env = process.env;
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const given = headers['lambda-runtime-client-context'];
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    idempotencyKey: headers['ratchet-idempotency-key'],
    // Headers are bytes; the text in them is UTF-8.
    clientContext: given ? JSON.parse(Buffer.from(given, 'latin1').toString('utf8')) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => deadline - Date.now(),
    done: (error, result) => settle(error, result),
    fail: (error) => settle(error ?? 'handled'),
    succeed: (result) => settle(null, result),
  };
}

// What the handler gives, by whichever of the three ways it gives it first.
function invoke(handler, event, headers) {
  return new Promise((resolve, reject) => {
    const settle = (error, result) => (error === null || error === undefined ? resolve(result) : reject(error));
    const context = makeContext(headers, settle);
    const result = handler(event, context, settle);
    if (result && typeof result.then === 'function')
      result.then(resolve, reject);
    else if (handler.length < 3 && result !== undefined)
      resolve(result);
    else if (handler.length < 2)
      resolve(result);
    else if (handler.length < 3)
      setImmediate(() => { if (!pending()) resolve(result); else process.once('beforeExit', () => resolve(result)); });
  });
}

// Whether something may still call back: timers, requests, files.
function pending() {
  return process.getActiveResourcesInfo().some((kind) => !/^(TTYWrap|PipeWrap|TCPSocketWrap|FSReqCallback|Immediate)$/.test(kind));
}

let current; // the request id of the invocation under way

async function fatal(kind, error) {
  const { errorType, errorMessage, trace } = describe(error);
  const answer = { errorType: kind, errorMessage: `${errorType}: ${errorMessage}`, reason: { errorType, errorMessage, stack: trace }, promise: {}, trace };
  if (kind !== 'Runtime.UnhandledPromiseRejection')
    Object.assign(answer, { errorType, errorMessage, reason: undefined, promise: undefined });
  console.error(`${kind}: ${trace.join('\n') || errorMessage}`);
  if (waiting && !current)
    process.exit(1); // it asks for an event, and must not take one with it
  try {
    await report(current ? `invocation/${current}/error` : 'init/error', answer, kind);
  } finally {
    process.exit(current ? 128 : 1);
  }
}
process.on('unhandledRejection', (reason) => fatal('Runtime.UnhandledPromiseRejection', reason));
process.on('uncaughtException', (error) => fatal('Runtime.UncaughtException', error));

async function serve(handler) {
  for (;;) {
    const next = await call('GET', 'invocation/next');
    if (next.status !== 200)
      process.exit(0);
    current = next.headers['lambda-runtime-aws-request-id'];
    process.env._X_AMZN_TRACE_ID = next.headers['lambda-runtime-trace-id'] ?? '';
    let text;
    try {
      text = JSON.stringify((await invoke(handler, JSON.parse(next.body), next.headers)) ?? null);
    } catch (error) {
      const answer = describe(error);
      console.error(`${new Date().toISOString()}\t${current}\tERROR\tInvoke Error\t${JSON.stringify(answer)}`);
      await report(`invocation/${current}/error`, answer, answer.errorType);
      current = undefined;
      continue;
    }
    await call('POST', `invocation/${current}/response`, text ?? 'null', { 'Content-Type': 'application/json' });
    current = undefined;
  }
}

let handler;
try {
  handler = await load(process.env._HANDLER);
} catch (error) {
  const answer = error instanceof InitError ? { errorType: error.name, errorMessage: error.message, trace: error.trace ?? [] } : describe(error);
  console.error(`${answer.errorType}: ${answer.errorMessage}\n${answer.trace.join('\n')}`);
  await report('init/error', answer, answer.errorType);
  process.exit(1);
}
await serve(handler);
