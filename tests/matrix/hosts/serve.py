# A web server for the matrix, on a socket file, or on a free port of the loopback interface, which it
# prints. It ends when /end is asked for.
import http.server
import socketserver
import sys

ended = False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global ended
        ended = self.path == "/end"
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        if self.path != "/fail":
            self.wfile.write(b"served\n")

    def address_string(self):
        return "somebody"

    def log_message(self, *arguments):
        pass


if len(sys.argv) > 1:
    server = socketserver.UnixStreamServer(sys.argv[1], Handler)
else:
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
while not ended:
    server.handle_request()
