// An HTTP server whose listener one process makes and others accept from, for the kernel test:
//   server PORT LOG
// The parent makes the socket, a child of it listens, and two children of that one accept. Each answered request adds a line to
// LOG: the client's port, and the pid that accepted it.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int listener, int log) {
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nit works\n";
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        int c = accept(listener, (struct sockaddr*)&from, &size);
        if (c < 0) exit(1);
        char request[2048], line[64];
        size_t n = 0;
        ssize_t got;
        while (n < sizeof request - 1 && (got = read(c, request + n, sizeof request - 1 - n)) > 0) {
            n += (size_t)got;
            request[n] = 0;
            if (strstr(request, "\r\n\r\n")) break;
        }
        if (write(c, answer, sizeof answer - 1) != sizeof answer - 1) exit(2);
        int length = snprintf(line, sizeof line, "%d %d\n", ntohs(from.sin_port), getpid());
        if (write(log, line, (size_t)length) != length) exit(3);
        close(c);
    }
}

int main(int count, char** words) {
    if (count != 3) return 2;
    int log = open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0644), listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    if (log < 0 || bind(listener, (struct sockaddr*)&a, sizeof a)) return 1;
    if (fork() == 0) {
        if (listen(listener, 64)) return 1;
        for (int i = 0; i < 2; i++)
            if (fork() == 0) serve(listener, log);
        while (wait(NULL) > 0) continue;
        return 0;
    }
    wait(NULL);
    return 0;
}
