"""Small peers for record.sh: clients and servers whose behaviour no common tool has. Each serves until it is ended, or runs once."""
import base64
import hashlib
import socket
import struct
import sys
import threading
import time

what, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET


def connect():
    s = socket.create_connection((host, port), timeout=5)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def serve(handler):
    listener = socket.create_server((host, port), family=family)
    while True:
        s, _ = listener.accept()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=lambda s=s: (handler(s), s.close()), daemon=True).start()


def read_head(s):
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            break
        data += more
    return data


def upload(s):
    """Takes any body, answers in chunks and keeps the connection."""
    while True:
        data = read_head(s)
        if not data:
            return
        head, _, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if b"chunked" in lower:
            while not body.endswith(b"0\r\n\r\n"):
                body += s.recv(65536)
        elif b"content-length:" in lower:
            length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += s.recv(65536)
        s.sendall(b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"taken ", b"%d bytes\n" % len(body)):
            s.sendall(b"%x\r\n%s\r\n" % (len(part), part))
        s.sendall(b"0\r\n\r\n")


def odd(s):
    path = read_head(s).split(b" ")[1]
    if path == b"/early-hints":
        s.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
        time.sleep(0.02)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    elif path == b"/until-close":
        s.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the connection closes\n")
    elif path == b"/cut":
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nnot all of it")
    elif path == b"/trailers":
        s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n")
    else:
        s.sendall(b"no status line at all\r\n\r\n")
    time.sleep(0.02)


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    try:
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def proxy(s):
    """CONNECT, and GET with an absolute target."""
    data = read_head(s)
    method, target = data.split(b" ")[:2]
    authority = target if method == b"CONNECT" else target.split(b"/")[2]
    name, _, number = authority.decode().partition(":")
    if name == "www.example.test":
        name, number = "127.0.0.1", "8443"
    try:
        upstream = socket.create_connection((name, int(number or 80)), timeout=5)
    except OSError:
        s.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        return
    if method == b"CONNECT":
        s.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        upstream.sendall(data)
    back = threading.Thread(target=pump, args=(upstream, s), daemon=True)
    back.start()
    pump(s, upstream)
    back.join(5)


def websocket(s):
    head = read_head(s)
    key = head.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    s.recv(100)
    s.sendall(b"\x81\x05hello")
    s.recv(100)
    s.sendall(b"\x88\x02\x03\xe8")


def websocket_client():
    s = connect()
    s.sendall(b"GET /chat HTTP/1.1\r\nHost: ws.example.test:8082\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nOrigin: http://ws.example.test\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
    read_head(s)
    s.sendall(b"\x81\x85\x01\x02\x03\x04" + bytes(x ^ m for x, m in zip(b"hello", b"\x01\x02\x03\x04\x01")))
    s.recv(100)
    s.sendall(b"\x88\x82\x00\x00\x00\x00\x03\xe8")
    s.recv(100)


def pipeline():
    s = connect()
    s.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: www.example.test\r\n%s\r\n" % (path, end) for path, end in
                       ((b"/", b""), (b"/big.txt", b""), (b"/absent", b""), (b"/plain", b"Connection: close\r\n"))))
    while s.recv(65536):
        pass


def silent():
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((host, port))
    time.sleep(60)


def datagram():
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.connect((host, port))
    s.send(b"anybody there?")
    s.settimeout(0.5)
    s.recv(100)


def reset(s):
    s.sendall(b"welcome\n")
    s.recv(100)
    s.sendall(b"goodbye\n")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def chat():
    s = connect()
    s.recv(100)
    s.sendall(b"\x01\x02 no known protocol\n")
    time.sleep(0.1)


servers = {"upload": upload, "odd": odd, "proxy": proxy, "websocket": websocket, "reset": reset}
clients = {"websocket-client": websocket_client, "pipeline": pipeline, "silent": silent, "datagram": datagram, "chat": chat}
if what in servers:
    serve(servers[what])
else:
    clients[what]()
