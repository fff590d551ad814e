// Answers like the API of a model, after a fixed time: what a gateway is measured in front of.
//
//     upstream PORT FIRST_MS GAP_MS
//
// One thread on 127.0.0.1, no work a request but to find its end: about ten times as cheap as a gateway in front of it.
// A POST is answered after FIRST_MS with one JSON object. One that says "stream": true gets its first event after
// FIRST_MS and one of PIECES pieces of text each GAP_MS, then what ends a stream. Paths that end in /messages speak
// Anthropic's wire, all others OpenAI's chat completions. A GET is answered at once.
//
// Both delays are constants, so whoever waits longest is due first: a queue a delay stands in for a heap of timers.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PIECES = 50, MOST_PARTS = PIECES + 4, MOST_CONNECTIONS = 16384, PART_SIZE = 2048 };

struct part { size_t size; char bytes[PART_SIZE]; };
struct reply { int count; struct part parts[MOST_PARTS]; };  // written one after the other, GAP_MS between them

struct connection {
  int fd;
  char *read;  // what came in and is not answered yet
  size_t used, room;
  const struct reply *reply;  // being answered with; NULL: waits for a request
  int next_part;
  uint64_t due_us;
  struct queue *queue;  // that it waits in
  struct connection *before, *after;
};

struct queue { uint64_t delay_us; struct connection *first, *last; };

static struct queue first_bytes, gaps, at_once;
static struct reply chat, chat_stream, messages, messages_stream, empty;
static struct connection *connections[MOST_CONNECTIONS];

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

// --- what is answered ------------------------------------------------------------------------------------------------

static const char TEXT[] = "The parcel left the depot on Monday and is two days late; the customer asks for it by Friday.";
static const char CHUNK[] =
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"mock-1\","
    "\"choices\":[{\"index\":0,\"delta\":{%s},\"logprobs\":null,\"finish_reason\":%s}]}\n\n";

static struct part *add(struct reply *reply) { return &reply->parts[reply->count++]; }

static void add_whole(struct reply *reply, const char *body) {
  struct part *part = add(reply);
  part->size = (size_t)snprintf(part->bytes, PART_SIZE,
      "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_1\r\ncontent-length: %zu\r\n\r\n%s",
      strlen(body), body);
}

static void add_chunk(struct reply *reply, const char *event, bool last) {
  struct part *part = add(reply);
  const char *head = reply->count > 1 ? "" :
      "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\n\r\n";
  part->size = (size_t)snprintf(part->bytes, PART_SIZE, "%s%zx\r\n%s\r\n%s", head, strlen(event), event,
                                last ? "0\r\n\r\n" : "");
}

static void prepare_chat(void) {
  char body[PART_SIZE / 2], delta[128], event[PART_SIZE / 2], end[PART_SIZE / 2];
  snprintf(body, sizeof body,
      "{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1790000000,\"model\":\"mock-1\",\"choices\":[{"
      "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\",\"refusal\":null},\"logprobs\":null,"
      "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":24,\"total_tokens\":144,"
      "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}", TEXT);
  add_whole(&chat, body);
  for (int k = 0; k < PIECES; k++) {
    snprintf(delta, sizeof delta, "%s\"content\":\" word%02d\"", k ? "" : "\"role\":\"assistant\",", k);
    snprintf(event, sizeof event, CHUNK, delta, "null");
    add_chunk(&chat_stream, event, false);
  }
  int size = snprintf(end, sizeof end, CHUNK, "", "\"stop\"");
  snprintf(end + size, sizeof end - (size_t)size,
      "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"mock-1\","
      "\"choices\":[],\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":50,\"total_tokens\":170}}\n\n");
  add_chunk(&chat_stream, end, false);
  add_chunk(&chat_stream, "data: [DONE]\n\n", true);
}

static void prepare_messages(void) {
  char body[PART_SIZE / 2], event[PART_SIZE / 2];
  snprintf(body, sizeof body,
      "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"mock-1\",\"content\":[{\"type\":\"text\","
      "\"text\":\"%s\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":120,"
      "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":24}}", TEXT);
  add_whole(&messages, body);
  add_chunk(&messages_stream,
      "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\","
      "\"role\":\"assistant\",\"model\":\"mock-1\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,"
      "\"usage\":{\"input_tokens\":120,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":"
      "\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n", false);
  for (int k = 0; k < PIECES; k++) {
    snprintf(event, sizeof event,
        "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
        "\"text_delta\",\"text\":\" word%02d\"}}\n\n", k);
    add_chunk(&messages_stream, event, false);
  }
  add_chunk(&messages_stream,
      "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: "
      "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":"
      "{\"output_tokens\":50}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", true);
}

// --- who waits -------------------------------------------------------------------------------------------------------

static void wait_in(struct queue *queue, struct connection *one) {
  one->due_us = now_us() + queue->delay_us;
  one->queue = queue;
  one->before = queue->last;
  if (queue->last) queue->last->after = one; else queue->first = one;
  queue->last = one;
}

static void leave(struct connection *one) {
  struct queue *queue = one->queue;
  if (!queue) return;
  if (one->before) one->before->after = one->after; else queue->first = one->after;
  if (one->after) one->after->before = one->before; else queue->last = one->before;
  one->queue = NULL;
  one->before = one->after = NULL;
}

static void drop(struct connection *one) {
  leave(one);
  connections[one->fd] = NULL;
  close(one->fd);
  free(one->read);
  free(one);
}

// --- requests --------------------------------------------------------------------------------------------------------

static bool has(const char *bytes, size_t size, const char *wanted) {
  return memmem(bytes, size, wanted, strlen(wanted)) != NULL;
}

// Gives the size of the first request that is here whole, with the size of its head; 0 where there is none yet.
static size_t whole_request(const struct connection *one, size_t *head_size) {
  char *end = one->used ? memmem(one->read, one->used, "\r\n\r\n", 4) : NULL;
  if (!end) return 0;
  *head_size = (size_t)(end - one->read) + 4;
  end[2] = 0;  // so that the head can be searched as text
  char *length = strcasestr(one->read, "\r\ncontent-length:");
  bool chunked = strcasestr(one->read, "\r\ntransfer-encoding: chunked") != NULL;
  end[2] = '\r';
  if (chunked) {  // JSON has no bare line end in it, so this can only be the last chunk
    char *last = memmem(end + 2, one->used - *head_size + 2, "\r\n0\r\n\r\n", 7);
    return last ? (size_t)(last - one->read) + 7 : 0;
  }
  size_t total = *head_size + (length ? strtoul(length + 17, NULL, 10) : 0);
  return one->used >= total ? total : 0;
}

static const struct reply *reply_to(const char *request, size_t head_size, size_t size) {
  if (!memcmp(request, "GET", 3)) return &empty;
  const char *body = request + head_size;
  size_t body_size = size - head_size;
  const char *line_end = memchr(request, '\r', head_size);
  bool stream = has(body, body_size, "\"stream\":true") || has(body, body_size, "\"stream\": true");
  bool anthropic = has(request, (size_t)(line_end - request), "/messages");
  return anthropic ? (stream ? &messages_stream : &messages) : (stream ? &chat_stream : &chat);
}

static void take_request(struct connection *one) {
  size_t head_size, size;
  if (one->reply || !(size = whole_request(one, &head_size))) return;
  one->reply = reply_to(one->read, head_size, size);
  one->next_part = 0;
  one->used -= size;
  memmove(one->read, one->read + size, one->used);
  wait_in(one->reply == &empty ? &at_once : &first_bytes, one);
}

// Reads what there is; false: the other side is gone.
static bool read_some(struct connection *one) {
  for (;;) {
    if (one->room - one->used < 4096) {
      one->room = one->room ? one->room * 2 : 16384;
      if (!(one->read = realloc(one->read, one->room))) fail("realloc");
    }
    ssize_t got = recv(one->fd, one->read + one->used, one->room - one->used, 0);
    if (got < 0) return errno == EAGAIN;
    if (got == 0) return false;
    one->used += (size_t)got;
  }
}

// Writes the part that is due. What does not fit into the socket's buffer means a client that does not read: dropped.
static void answer(struct connection *one) {
  const struct part *part = &one->reply->parts[one->next_part++];
  leave(one);
  if (send(one->fd, part->bytes, part->size, MSG_NOSIGNAL) != (ssize_t)part->size) { drop(one); return; }
  if (one->next_part < one->reply->count) { wait_in(&gaps, one); return; }
  one->reply = NULL;
  take_request(one);
}

static void answer_due(struct queue *queue) {
  uint64_t now = now_us();
  while (queue->first && queue->first->due_us <= now) answer(queue->first);
}

// --- the loop --------------------------------------------------------------------------------------------------------

static int listen_on(const char *port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
  return listener;
}

static void watch(int epoll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) fail("epoll_ctl");
}

static void accept_all(int epoll, int listener) {
  int fd, on = 1;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    if (fd >= MOST_CONNECTIONS) { close(fd); continue; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!(connections[fd] = calloc(1, sizeof *connections[fd]))) fail("calloc");
    connections[fd]->fd = fd;
    watch(epoll, fd);
  }
}

static void wake_at_next(int timer) {
  const struct connection *one = first_bytes.first, *other = gaps.first;
  if (!one || (other && other->due_us < one->due_us)) one = other;
  if (!one) return;
  struct itimerspec when = {.it_value = {(time_t)(one->due_us / 1000000), (long)(one->due_us % 1000000) * 1000 + 1}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void serve(int listener) {
  int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct epoll_event events[256];
  watch(epoll, listener);
  watch(epoll, timer);
  for (;;) {
    wake_at_next(timer);
    int count = epoll_wait(epoll, events, 256, -1);
    for (int k = 0; k < count; k++) {
      int fd = events[k].data.fd;
      uint64_t rings;
      if (fd == listener) accept_all(epoll, listener);
      else if (fd == timer) (void)!read(timer, &rings, sizeof rings);
      else if (!connections[fd]) continue;
      else if (read_some(connections[fd])) take_request(connections[fd]);
      else drop(connections[fd]);
    }
    answer_due(&at_once);
    answer_due(&first_bytes);
    answer_due(&gaps);
  }
}

int main(int count, char **words) {
  if (count != 4) { fprintf(stderr, "usage: upstream PORT FIRST_MS GAP_MS\n"); return 2; }
  signal(SIGPIPE, SIG_IGN);
  first_bytes.delay_us = (uint64_t)(atof(words[2]) * 1000);
  gaps.delay_us = (uint64_t)(atof(words[3]) * 1000);
  prepare_chat();
  prepare_messages();
  add_whole(&empty, "{}");
  serve(listen_on(words[1]));
}
