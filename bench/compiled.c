/*
 * The same job in C, as little of it as bench/per_packet.py does, two ways:
 *
 *   compiled packet CALLS FIRST_PORT WEBSOCKET_PORT    reads each packet as it comes (epoll)
 *   compiled tick CALLS FIRST_PORT WEBSOCKET_PORT      reads each socket once a chunk (recvmmsg)
 *
 * Two streams of G.711 a call, 20 ms packets, chunks of 100 ms of stereo, each a
 * masked WebSocket frame. No SIP, no loss, SSRC or source handling, no replay, no
 * gaps, no account. Prints "ready" when all sockets are bound and connected.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PACKET 160
#define PACKETS 5          /* of a chunk */
#define RING 64            /* packets that a stream may have in store */
#define RUN 32
#define SLOTS 10           /* of 10 ms in a chunk */
#define FRAME (8 + 2 * 2 * PACKET * PACKETS)

struct stream {
    int fd, begun;
    uint16_t next, newest;
    uint8_t here[RING];
    uint8_t octets[RING][PACKET];
};

struct call {
    int fd;
    struct stream streams[2];
};

static int16_t ulaw[256];
static struct call *calls;

static void fail(const char *what) { perror(what); exit(1); }

static void make_table(void)
{
    for (int i = 0; i < 256; i++) {
        int code = ~i & 0xff, size = (((code & 15) << 3) + 0x84) << ((code & 0x70) >> 4);
        ulaw[i] = code & 0x80 ? 0x84 - size : size - 0x84;
    }
}

static int bound(int port)
{
    struct sockaddr_in a = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 1 << 20;
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a)) fail("bind");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return fd;
}

static int connected(int port)
{
    static const char ask[] = "GET / HTTP/1.1\r\nHost: sink\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    struct sockaddr_in a = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    char answer[1024];
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (write(fd, ask, sizeof ask - 1) < 0 || read(fd, answer, sizeof answer) <= 0) fail("upgrade");
    return fd;
}

static void take(struct stream *s, const uint8_t *packet, int length)
{
    uint16_t sequence = packet[2] << 8 | packet[3];
    if (length != 12 + PACKET) return;
    if (!s->begun) { s->begun = 1; s->next = s->newest = sequence; }
    if ((int16_t)(sequence - s->next) < 0 || (uint16_t)(sequence - s->next) >= RING) return;
    memcpy(s->octets[sequence % RING], packet + 12, PACKET);
    s->here[sequence % RING] = 1;
    if ((int16_t)(sequence - s->newest) > 0) s->newest = sequence;
}

static void emit(struct call *c)
{
    static uint8_t frame[FRAME];
    int16_t *samples = (int16_t *)(frame + 8);
    uint32_t mask, *words = (uint32_t *)(frame + 8);
    for (int i = 0; i < 2; i++) {
        struct stream *s = &c->streams[i];
        if (!s->begun || (int16_t)(s->newest - s->next) < PACKETS + 2) return;
    }
    for (int i = 0; i < 2; i++) {
        struct stream *s = &c->streams[i];
        for (int p = 0; p < PACKETS; p++, s->next++) {
            int at = s->next % RING;
            int16_t *to = samples + 2 * PACKET * p + i;
            for (int k = 0; k < PACKET; k++)
                to[2 * k] = s->here[at] ? ulaw[s->octets[at][k]] : 0;
            s->here[at] = 0;
        }
    }
    do { if (getrandom(&mask, 4, 0) != 4) fail("getrandom"); } while (!mask);
    frame[0] = 0x82; frame[1] = 0x80 | 126;
    frame[2] = (FRAME - 8) >> 8; frame[3] = (FRAME - 8) & 0xff;
    memcpy(frame + 4, &mask, 4);
    for (int k = 0; k < (FRAME - 8) / 4; k++) words[k] ^= mask;
    if (send(c->fd, frame, FRAME, MSG_NOSIGNAL) != FRAME) fail("send");
}

static void drain(struct stream *s)
{
    static uint8_t packets[RUN][2048];
    static struct iovec vectors[RUN];
    static struct mmsghdr messages[RUN];
    for (int i = 0; i < RUN; i++) {
        vectors[i] = (struct iovec){packets[i], sizeof packets[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(s->fd, messages, RUN, 0, NULL);
    for (int i = 0; i < count; i++) take(s, packets[i], messages[i].msg_len);
}

int main(int argc, char **argv)
{
    if (argc != 5) { fprintf(stderr, "compiled packet|tick CALLS FIRST_PORT WEBSOCKET_PORT\n"); return 2; }
    int each = !strcmp(argv[1], "packet"), count = atoi(argv[2]), first = atoi(argv[3]);
    int poll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec every = {{0, 10000000}, {0, 10000000}};
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}}, events[256];
    uint64_t slot = 0, passed;
    uint8_t packet[2048];
    make_table();
    if (!(calls = calloc(count, sizeof *calls))) fail("calloc");
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) {
            struct stream *s = &calls[i].streams[k];
            s->fd = bound(first + 4 * i + 2 * k);
            event.data.ptr = s;
            if (each && epoll_ctl(poll, EPOLL_CTL_ADD, s->fd, &event)) fail("epoll_ctl");
        }
        calls[i].fd = connected(atoi(argv[4]));
    }
    event.data.ptr = NULL;
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    timerfd_settime(timer, 0, &every, NULL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int e = 0; e < ready; e++) {
            struct stream *s = events[e].data.ptr;
            if (s) {
                int length = recv(s->fd, packet, sizeof packet, 0);
                if (length > 0) take(s, packet, length);
                continue;
            }
            if (read(timer, &passed, 8) != 8) continue;
            for (; passed; passed--, slot++)
                for (int i = slot % SLOTS; i < count; i += SLOTS) {
                    if (!each)
                        for (int k = 0; k < 2; k++) drain(&calls[i].streams[k]);
                    emit(&calls[i]);
                }
        }
    }
}
