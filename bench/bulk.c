/* Load of bodies too long for wrk: some connections, one request after the other on each. Requests are sent from one
 * buffer; responses are counted and dropped in the kernel. Arguments: port, connections,
 * seconds during which requests begin, method, bytes of a request's body, bytes of an answer's.
 * Prints one line of JSON. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Bytes sent or received before the next connection is served. */
#define PORTION (512 * 1024)
#define READY 64
/* Seconds for requests under way at the end. */
#define GRACE 100

struct connection {
  int fd;
  char head[4096]; /* of the answer, as far as it has come */
  size_t head_length;
  size_t request_left, body_left, answer_left;
  int is_writing;
};

static char body[PORTION], sink[PORTION], request[256];
static size_t request_length, sends, receives;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int dial(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  address.sin_port = htons((uint16_t)port);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    perror("bulk");
    exit(1);
  }
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void begin(struct connection *one) {
  one->head_length = 0;
  one->request_left = request_length;
  one->body_left = sends;
  one->answer_left = receives;
}

/* False when the connection has failed. */
static int send_some(struct connection *one) {
  int is_head = one->request_left > 0;
  const char *from = is_head ? request + request_length - one->request_left : body;
  size_t length = is_head ? one->request_left : one->body_left < PORTION ? one->body_left : PORTION;
  ssize_t count = send(one->fd, from, length, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN;
  if (is_head) one->request_left -= (size_t)count;
  else one->body_left -= (size_t)count;
  return 1;
}

/* Checks the received head, and counts the bytes of the body after it. */
static int take_head(struct connection *one) {
  one->head[one->head_length] = 0;
  char *end = strstr(one->head, "\r\n\r\n"), *length = strcasestr(one->head, "content-length: ");
  if (end == NULL) return one->head_length < sizeof one->head - 1;
  size_t behind = (size_t)(one->head + one->head_length - (end + 4));
  if (strncmp(one->head, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end) return 0;
  if (strtoull(length + 16, NULL, 10) != receives || behind > receives) return 0;
  one->answer_left -= behind;
  one->head_length = sizeof one->head;
  return 1;
}

static int receive_some(struct connection *one) {
  if (one->head_length < sizeof one->head) {
    ssize_t count = recv(one->fd, one->head + one->head_length, sizeof one->head - 1 - one->head_length, MSG_DONTWAIT);
    if (count <= 0) return count < 0 && errno == EAGAIN;
    one->head_length += (size_t)count;
    return take_head(one);
  }
  size_t length = one->answer_left < PORTION ? one->answer_left : PORTION;
  ssize_t count = recv(one->fd, sink, length, MSG_TRUNC | MSG_DONTWAIT);
  if (count <= 0) return count < 0 && errno == EAGAIN;
  one->answer_left -= (size_t)count;
  return 1;
}

/* Polls for writing only while bytes are left to send. */
static void update(int poller, struct connection *one) {
  int is_writing = one->request_left + one->body_left > 0;
  if (is_writing == one->is_writing) return;
  one->is_writing = is_writing;
  struct epoll_event event = {.events = EPOLLIN | (is_writing ? EPOLLOUT : 0), .data.ptr = one};
  epoll_ctl(poller, EPOLL_CTL_MOD, one->fd, &event);
}

int main(int count, char **arguments) {
  if (count != 7) return 2;
  int connections = atoi(arguments[2]), poller = epoll_create1(0), open = connections;
  unsigned long requests = 0, errors = 0;
  sends = strtoull(arguments[5], NULL, 10);
  receives = strtoull(arguments[6], NULL, 10);
  memset(body, 'x', sizeof body);
  request_length = (size_t)sprintf(request, "%s / HTTP/1.1\r\nHost: localhost\r\n", arguments[4]);
  if (sends > 0) request_length += (size_t)sprintf(request + request_length, "Content-Length: %zu\r\n", sends);
  request_length += (size_t)sprintf(request + request_length, "\r\n");
  struct connection *all = calloc((size_t)connections, sizeof *all);
  double start = now(), last = start + atof(arguments[3]);
  alarm((unsigned)atof(arguments[3]) + GRACE);
  for (int at = 0; at < connections; at++) {
    all[at].fd = dial(atoi(arguments[1]));
    all[at].is_writing = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = &all[at]};
    epoll_ctl(poller, EPOLL_CTL_ADD, all[at].fd, &event);
    begin(&all[at]);
  }
  while (open > 0) {
    struct epoll_event ready[READY];
    int found = epoll_wait(poller, ready, READY, -1);
    for (int at = 0; at < found; at++) {
      struct connection *one = ready[at].data.ptr;
      int is_well = 1;
      if (one->is_writing && ready[at].events & EPOLLOUT) is_well = send_some(one);
      if (is_well && ready[at].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) is_well = receive_some(one);
      int is_done = is_well && one->head_length == sizeof one->head && one->answer_left + one->body_left == 0;
      errors += !is_well;
      requests += is_done;
      if (!is_well || (is_done && now() >= last)) {
        close(one->fd);
        open--;
        continue;
      }
      if (is_done) begin(one);
      update(poller, one);
    }
  }
  double seconds = now() - start;
  printf("{\"requests\":%lu,\"errors\":%lu,\"rate\":%f}\n", requests, errors, (double)requests / seconds);
  return 0;
}
