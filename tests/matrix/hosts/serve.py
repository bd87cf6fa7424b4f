# A web server for the matrix: on a socket file, or on a free port of the loopback interface, which it
# prints.
import http.server
import socketserver
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ok" else 500)
        self.end_headers()
        self.wfile.write(b"served\n")

    def address_string(self):
        return "somebody"

    def log_message(self, *arguments):
        pass


if len(sys.argv) > 1:
    socketserver.UnixStreamServer(sys.argv[1], Handler).serve_forever()
with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
    print(server.server_port, flush=True)
    server.serve_forever()
