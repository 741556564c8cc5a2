/* The floor: what the kernel alone costs. One epoll loop that looks for the ends of request heads and
 * answers each with the same bytes, as many as the servers send. Prints its port. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READY 256
#define BUFFER 65536

static const char KEPT[] =
    "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\nconnection: keep-alive\r\n"
    "keep-alive: timeout=15\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";
static const char LAST[] =
    "HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 12:00:00 GMT\r\nconnection: close\r\n"
    "content-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";

static char input[BUFFER + 1], output[BUFFER * 8];

/* Heads are taken to come whole: the load sends them so. */
static int serve(int fd) {
  ssize_t count = recv(fd, input, BUFFER, 0);
  if (count <= 0) return 0;
  input[count] = 0;
  int is_last = strstr(input, "onnection: close") != NULL;
  const char *answer = is_last ? LAST : KEPT;
  size_t length = is_last ? sizeof LAST - 1 : sizeof KEPT - 1, used = 0;
  for (char *at = input; (at = memmem(at, input + count - at, "\r\n\r\n", 4)) != NULL; at += 4) {
    if (used + length > sizeof output) break;
    memcpy(output + used, answer, length);
    used += length;
  }
  return send(fd, output, used, MSG_NOSIGNAL) == (ssize_t)used && !is_last;
}

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 4096) != 0) {
    perror("bare-epoll");
    return 1;
  }
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[READY];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    int count = epoll_wait(poller, ready, READY, -1);
    for (int at = 0; at < count; at++) {
      int fd = ready[at].data.fd;
      if (fd != listener) {
        if (!serve(fd)) close(fd);
        continue;
      }
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct epoll_event added = {.events = EPOLLIN | EPOLLET | EPOLLRDHUP, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &added);
      }
    }
  }
}
