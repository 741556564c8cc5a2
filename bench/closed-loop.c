/* Load in a closed loop: each connection sends some requests at once, and the next ones when all of these are answered.
 * It costs a core no more than the cheapest server, so that the server is what limits. Arguments: port, connections,
 * seconds during which requests begin, a file with one request, bytes 'x' that follow the file as the request's body,
 * requests at once, and `closes` if each request has a connection of its own. Bodies of responses are counted by their
 * `content-length`; long ones are dropped in the kernel. Prints one line of JSON. */
#include "load.h"

/* Bytes of a body that are sent or received before the next connection is served. */
#define PORTION (512 * 1024)
/* A response is read with its head up to this length; the rest of a longer one is dropped. */
#define INPUT 16384
#define READY 256
/* Nanoseconds for requests under way at the end; those that aren't answered then count as errors. */
#define GRACE 60000000000ull
/* Milliseconds between looks at the clock while nothing happens. */
#define LOOK 1000

static const char OK[] = "HTTP/1.1 200 ", LENGTH[] = "content-length:";

struct connection {
  int fd;
  int is_waiting; /* for room to send */
  int unanswered;
  size_t sent;        /* of the requests and their body */
  size_t body_left;   /* of the response that is under way */
  size_t head_length; /* of a head that came in part */
  char input[INPUT];
};

static char sink[PORTION], content[PORTION], *requests;
static size_t length, total; /* of the requests, and together with their body */
static int port, at_once, poller;

/* Reads the request, and repeats it. */
static void read_request(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) fail("no request");
  size_t one = (size_t)ftell(file);
  rewind(file);
  length = one * (size_t)at_once;
  requests = malloc(length);
  if (requests == NULL || fread(requests, 1, one, file) != one) fail("no request");
  fclose(file);
  for (int at = 1; at < at_once; at++) memcpy(requests + one * (size_t)at, requests, one);
}

static void watch(struct connection *one, int operation, unsigned events) {
  struct epoll_event event = {.events = EPOLLIN | events, .data.ptr = one};
  epoll_ctl(poller, operation, one->fd, &event);
}

static void open_connection(struct connection *one) {
  one->fd = dial(port);
  one->is_waiting = 0;
  watch(one, EPOLL_CTL_ADD, 0);
}

/* Sends as much as the kernel takes of the requests and the body behind them, a portion at most. False on failure. */
static int send_some(struct connection *one) {
  int is_body = one->sent >= length;
  size_t left = is_body ? total - one->sent : length - one->sent;
  ssize_t count = send(one->fd, is_body ? content : requests + one->sent, left < PORTION ? left : PORTION,
                       MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0 && errno != EAGAIN) return 0;
  if (count > 0) one->sent += (size_t)count;
  int is_waiting = one->sent < total;
  if (is_waiting != one->is_waiting) {
    one->is_waiting = is_waiting;
    watch(one, EPOLL_CTL_MOD, is_waiting ? EPOLLOUT : 0);
  }
  return 1;
}

static int begin(struct connection *one) {
  one->sent = one->head_length = 0;
  one->unanswered = at_once;
  return send_some(one);
}

/* Takes responses from what was received. False for a response that isn't right. */
static int take(struct connection *one, const char *input, size_t count) {
  while (count > 0) {
    if (one->body_left > 0) {
      size_t part = one->body_left < count ? one->body_left : count;
      one->body_left -= part;
      one->unanswered -= one->body_left == 0;
      input += part;
      count -= part;
      continue;
    }
    if (one->unanswered == 0) return 0;
    const char *end = memmem(input, count, "\r\n\r\n", 4);
    if (end == NULL) {
      if (count >= INPUT) return 0;
      memmove(one->input, input, count);
      one->head_length = count;
      return 1;
    }
    size_t head = (size_t)(end + 4 - input);
    const char *line = input;
    if (head < sizeof OK || memcmp(line, OK, sizeof OK - 1) != 0) return 0;
    do {
      line = memchr(line, '\n', (size_t)(end + 4 - line));
      if (line == NULL || ++line >= end) return 0;
    } while (strncasecmp(line, LENGTH, sizeof LENGTH - 1) != 0);
    one->body_left = strtoull(line + sizeof LENGTH - 1, NULL, 10);
    one->unanswered -= one->body_left == 0;
    input += head;
    count -= head;
  }
  return 1;
}

static int receive_some(struct connection *one) {
  if (one->body_left > INPUT) {
    size_t most = one->body_left < PORTION ? one->body_left : PORTION;
    ssize_t count = recv(one->fd, sink, most, MSG_TRUNC | MSG_DONTWAIT);
    if (count > 0) one->body_left -= (size_t)count;
    one->unanswered -= count > 0 && one->body_left == 0;
    return count > 0 || (count < 0 && errno == EAGAIN);
  }
  size_t before = one->head_length;
  ssize_t count = recv(one->fd, one->input + before, INPUT - before, MSG_DONTWAIT);
  if (count <= 0) return count < 0 && errno == EAGAIN;
  one->head_length = 0;
  return take(one, one->input, before + (size_t)count);
}

int main(int count, char **arguments) {
  if (count != 7 && (count != 8 || strcmp(arguments[7], "closes") != 0)) return 2;
  int connections = atoi(arguments[2]), open = connections, closes = count == 8;
  unsigned long answered = 0, errors = 0;
  size_t body = strtoull(arguments[5], NULL, 10);
  port = atoi(arguments[1]);
  at_once = atoi(arguments[6]);
  if (at_once < 1 || (at_once > 1 && (body > 0 || closes))) return 2;
  read_request(arguments[4]);
  total = length + body;
  memset(content, 'x', sizeof content);
  poller = epoll_create1(0);
  struct connection *all = calloc((size_t)connections, sizeof *all);
  if (all == NULL) fail("no memory");
  uint64_t start = now(), last = start + nanoseconds(arguments[3]);
  for (int at = 0; at < connections; at++) {
    open_connection(&all[at]);
    if (!begin(&all[at])) fail("nothing can be sent");
  }
  while (open > 0) {
    struct epoll_event ready[READY];
    int found = epoll_wait(poller, ready, READY, LOOK);
    uint64_t time = now();
    int is_over = time >= last;
    if (time >= last + GRACE) {
      errors += (unsigned long)open;
      break;
    }
    for (int at = 0; at < found; at++) {
      struct connection *one = ready[at].data.ptr;
      int is_well = 1;
      if (ready[at].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) is_well = receive_some(one);
      if (is_well && one->is_waiting && ready[at].events & EPOLLOUT) is_well = send_some(one);
      int is_done = is_well && one->unanswered == 0 && !one->is_waiting;
      errors += (unsigned long)!is_well;
      answered += is_done ? (unsigned long)at_once : 0;
      if (!is_well || (is_done && (is_over || closes))) close(one->fd);
      if (!is_well || (is_done && is_over)) {
        open--;
        continue;
      }
      if (!is_done) continue;
      if (closes) open_connection(one);
      if (!begin(one)) {
        errors++;
        open--;
        close(one->fd);
      }
    }
  }
  double seconds = (double)(now() - start) / 1e9;
  printf("{\"requests\":%lu,\"errors\":%lu,\"rate\":%f}\n", answered, errors, (double)answered / seconds);
  return 0;
}
