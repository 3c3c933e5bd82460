// An HTTP/1.1 server on the loopback address, Node's own. Says `port N` when it listens, and ends when its standard input
// does.
'use strict';

const http = require('http');

const server = http.createServer((request, response) => response.end('ok'));
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
