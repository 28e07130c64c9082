// differential.js: random expressions through this implementation and through the reference, compared.
//
//     JSONATA_MODULE=…/node_modules/jsonata node differential.js EVALUATE_LINES [COUNT] [SEED]
//
// Prints each difference and, last, "N agree, N differ". Errors agree when their codes do. The seed repeats a run.
'use strict';
const { spawn } = require('child_process');
const readline = require('readline');
const jsonata = require(process.env.JSONATA_MODULE || 'jsonata');

const [binary, countText, seedText] = process.argv.slice(2);
const count = Number(countText || 2000);
let state = Number(seedText || Date.now() % 1000000);
console.log('seed', state);

function random() { // mulberry32
    state = (state + 0x6D2B79F5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
}
const below = n => Math.floor(random() * n);
const pick = list => list[below(list.length)];

// ---- input documents

const names = ['a', 'b', 'c', 'd', 'id', 'name', 'items', 'price', 'x y'];
const texts = ['', 'a', 'b', 'hello', 'Hello World', '10', '2', ' x ', 'abc,def,ghi', 'é', '😀', '2018-01-01T10:00:00Z', 'aXbXc', '€5'];
const numbers = [0, 1, 2, 3, -1, 10, 0.5, 2.5, 1e21, 123456789, 1e-7, 100, 1510067557121];

function document(depth) {
    const kind = below(depth <= 0 ? 5 : 10);
    if (kind < 2) return pick(numbers);
    if (kind < 4) return pick(texts);
    if (kind === 4) return pick([true, false, null]);
    if (kind < 7) return Array.from({ length: below(4) }, () => document(depth - 1));
    const object = {};
    for (let i = below(5); i > 0; i--) object[pick(names)] = document(depth - 1);
    return object;
}

function table() { // what people have: a list of records
    return {
        items: Array.from({ length: 1 + below(5) }, (_, i) => ({
            id: i, name: pick(texts), price: pick(numbers), tags: Array.from({ length: below(3) }, () => pick(['x', 'y', 'z'])),
            b: { c: pick(numbers), d: below(3) ? [{ x: below(3) }, { x: below(3) }] : { x: 1 } },
        })),
        a: { b: [{ c: 1 }, { c: 2 }], c: pick(texts) }, name: 'n', x: below(10),
    };
}

// ---- expressions

const variables = ['$x', '$y', '$v', '$i', '$'];
const fields = ['a', 'b', 'c', 'd', 'id', 'name', 'items', 'price', 'tags', 'x', 'items.price', 'items.b.c', 'items.b.d.x', 'a.b', 'a.b.c', 'items.name', '`x y`', 'items.tags'];
const text = () => pick([() => JSON.stringify(pick(texts)), () => 'name', () => 'a.c', () => '$string(' + number(0) + ')'])();
const number = d => pick([() => String(pick(numbers)), () => 'x', () => '-' + below(5), () => d > 0 ? '(' + number(d - 1) + pick(['+', '-', '*', '/', '%']) + number(d - 1) + ')' : '7',
    () => d > 0 ? `$${pick(['floor', 'ceil', 'abs', 'round', 'sqrt'])}(${number(d - 1)})` : '3', () => d > 0 ? `$count(${any(d - 1)})` : '1', () => d > 0 ? `$sum(${array(d - 1)})` : '0'])();
const array = d => pick([() => `[${below(4)}..${below(6)}]`, () => '[' + Array.from({ length: below(4) }, () => any(d - 1)).join(',') + ']', () => pick(fields), () => pick(fields) + '[]',
    () => 'items', () => `$split(${text()},${pick(['","', '"X"', '""', '/[,X]/', '" "'])})`, () => d > 0 ? `$map(${array(d - 1)},${lambda(d - 1)})` : 'items',
    () => d > 0 ? `$filter(${array(d - 1)},${lambda(d - 1)})` : 'a.b', () => d > 0 ? `$append(${any(d - 1)},${any(d - 1)})` : '[1]', () => d > 0 ? `$reverse(${array(d - 1)})` : '[2]',
    () => d > 0 ? `$distinct(${array(d - 1)})` : '[2,2]', () => d > 0 ? `$sort(${array(d - 1)})` : '[3,1]', () => d > 0 ? `$zip(${array(d - 1)},${array(d - 1)})` : '[]', () => d > 0 ? `$spread(${any(d - 1)})` : '[]'])();
const lambda = d => pick([() => `function($v){${any(d)}}`, () => `function($v,$i){${any(d)}}`, () => `function($v,$i,$y){${any(d)}}`, () => pick(['$string', '$number', '$uppercase', '$exists', '$count', '$not', '$boolean', '$length', '$type', '$sum']),
    () => `function($v,$i){$v}`, () => `function($x)<${pick(['s:s', 'n:n', 'a<n>:n', 'x:x', 's-:s', 'n?:n', '(sn)-:s', 'o:o', 'a:a'])}>{$x}`, () => `$append(?,1)`])();
const object = d => pick([() => '{' + Array.from({ length: 1 + below(3) }, () => pick(['"k"', '"a"', '"m"', 'name', text()]) + ':' + any(d - 1)).join(',') + '}', () => 'a', () => 'items[0]', () => d > 0 ? `$merge(${array(d - 1)})` : '{}',
    () => d > 0 ? `(${object(d - 1)} ~> |${pick(fields)}|{"new":1}${pick(['', ',"a"', ',["c","x"]'])}|)` : '{"z":1}', () => d > 0 ? `$sift(${object(d - 1)},${lambda(d - 1)})` : '{}'])();
const step = d => pick([() => pick(fields), () => '*', () => '**', () => '(' + any(d - 1) + ')', () => object(d - 1), () => '[' + any(d - 1) + ']', () => '%', () => `${pick(['$string', '$uppercase', '$sum', '$count', '$keys', '$type'])}(${pick(['', '$', any(d - 1)])})`, () => `"${pick(names)}"`, () => '$'])();
const follow = d => pick([() => '', () => '', () => '', () => `[${below(4) - 1}]`, () => `[${any(d - 1)}]`, () => '[]', () => `[[${below(3)},${below(3)}]]`, () => `[[0..1]]`, () => `^(${pick(['', '<', '>'])}${any(d - 1)})`, () => `@${pick(['$x', '$y'])}`, () => `#${pick(['$i', '$v'])}`,
    () => `[$i=${below(3)}]`, () => `[x>1]`, () => `[price>1]`, () => `{${pick(['name', '$string(id)', text()])}:${any(d - 1)}}`])();
const path = d => (random() < 0.2 ? pick(variables) : pick(fields)) + follow(d) + Array.from({ length: below(3) }, () => '.' + step(d) + follow(d)).join('');
const bool = d => pick([() => 'true', () => 'false', () => `${any(d - 1)} ${pick(['=', '!=', '<', '<=', '>', '>=', 'in'])} ${any(d - 1)}`, () => `(${bool(Math.max(0, d - 1))} ${pick(['and', 'or'])} ${any(d - 1)})`, () => `$exists(${any(d - 1)})`, () => `$not(${any(d - 1)})`, () => `$contains(${text()},${pick(['"a"', '/[a-c]+/', '/L/i'])})`])();
const string = d => pick([text, () => `${any(d - 1)} & ${any(d - 1)}`, () => `$${pick(['uppercase', 'lowercase', 'trim', 'base64encode', 'encodeUrlComponent', 'encodeUrl'])}(${text()})`, () => `$substring(${text()},${number(0)}${pick(['', ',' + number(0)])})`,
    () => `$${pick(['substringBefore', 'substringAfter'])}(${text()},${text()})`, () => `$pad(${text()},${below(20) - 10}${pick(['', ',"#"', ',"-+"', ',"é"'])})`, () => `$join(${pick(['$split(' + text() + ',",")', 'items.name', 'items.tags', '["a","b"]'])}${pick(['', ',"-"'])})`,
    () => `$replace(${text()},${pick(['"a"', '"X"', '/[a-l]/', '/(l)(o)?/', '/(.)(.)/'])},${pick(['"-"', '"$1$0"', '"$2-$$"', 'function($m){$m.match & "!"}'])}${pick(['', ',1'])})`, () => `$string(${any(d - 1)}${pick(['', ',true'])})`,
    () => `$formatNumber(${number(0)},${pick(['"#,##0.00"', '"0"', '"#0.0%"', '"0.0##e0"', '"00,00.#"', '"(#)"', '"#;-#"', '"###0.0#"'])})`, () => `$formatBase(${number(0)},${2 + below(35)})`, () => `$formatInteger(${number(0)},${pick(['"w"', '"W"', '"Ww"', '"I"', '"i"', '"A"', '"a"', '"0"', '"#,##0"', '"1;o"', '"w;o"', '"00000"'])})`,
    () => `$fromMillis(${pick(['1510067557121', '0', '-86400000', '951782400000', String(Math.floor(random() * 4e12 - 1e12))])},${pick(['"[Y]-[M]-[D]"', '"[D1o] [MNn] [YI]"', '"[FNn,3-3] [H01]:[m]:[s].[f001]"', '"[h]:[m01][P] [PN] [Z] [z]"', '"[X]-W[W01]-[F1]"', '"[w] [x] [xNn] [d]"', '"[Y,2-2] [Yw] [Dwo] [MN,*-3]"', '"[M01]/[D01]/[Y0001] [[x]]"'])}${pick(['', ',"+0530"', ',"-0500"'])})`])();
const any = d => d <= 0 ? pick([() => String(pick(numbers)), text, () => pick(fields), () => pick(variables), () => 'null', () => 'true', () => 'nothing', () => '[]', () => '{}'])()
    : pick([() => path(d), () => path(d), () => path(d), () => number(d), () => string(d), () => array(d), () => object(d), () => bool(d), () => `(${bool(d)} ? ${any(d - 1)} : ${any(d - 1)})`, () => `(${any(d - 1)} ${pick(['?:', '??'])} ${any(d - 1)})`,
        () => `(${pick(['$x', '$y', '$v'])} := ${any(d - 1)}; ${any(d - 1)})`, () => `(${any(d - 1)} ~> ${pick(['$string', '$count', '$sum', '$keys', '$type', '$uppercase()', '$append(1)', lambda(d - 1)])})`, () => `$${pick(['max', 'min', 'average', 'sum', 'count', 'keys', 'type', 'boolean', 'number', 'exists', 'string'])}(${any(d - 1)})`,
        () => `$reduce(${array(d - 1)},function($x,$y){${any(d - 1)}}${pick(['', ',' + any(d - 1)])})`, () => `$each(${object(d - 1)},${lambda(d - 1)})`, () => `$lookup(${any(d - 1)},"a")`, () => `$single(${array(d - 1)},${lambda(d - 1)})`, () => `${lambda(d - 1)}(${any(d - 1)})`, () => `$match(${text()},${pick(['/[a-l]/', '/(l)(o)?/'])})`,
        () => `$toMillis(${pick(['"2018-01-01T10:00:00Z"', '"2018-02-30"', '"2018"', text()])})`, () => `$eval(${JSON.stringify(any(d - 1))})`, () => `$sort(${array(d - 1)},function($x,$y){$x>$y})`, () => `(${lambda(d - 1)} ~> ${lambda(d - 1)})(${any(d - 1)})`])();

// ---- running both

async function reference(expr, input) {
    try {
        const value = await jsonata(expr).evaluate(input);
        if (typeof value === 'function' || (value && (value._jsonata_lambda || value._jsonata_function))) return { function: true };
        if (value === undefined) return { undefined: true };
        let printed;
        try {
            printed = JSON.stringify(value, (k, v) => typeof v === 'function' || (v && (v._jsonata_lambda || v._jsonata_function)) ? '' : v);
        } catch (e) {
            return { crash: String(e) };
        }
        return { value: JSON.parse(printed) };
    } catch (e) {
        return e.code ? { code: e.code, position: e.position, token: e.token, message: e.message } : { crash: String(e) };
    }
}

function same(a, b) {
    if (typeof a === 'number' && typeof b === 'number') return a === b || Math.abs(a - b) <= 1e-14 * Math.abs(b);
    if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
    if (Array.isArray(a) !== Array.isArray(b)) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every(k => k in b && same(a[k], b[k]));
}

async function main() {
    const child = spawn(binary, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    let agree = 0, differ = 0, positions = 0, messages = 0;
    const strict = process.env.STRICT;
    for (let i = 0; i < count; i++) {
        const expr = process.env.EXPRS ? require('fs').readFileSync(process.env.EXPRS, 'utf8').split('\n')[i] : any(1 + below(3));
        if (expr === undefined) break;
        const input = random() < 0.7 ? table() : document(3);
        child.stdin.write(JSON.stringify({ expr, input }) + '\n');
        const { value: line, done } = await lines.next();
        if (done) { console.log('CRASH', expr, JSON.stringify(input)); process.exit(2); }
        const ours = JSON.parse(line), theirs = await reference(expr, input);
        if (theirs.crash) continue;
        const fits = theirs.code ? theirs.code === ours.code : 'value' in theirs ? 'value' in ours && same(ours.value, theirs.value) : Object.keys(theirs)[0] in ours;
        if (fits && theirs.code && (ours.position || 0) !== (theirs.position || 0)) { positions++; if (strict) console.log('POSITION', expr, '\n   ', JSON.stringify(ours), '\n   ', JSON.stringify(theirs)); }
        if (fits && theirs.code && ours.message !== theirs.message) { messages++; if (strict) console.log('MESSAGE', expr, '\n   ', JSON.stringify(ours), '\n   ', JSON.stringify(theirs)); }
        if (fits) { agree++; continue; }
        differ++;
        console.log('DIFFER', expr, '\n    input    ', JSON.stringify(input).slice(0, 1500), '\n    ours     ', line.slice(0, 600), '\n    reference', JSON.stringify(theirs).slice(0, 600));
    }
    console.log(`${agree} agree, ${differ} differ; of the errors ${positions} have another position, ${messages} another message`);
    child.stdin.end();
    process.exit(differ ? 1 : 0);
}
main();
