#!/usr/bin/env python3
"""A scripted HTTP server on loopback, for tests of posting.

usage: http_server.py --script FILE --log FILE --port-file FILE [--port N] [--cert FILE --key FILE]

Each request takes the next step of the script, one on a line; the last one is for all that follow. The
script is read again, from its beginning, when the file has been replaced. Steps:

  STATUS [HEADER=VALUE...]   that answer, with an empty JSON object as its body
  retry-date STATUS SECONDS  that answer, Retry-After being an HTTP date so many seconds ahead
  garbage                    something that is not HTTP
  slow-headers SECONDS       a 200 whose headers take so long
  slow-body SECONDS          a 200 whose body takes so long, byte for byte
  endless                    a 200 with a body that does not end
  die                        the connection is closed without an answer
  die-headers                the connection is closed in the middle of the headers
  die-body                   the connection is closed in the middle of the body of a 200
  hang                       no answer, until the client gives up

Each request is logged as one line of JSON when it has been read, before it is answered: time (seconds),
method, path, headers (names in lower case), body, step. The port is written to the port file once the
server listens; it ends with the process that started it.
"""

import argparse
import email.utils
import json
import os
import socket
import socketserver
import ssl
import threading
import time


class Script:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()
        self.identity = None
        self.steps = ["200"]
        self.at = 0

    def next_step(self):
        with self.lock:
            st = os.stat(self.path)
            identity = (st.st_ino, st.st_mtime_ns)
            if identity != self.identity:
                with open(self.path, encoding="utf-8") as file:
                    self.steps = [line.strip() for line in file if line.strip()]
                self.identity = identity
                self.at = 0
            step = self.steps[min(self.at, len(self.steps) - 1)]
            self.at += 1
            return step


def read_request(stream):
    """(method, path, headers, body), or None when the client has gone."""
    line = stream.readline()
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    headers = {}
    while True:
        line = stream.readline().strip()
        if not line:
            break
        name, value = line.decode("latin-1").split(":", 1)
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return method, path, headers, body.decode("utf-8", "replace")


def answer(status, headers=(), body=b"{}"):
    head = f"HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n"
    for name, value in headers:
        head += f"{name}: {value}\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            stream = self.request.makefile("rb")
            while self.serve_one(stream):
                pass
        except (OSError, ValueError):
            pass

    def serve_one(self, stream):
        request = read_request(stream)
        if request is None:
            return False
        step = self.server.script.next_step()
        self.server.log(request, step)
        return self.play(step.split())

    def play(self, words):
        send = self.request.sendall
        kind = words[0]
        if kind.isdigit():
            send(answer(int(kind), [word.split("=", 1) for word in words[1:]]))
            return True
        if kind == "retry-date":
            date = email.utils.formatdate(time.time() + float(words[2]), usegmt=True)
            send(answer(int(words[1]), [("Retry-After", date)]))
            return True
        if kind == "garbage":
            send(b"\x00\x01 this is not HTTP at all\r\n\r\n")
        elif kind == "slow-headers":
            send(b"HTTP/1.1 ")
            time.sleep(float(words[1]))
            send(b"200 x\r\nContent-Length: 2\r\n\r\n{}")
            return True
        elif kind == "slow-body":
            send(b"HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\n")
            for _ in range(10):
                time.sleep(float(words[1]) / 10)
                send(b" ")
            return True
        elif kind == "endless":
            send(b"HTTP/1.1 200 x\r\nConnection: close\r\n\r\n")
            while True:
                send(b" " * 65536)
        elif kind == "die-headers":
            send(b"HTTP/1.1 200")
        elif kind == "die-body":
            send(b"HTTP/1.1 200 x\r\nContent-Length: 1000\r\n\r\nsome")
        elif kind == "hang":
            self.request.settimeout(60)
            self.request.recv(1)
        return False


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, options):
        self.script = Script(options.script)
        self.log_file = open(options.log, "a", encoding="utf-8")
        self.log_lock = threading.Lock()
        self.tls = None
        if options.cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.cert, options.key)
        super().__init__(("127.0.0.1", options.port), Handler)

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def finish_request(self, request, client_address):
        if self.tls is not None:
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ssl.SSLError):
                return
        self.RequestHandlerClass(request, client_address, self)

    def log(self, request, step):
        method, path, headers, body = request
        line = json.dumps({"time": time.time(), "method": method, "path": path,
                           "headers": headers, "body": body, "step": step})
        with self.log_lock:
            self.log_file.write(line + "\n")
            self.log_file.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", required=True)
    parser.add_argument("--log", required=True)
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    options = parser.parse_args()
    server = Server(options)
    with open(options.port_file + ".new", "w", encoding="utf-8") as file:
        file.write(str(server.server_address[1]))
    os.rename(options.port_file + ".new", options.port_file)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.1)


if __name__ == "__main__":
    main()
