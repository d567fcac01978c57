/*
 * An RTP load: for each port on standard input one stream of G.711, 20 ms
 * packets, exactly paced. All streams are spread evenly over the 20 ms, sent in
 * slots of 0.25 ms by sendmmsg, each from a source port of its own group.
 *
 *   load SECONDS [PAYLOAD_OCTETS [PAYLOAD_TYPE]] < ports
 *
 * Each octet of a payload is a function of stream and position, so that the
 * receiving end can be checked. Prints sent packets and the worst lateness.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 20000
#define SLOTS 80 /* of 0.25 ms in 20 ms */
#define BURST 256
#define MAX_PAYLOAD 1500

static int ports[MAX_STREAMS];
static unsigned char packets[BURST][12 + MAX_PAYLOAD];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void put16(unsigned char *p, unsigned v) { p[0] = v >> 8; p[1] = v; }
static void put32(unsigned char *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 10;
    int payload = argc > 2 ? atoi(argv[2]) : 160;
    int type = argc > 3 ? atoi(argv[3]) : 0;
    int streams = 0, s = socket(AF_INET, SOCK_DGRAM, 0), buffer = 8 << 20;
    struct mmsghdr messages[BURST];
    struct iovec vectors[BURST];
    struct sockaddr_in to[BURST];
    uint64_t sent = 0;
    int64_t start, worst = 0;

    if (payload > MAX_PAYLOAD) return 2;
    while (streams < MAX_STREAMS && scanf("%d", &ports[streams]) == 1) streams++;
    setsockopt(s, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BURST; i++) {
        vectors[i] = (struct iovec){packets[i], 12 + payload};
        to[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        messages[i].msg_hdr = (struct msghdr){.msg_name = &to[i], .msg_namelen = sizeof to[i],
                                              .msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    start = now_ns() + 50000000;
    for (int64_t slot = 0; slot < (int64_t)(seconds * 4000); slot++) {
        int64_t due = start + slot * 250000, late;
        struct timespec until = {due / 1000000000, due % 1000000000};
        unsigned sequence = slot / SLOTS;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        late = now_ns() - due;
        if (late > worst) worst = late;
        for (int stream = slot % SLOTS; stream < streams;) {
            int n = 0, done = 0;
            for (; n < BURST && stream < streams; n++, stream += SLOTS) {
                unsigned char *p = packets[n];
                uint32_t position = sequence * payload;
                p[0] = 0x80;
                p[1] = type | (sequence == 0 ? 0x80 : 0);
                put16(p + 2, sequence & 0xffff);
                put32(p + 4, position);
                put32(p + 8, 0x10000 + stream);
                for (int i = 0; i < payload; i++) p[12 + i] = (position + i) * 7 + stream * 13;
                to[n].sin_port = htons(ports[stream]);
            }
            while (done < n) {
                int r = sendmmsg(s, messages + done, n - done, 0);
                if (r < 0 && errno == ECONNREFUSED) continue;
                if (r < 0) { perror("sendmmsg"); return 1; }
                done += r;
            }
            sent += n;
        }
    }
    printf("{\"streams\": %d, \"sent\": %llu, \"worst_late_ms\": %.3f}\n", streams,
           (unsigned long long)sent, worst / 1e6);
    return 0;
}
