// Asks several servers in turn at a fixed rate and times each answer: all of them meet the same noise of the machine.
//
//     probe RATE TURNS PORT PATH HEADERS BODY [PORT PATH HEADERS BODY]...
//
// RATE requests a second in all, whether earlier ones have been answered or not (an open loop: a slow server does not
// slow the questions down). HEADERS is text, each line ended by CR LF, or empty. A line of stdout an answer:
// turn, number of the server, status, microseconds to the first byte of the body, microseconds to its end.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SERVERS = 16, MOST_CONNECTIONS = 4096, ANSWER_SIZE = 1 << 17, REQUEST_SIZE = 1 << 15, STALLED_MS = 30000 };

struct server { uint16_t port; size_t size; char request[REQUEST_SIZE]; };

struct connection {
  int fd, server, turn;
  bool busy;
  double asked_us, first_us;
  size_t used;
  char answer[ANSWER_SIZE + 1];
};

static struct server servers[MOST_SERVERS];
static struct connection *connections[MOST_CONNECTIONS];
static int server_count, epoll;

static void fail(const char *what) { perror(what); exit(1); }

static double now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static struct connection *connected_to(int server) {
  for (int fd = 0; fd < MOST_CONNECTIONS; fd++)
    if (connections[fd] && connections[fd]->server == server && !connections[fd]->busy) return connections[fd];
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(servers[server].port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || fd >= MOST_CONNECTIONS || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(fd);
  if (!(connections[fd] = calloc(1, sizeof *connections[fd]))) fail("calloc");
  connections[fd]->fd = fd;
  connections[fd]->server = server;
  return connections[fd];
}

static void ask(long number) {
  int server = (int)(number % server_count);
  struct connection *one = connected_to(server);
  one->turn = (int)(number / server_count);
  one->busy = true;
  one->used = 0;
  one->first_us = 0;
  one->asked_us = now_us();
  if (send(one->fd, servers[server].request, servers[server].size, MSG_NOSIGNAL) < 0) fail("send");
}

static void forget(struct connection *one) {
  connections[one->fd] = NULL;
  close(one->fd);
  free(one);
}

// Whether the answer is here to its end, by its length or by its last chunk.
static bool is_whole(struct connection *one, char *end) {
  size_t head_size = (size_t)(end - one->answer) + 4, body_size = one->used - head_size;
  *end = 0;
  char *length = strcasestr(one->answer, "\r\ncontent-length:");
  *end = '\r';
  if (length) return body_size >= strtoul(length + 17, NULL, 10);
  return body_size >= 5 && !memcmp(one->answer + one->used - 5, "0\r\n\r\n", 5);
}

// Reads what there is; gives 1 where a request has come to its end.
static int read_some(struct connection *one) {
  ssize_t got = recv(one->fd, one->answer + one->used, ANSWER_SIZE - one->used, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return 0;
  if (got <= 0) {
    bool busy = one->busy;
    if (busy) printf("%d %d 0 0 0\n", one->turn, one->server);
    forget(one);
    return busy;
  }
  one->used += (size_t)got;
  one->answer[one->used] = 0;
  char *end = strstr(one->answer, "\r\n\r\n");
  if (!end) return 0;
  if (!one->first_us && one->answer + one->used > end + 4) one->first_us = now_us();
  if (!is_whole(one, end)) return 0;
  printf("%d %d %.3s %.0f %.0f\n", one->turn, one->server, one->answer + 9, one->first_us - one->asked_us,
         now_us() - one->asked_us);
  one->busy = false;
  return 1;
}

static void prepare(char **words) {
  struct server *one = &servers[server_count++];
  one->port = (uint16_t)atoi(words[0]);
  int size = snprintf(one->request, REQUEST_SIZE,
      "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n%scontent-length: %zu\r\n\r\n%s",
      words[1], words[2], strlen(words[3]), words[3]);
  if (size >= REQUEST_SIZE) { fprintf(stderr, "the body is too long\n"); exit(2); }
  one->size = (size_t)size;
}

static int start_clock(double rate) {
  int timer = timerfd_create(CLOCK_MONOTONIC, 0);
  long gap_ns = (long)(1e9 / rate);
  struct timespec gap = {gap_ns / 1000000000, gap_ns % 1000000000};
  struct itimerspec when = {.it_interval = gap, .it_value = gap};
  timerfd_settime(timer, 0, &when, NULL);
  watch(timer);
  return timer;
}

static int run(double rate, long total) {
  struct epoll_event events[64];
  int timer = start_clock(rate);
  for (long asked = 0, done = 0; done < total;) {
    int count = epoll_wait(epoll, events, 64, STALLED_MS);
    if (count <= 0) { fprintf(stderr, "no answer for %d s\n", STALLED_MS / 1000); return 1; }
    for (int k = 0; k < count; k++) {
      int fd = events[k].data.fd;
      uint64_t rings;
      if (fd != timer) { if (connections[fd]) done += read_some(connections[fd]); continue; }
      if (read(timer, &rings, sizeof rings) < 0) fail("read");
      while (rings-- && asked < total) ask(asked++);
      if (asked == total) { struct itimerspec never = {0}; timerfd_settime(timer, 0, &never, NULL); }
    }
  }
  return 0;
}

int main(int count, char **words) {
  if (count < 7 || (count - 3) % 4 || (count - 3) / 4 > MOST_SERVERS) {
    fprintf(stderr, "usage: probe RATE TURNS PORT PATH HEADERS BODY [PORT PATH HEADERS BODY]...\n");
    return 2;
  }
  for (int k = 3; k < count; k += 4) prepare(words + k);
  epoll = epoll_create1(0);
  return run(atof(words[1]), atol(words[2]) * server_count);
}
