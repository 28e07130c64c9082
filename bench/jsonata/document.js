// document.js: writes the documents that the benchmark runs on: about 1 KB, 100 KB and 10 MB of orders.
//     node document.js FOLDER
'use strict';
const fs = require('fs');
let state = 1;
const random = n => (state = (state * 48271) % 2147483647) % n;
function order(i) {
    return {
        id: 'o' + i, customer: 'c' + random(50), status: random(3) ? 'open' : 'closed', total: random(20000) / 100,
        email: ['ada', 'bob', 'eve'][random(3)] + '.' + random(1000) + '@example.' + ['com', 'net', 'org'][random(3)], placed: 1500000000000 + random(2000000) * 100000,
        tags: ['a', 'b'].slice(0, random(3)), lines: Array.from({ length: 1 + random(3) }, () => ({ sku: 'sku-' + random(500), price: random(10000) / 100, quantity: 1 + random(5) })),
    };
}
for (const [name, size] of [['1KB', 1e3], ['100KB', 1e5], ['10MB', 1e7]]) {
    const orders = [];
    for (let bytes = 12, i = 0; bytes < size; i++) {
        orders.push(order(i));
        bytes += JSON.stringify(orders[i]).length + 1;
    }
    fs.writeFileSync(`${process.argv[2]}/${name}.json`, JSON.stringify({ orders }));
}
