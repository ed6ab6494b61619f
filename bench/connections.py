"""Many connections that stay: `connections.py serve ADDRESS PORT` answers each HTTP request; `connections.py hold ADDRESS PORT COUNT` opens
COUNT connections, has one request answered on each, says "ready" and keeps them until it is ended."""
import resource
import select
import signal
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
REQUEST = b"GET /a/page HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: connections\r\n\r\n"

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
what, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == "serve":
    listener = socket.create_server((address, port), backlog=4096)
    print("ready", flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    open_ones = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                s, _ = listener.accept()
                open_ones[s.fileno()] = s
                poll.register(s, select.EPOLLIN)
            elif open_ones[fd].recv(65536):
                open_ones[fd].sendall(ANSWER)
            else:
                poll.unregister(fd)
                open_ones.pop(fd).close()
else:
    held = []
    for _ in range(int(sys.argv[4])):
        s = socket.create_connection((address, port))
        s.sendall(REQUEST)
        s.recv(65536)
        held.append(s)
    print("ready", flush=True)
    signal.pause()
