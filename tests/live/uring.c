/* One end of an HTTP exchange whose socket only io_uring ever touches: made, connected or accepted, sent, received and closed
 * through the ring, by plain system calls (no liburing).
 *
 *   uring server ADDRESS PORT MODE     listens, says "ready", answers one request on each connection, until it is killed
 *   uring client ADDRESS PORT MODE     says "ready"; at each line of standard input one request for that path on a connection of
 * its own, whose local port it says
 *
 * MODE: `inline` (the kernel works in the caller's name), `async` (in a worker thread of the process) or `poll` (in the thread
 * that polls the ring). */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 8

static int ring;
static unsigned *sq_tail, *sq_mask, *sq_array, *sq_flags, *cq_head, *cq_tail, *cq_mask;
static struct io_uring_sqe* sqes;
static struct io_uring_cqe* cqes;
static int polled;
static unsigned char sqe_flags;

static void fail(const char* what, int error) {
    fprintf(stderr, "uring: %s: %s\n", what, strerror(error));
    exit(1);
}

static void setup(const char* mode) {
    struct io_uring_params p;
    memset(&p, 0, sizeof p);
    polled = !strcmp(mode, "poll");
    if (!strcmp(mode, "async")) sqe_flags = IOSQE_ASYNC;
    if (polled) p.flags = IORING_SETUP_SQPOLL, p.sq_thread_idle = 100;
    ring = (int)syscall(SYS_io_uring_setup, ENTRIES, &p);
    if (ring < 0) fail("io_uring_setup", errno);
    size_t sq_size = p.sq_off.array + p.sq_entries * sizeof(unsigned), cq_size = p.cq_off.cqes + p.cq_entries * sizeof *cqes;
    char* sq = mmap(0, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    char* cq = mmap(0, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
    sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED) fail("mmap", errno);
    sq_tail = (unsigned*)(sq + p.sq_off.tail), sq_mask = (unsigned*)(sq + p.sq_off.ring_mask);
    sq_array = (unsigned*)(sq + p.sq_off.array), sq_flags = (unsigned*)(sq + p.sq_off.flags);
    cq_head = (unsigned*)(cq + p.cq_off.head), cq_tail = (unsigned*)(cq + p.cq_off.tail),
    cq_mask = (unsigned*)(cq + p.cq_off.ring_mask);
    cqes = (struct io_uring_cqe*)(cq + p.cq_off.cqes);
}

/* Hands in one operation and waits for its result. */
static int done(struct io_uring_sqe e, const char* what) {
    unsigned tail = *sq_tail, i = tail & *sq_mask;
    e.flags |= sqe_flags;
    sqes[i] = e;
    sq_array[i] = i;
    __atomic_store_n(sq_tail, tail + 1, __ATOMIC_SEQ_CST);
    unsigned flags = IORING_ENTER_GETEVENTS;
    if (polled && __atomic_load_n(sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP) flags |= IORING_ENTER_SQ_WAKEUP;
    while (syscall(SYS_io_uring_enter, ring, 1, 1, flags, 0, 0) < 0)
        if (errno != EINTR) fail("io_uring_enter", errno);
    unsigned head = *cq_head;
    while (__atomic_load_n(cq_tail, __ATOMIC_ACQUIRE) == head) usleep(100);
    int result = cqes[head & *cq_mask].res;
    __atomic_store_n(cq_head, head + 1, __ATOMIC_RELEASE);
    if (result < 0) fail(what, -result);
    return result;
}

static struct io_uring_sqe operation(int op, int fd, const void* address, unsigned length) {
    struct io_uring_sqe e;
    memset(&e, 0, sizeof e);
    e.opcode = (unsigned char)op;
    e.fd = fd;
    e.addr = (uintptr_t)address;
    e.len = length;
    return e;
}

static void send_all(int fd, const char* text) {
    for (size_t n = strlen(text); n > 0;) {
        size_t sent = (size_t)done(operation(IORING_OP_SEND, fd, text, (unsigned)n), "send");
        text += sent, n -= sent;
    }
}

/* Until the empty line, or the end. */
static void receive_head(int fd) {
    char got[4096];
    size_t n = 0;
    while (n + 1 < sizeof got) {
        size_t more = (size_t)done(operation(IORING_OP_RECV, fd, got + n, (unsigned)(sizeof got - 1 - n)), "receive");
        if (more == 0) return;
        n += more;
        got[n] = 0;
        if (strstr(got, "\r\n\r\n")) return;
    }
}

static int new_socket(void) {
    struct io_uring_sqe e = operation(IORING_OP_SOCKET, AF_INET, 0, 0);
    e.off = SOCK_STREAM;
    return done(e, "socket");
}

static int server(const struct sockaddr_in* where) {
    int one = 1, listener = new_socket();
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (const struct sockaddr*)where, sizeof *where) || listen(listener, 16)) fail("listen", errno);
    puts("ready");
    for (;;) {
        int fd = done(operation(IORING_OP_ACCEPT, listener, 0, 0), "accept");
        receive_head(fd);
        send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        done(operation(IORING_OP_CLOSE, fd, 0, 0), "close");
    }
}

static int client(const struct sockaddr_in* where) {
    char path[256], request[512];
    puts("ready");
    while (fgets(path, sizeof path, stdin)) {
        path[strcspn(path, "\n")] = 0;
        int fd = new_socket();
        struct io_uring_sqe e = operation(IORING_OP_CONNECT, fd, where, 0);
        e.off = sizeof *where;
        done(e, "connect");
        struct sockaddr_in local;
        socklen_t size = sizeof local;
        getsockname(fd, (struct sockaddr*)&local, &size);
        snprintf(request, sizeof request, "GET /%s HTTP/1.1\r\nHost: ring\r\n\r\n", path);
        send_all(fd, request);
        receive_head(fd);
        done(operation(IORING_OP_CLOSE, fd, 0, 0), "close");
        printf("%d\n", ntohs(local.sin_port));
    }
    return 0;
}

int main(int count, char** words) {
    if (count != 5) return 2;
    setvbuf(stdout, 0, _IOLBF, 0);
    struct sockaddr_in where;
    memset(&where, 0, sizeof where);
    where.sin_family = AF_INET;
    where.sin_port = htons((uint16_t)atoi(words[3]));
    if (inet_pton(AF_INET, words[2], &where.sin_addr) != 1) return 2;
    setup(words[4]);
    return words[1][0] == 's' ? server(&where) : client(&where);
}
