/* Load at a fixed rate: request number k is due at k / rate, whether or not earlier ones are answered,
 * and its latency is counted from that time. Arguments: port, connections, requests a second, seconds.
 * Prints one line of JSON, latencies in microseconds. */
#include "load.h"
#include <fcntl.h>

#define READY 256
/* Nanoseconds for unanswered requests at the end. */
#define GRACE 1000000000ull

static const char REQUEST[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char END[] = "Hello, World!";

struct connection {
  int fd;
  int is_busy;
  uint64_t due;
};

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

int main(int count, char **arguments) {
  if (count != 5) return 2;
  int connections = atoi(arguments[2]);
  double rate = atof(arguments[3]);
  uint64_t total = (uint64_t)(rate * atof(arguments[4])), sent = 0, done = 0, errors = 0;
  struct connection *all = calloc((size_t)connections, sizeof *all);
  int *idle = malloc((size_t)connections * sizeof *idle), idle_count = 0, poller = epoll_create1(0);
  uint32_t *latency = malloc((total + 1) * sizeof *latency);
  if (all == NULL || idle == NULL || latency == NULL) return 1;
  for (int at = 0; at < connections; at++) {
    all[at].fd = dial(atoi(arguments[1]));
    fcntl(all[at].fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)at};
    epoll_ctl(poller, EPOLL_CTL_ADD, all[at].fd, &event);
    idle[idle_count++] = at;
  }
  struct epoll_event ready[READY];
  char input[4096];
  uint64_t start = now(), last = start + (uint64_t)((double)total * 1e9 / rate) + GRACE;
  while (done + errors < total && now() < last) {
    while (sent < total && idle_count > 0) {
      uint64_t due = start + (uint64_t)((double)sent * 1e9 / rate);
      if (due > now()) break;
      struct connection *next = &all[idle[--idle_count]];
      next->due = due;
      next->is_busy = 1;
      sent++;
      if (send(next->fd, REQUEST, sizeof REQUEST - 1, MSG_NOSIGNAL) < 0) errors++;
    }
    /* It never sleeps: it has a core of its own, and waking up would add to the latency. */
    int found = epoll_wait(poller, ready, READY, 0);
    for (int at = 0; at < found; at++) {
      struct connection *one = &all[ready[at].data.u32];
      ssize_t got = recv(one->fd, input, sizeof input, 0);
      if (got <= 0) {
        errors++;
        epoll_ctl(poller, EPOLL_CTL_DEL, one->fd, NULL);
        continue;
      }
      if (!one->is_busy || memmem(input, (size_t)got, END, sizeof END - 1) == NULL) continue;
      latency[done++] = (uint32_t)((now() - one->due) / 1000);
      one->is_busy = 0;
      idle[idle_count++] = (int)(one - all);
    }
  }
  errors += total - done - errors;
  qsort(latency, done, sizeof *latency, by_size);
  if (done == 0) latency[done++] = 0;
  printf("{\"p50\":%u,\"p99\":%u,\"p999\":%u,\"requests\":%lu,\"errors\":%lu}\n", latency[done / 2],
         latency[done * 99 / 100], latency[done * 999 / 1000], (unsigned long)done, (unsigned long)errors);
  return 0;
}
