#!/usr/bin/env python3
"""A gRPC server with gRPC's own health service, on the loopback address.

    health_server.py [CERTIFICATE KEY]

Through TLS when it is given a certificate and its key (PEM files). Says `port N` when it listens. A line on its standard
input says how a service is from then on, `NAME SERVING` or `NAME NOT_SERVING`; the server as a whole, whose name is empty,
is `- SERVING`. It ends when its input does.
"""

import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def bind(server, paths):
    if not paths:
        return server.add_insecure_port("127.0.0.1:0")
    certificate, key = [open(path, "rb").read() for path in paths]
    return server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))


def main():
    service = health.HealthServicer()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    health_pb2_grpc.add_HealthServicer_to_server(service, server)
    port = bind(server, sys.argv[1:])
    server.start()
    print(f"port {port}", flush=True)
    for line in sys.stdin:
        name, status = line.split()
        service.set("" if name == "-" else name, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    server.stop(None)


main()
