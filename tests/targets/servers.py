"""Small HTTP servers on the loopback address, of Python's own library.

    servers.py http.server | threading | wsgiref | pool-1 | pool-2

`http.server` serves one connection at a time, to its end; `threading` each on a thread of its own; `wsgiref` is the
reference for WSGI, one request at a time; `pool-N` has N threads, each of which serves a connection to its end. All but
`wsgiref` speak HTTP/1.1 and leave connections open. Says `port N` when it listens, and ends when its standard input does.
"""

import os
import queue
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Pool(HTTPServer):
    """As many threads as it is told, and no more."""

    def start(self, threads):
        self.waiting = queue.Queue()
        for _ in range(threads):
            threading.Thread(target=self.serve_waiting, daemon=True).start()
        return self

    def process_request(self, request, client_address):
        self.waiting.put((request, client_address))

    def serve_waiting(self):
        while True:
            request, client_address = self.waiting.get()
            try:
                self.finish_request(request, client_address)
            except OSError:
                pass  # the client has left
            finally:
                self.shutdown_request(request)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def application(_, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def server(kind):
    at = ("127.0.0.1", 0)
    if kind == "http.server":
        return HTTPServer(at, Handler)
    if kind == "threading":
        return ThreadingHTTPServer(at, Handler)
    if kind == "wsgiref":
        return make_server(*at, application, handler_class=Quiet)
    return Pool(at, Handler).start(int(kind.removeprefix("pool-")))


if __name__ == "__main__":
    serving = server(sys.argv[1])
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    print("port", serving.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)
