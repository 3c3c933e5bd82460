// An HTTP/2 server on the loopback address, Node's own.
//
//     http2.js [CERTIFICATE KEY]
//
// Through TLS when it is given a certificate and its key (PEM files). Says `port N` when it listens, and ends when its
// standard input does.
'use strict';

const fs = require('fs');
const http2 = require('http2');

const [certificate, key] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const server = certificate
  ? http2.createSecureServer({ cert: certificate, key })
  : http2.createServer();
server.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
