// reference.js: the reference implementation's times: compile and evaluate each expression on each document.
//     JSONATA_MODULE=… node reference.js EXPRESSIONS FOLDER  →  lines "name TAB document TAB nanoseconds", then "peak TAB KiB"
'use strict';
const fs = require('fs');
const jsonata = require(process.env.JSONATA_MODULE || 'jsonata');
const [expressions, folder] = process.argv.slice(2);
async function measure(expr, input) {
    for (const warm = process.hrtime.bigint(); process.hrtime.bigint() - warm < 300000000n;) await jsonata(expr).evaluate(input);
    let best = Infinity;
    for (let round = 0; round < 5; round++) {
        const start = process.hrtime.bigint();
        let runs = 0, spent;
        do { await jsonata(expr).evaluate(input); runs++; spent = process.hrtime.bigint() - start; } while (spent < 100000000n);
        best = Math.min(best, Number(spent) / runs);
        if (spent > 1000000000n && round) break;
    }
    return best;
}
(async () => {
    for (const document of ['1KB', '100KB', '10MB']) {
        const input = JSON.parse(fs.readFileSync(`${folder}/${document}.json`, 'utf8'));
        for (const { name, expr } of JSON.parse(fs.readFileSync(expressions, 'utf8')))
            console.log(`${name}\t${document}\t${Math.round(await measure(expr, input))}`);
    }
    console.log(`peak\t${process.resourceUsage().maxRSS}`);
})();
