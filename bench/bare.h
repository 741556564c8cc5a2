/* Shared by the bare servers: a listener whose port is printed, and the epoll loop. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY 256
/* Descriptors from this number on are closed at once. */
#define DESCRIPTORS 65536

#define DATE "date: Tue, 24 Nov 2026 12:00:00 GMT\r\n"
#define KEEP_ALIVE "connection: keep-alive\r\nkeep-alive: timeout=15\r\n"

/* Whether the connection goes on. */
typedef int (*on_ready)(int fd);

static int listening(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) {
    perror("bare");
    exit(1);
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

static void watch(int poller, int fd, unsigned events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
}

/* Serves for ever. Calls `on_timer` when `timer` is readable; -1 for no timer. Edge-triggered, like the servers that
 * are measured. */
static _Noreturn void serve_all(on_ready on_client, int timer, on_ready on_timer) {
  int listener = listening(), poller = epoll_create1(0);
  struct epoll_event ready[READY];
  watch(poller, listener, EPOLLIN);
  if (timer >= 0) watch(poller, timer, EPOLLIN);
  for (;;) {
    int count = epoll_wait(poller, ready, READY, -1);
    for (int at = 0; at < count; at++) {
      int fd = ready[at].data.fd;
      if (fd == timer) {
        on_timer(fd);
      } else if (fd != listener) {
        if (!on_client(fd)) close(fd);
      } else {
        while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
          if (fd < DESCRIPTORS) watch(poller, fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP);
          else close(fd);
        }
      }
    }
  }
}
