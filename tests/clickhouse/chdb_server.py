#!/usr/bin/env python3
"""chDB (the current ClickHouse engine as a Python module, PyPI `chdb`) behind ClickHouse's HTTP interface, as far as CVF uses it.

    chdb_server.py PORT FOLDER        serves http://127.0.0.1:PORT until it is ended; FOLDER keeps the data

A query is the body, or, for INSERT … FORMAT, the parameter `query` with the rows as body.
"""
import http.server
import sys
import urllib.parse

from chdb import session


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parameters = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        sql = parameters.get("query", [""])[0]
        sql = sql + "\n" + body.decode() if sql else body.decode()
        status, answer = 200, b""
        try:
            answer = self.server.chdb.query(sql).bytes() or b""
        except Exception as error:  # the engine's own words are the answer, as with a server
            status, answer = 500, (str(error) + "\n").encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.chdb = session.Session(sys.argv[2])
server.serve_forever()
