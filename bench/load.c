/*
 * An RTP load: for each port on standard input one stream of G.711, 20 ms
 * packets, exactly paced. All streams are spread evenly over the 20 ms, sent in
 * slots of 0.25 ms by sendmmsg, each from a source port of its own group.
 *
 *   load SECONDS [PAYLOAD_OCTETS [PAYLOAD_TYPE]] < ports
 *   load SECONDS @FILE < ports
 *
 * Each octet of a payload is a function of stream and position, so that the
 * receiving end can be checked; or the packets are those of a file, all streams'
 * first, all streams' second: records of one size, which the file begins with, each
 * a length (0 for a packet that is not sent) and as many octets, all numbers of 32
 * bits of this machine. At the end, or at SIGTERM, prints
 * sent packets, the worst lateness, and when the first packet was due by the monotonic
 * clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 20000
#define SLOTS 80 /* of 0.25 ms in 20 ms */
#define BURST 256
#define MAX_PAYLOAD 1500

static int ports[MAX_STREAMS];
static volatile sig_atomic_t ended;
static unsigned char packets[BURST][12 + MAX_PAYLOAD];

static void end(int signal) { (void)signal; ended = 1; }

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The packets of a file, and how many there are. */
static unsigned char *file_packets(const char *name, uint32_t *record, uint64_t *count)
{
    struct stat status;
    int f = open(name, O_RDONLY);
    unsigned char *p;
    if (f < 0 || fstat(f, &status)) { perror(name); exit(1); }
    p = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, f, 0);
    if (p == MAP_FAILED) { perror(name); exit(1); }
    memcpy(record, p, sizeof *record);
    *count = (status.st_size - sizeof *record) / *record;
    return p + sizeof *record;
}

static void put16(unsigned char *p, unsigned v) { p[0] = v >> 8; p[1] = v; }
static void put32(unsigned char *p, uint32_t v) { put16(p, v >> 16); put16(p + 2, v & 0xffff); }

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 10;
    const char *file = argc > 2 && argv[2][0] == '@' ? argv[2] + 1 : NULL;
    int payload = argc > 2 && !file ? atoi(argv[2]) : 160;
    uint32_t record = 0, length;
    uint64_t count = 0;
    unsigned char *given = file ? file_packets(file, &record, &count) : NULL;
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
    signal(SIGTERM, end);
    start = now_ns() + 50000000;
    for (int64_t slot = 0; !ended && slot < (int64_t)(seconds * 4000); slot++) {
        int64_t due = start + slot * 250000, late;
        struct timespec until = {due / 1000000000, due % 1000000000};
        unsigned sequence = slot / SLOTS;
        if (slot % SLOTS >= streams) continue;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        late = now_ns() - due;
        if (late > worst) worst = late;
        for (int stream = slot % SLOTS; stream < streams;) {
            int n = 0, done = 0;
            for (; n < BURST && stream < streams; stream += SLOTS) {
                if (given) {
                    uint64_t which = (uint64_t)sequence * streams + stream;
                    if (which >= count) continue;
                    memcpy(&length, given + which * record, sizeof length);
                    if (!length) continue;
                    vectors[n] = (struct iovec){given + which * record + sizeof length, length};
                    to[n++].sin_port = htons(ports[stream]);
                    continue;
                }
                unsigned char *p = packets[n];
                uint32_t position = sequence * payload;
                p[0] = 0x80;
                p[1] = type | (sequence == 0 ? 0x80 : 0);
                put16(p + 2, sequence & 0xffff);
                put32(p + 4, position);
                put32(p + 8, 0x10000 + stream);
                for (int i = 0; i < payload; i++) p[12 + i] = (position + i) * 7 + stream * 13;
                to[n++].sin_port = htons(ports[stream]);
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
    printf("{\"streams\": %d, \"sent\": %llu, \"worst_late_ms\": %.3f, \"start_ns\": %lld}\n", streams,
           (unsigned long long)sent, worst / 1e6, (long long)start);
    return 0;
}
