/* Load for WebSockets that echo: one text frame under way on each; the next is sent when it is echoed. RFC 6455.
 * Arguments: port, connections, seconds, bytes of a message, 126 to 65,535. With `bytes` as the last one the connections
 * echo bytes, without frames. Prints one line of JSON. */
#include "load.h"

#define READY 64
#define HEAD 8 /* of a masked frame with a length in two bytes; what comes back has no mask */
#define MASK 4

static const char UPGRADE[] =
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

struct connection {
  int fd;
  size_t received; /* of the frame that is under way */
};

static unsigned char frame[HEAD + 65535];
static size_t frame_length;

static void send_all(int fd, const void *bytes, size_t length) {
  /* So few bytes always fit into an empty send buffer. */
  if (send(fd, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) fail("a message can't be sent");
}

/* A WebSocket whose server has accepted it and sent no frame. */
static int upgrade(int port) {
  int fd = dial(port);
  send_all(fd, UPGRADE, sizeof UPGRADE - 1);
  char head[4096];
  size_t length = 0;
  do {
    ssize_t count = recv(fd, head + length, sizeof head - length, 0);
    if (count <= 0) fail("no answer");
    length += (size_t)count;
  } while (memmem(head, length, "\r\n\r\n", 4) == NULL);
  if (memmem(head, length, " 101 ", 5) == NULL) fail("no WebSocket");
  return fd;
}

int main(int count, char **arguments) {
  if (count != 5 && (count != 6 || strcmp(arguments[5], "bytes") != 0)) return 2;
  int connections = atoi(arguments[2]), poller = epoll_create1(0);
  size_t length = (size_t)atoi(arguments[4]);
  if (length < 126 || length > 65535) return 2;
  memcpy(frame, (unsigned char[]){0x81, 0x80 | 126, (unsigned char)(length >> 8), (unsigned char)length}, 4);
  memset(frame + HEAD, 'x', length);
  frame_length = HEAD + length;
  size_t echoed = count == 6 ? frame_length : frame_length - MASK;
  struct connection *all = calloc((size_t)connections, sizeof *all);
  if (all == NULL) return 1;
  for (int at = 0; at < connections; at++) {
    all[at].fd = upgrade(atoi(arguments[1]));
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)at};
    epoll_ctl(poller, EPOLL_CTL_ADD, all[at].fd, &event);
    send_all(all[at].fd, frame, frame_length);
  }
  struct epoll_event ready[READY];
  static char input[65536];
  unsigned long done = 0;
  for (uint64_t end = now() + nanoseconds(arguments[3]); now() < end;) {
    int found = epoll_wait(poller, ready, READY, 100);
    for (int at = 0; at < found; at++) {
      struct connection *one = &all[ready[at].data.u32];
      ssize_t got = recv(one->fd, input, sizeof input, 0);
      if (got <= 0) fail("a WebSocket was closed");
      one->received += (size_t)got;
      if (one->received < echoed) continue;
      one->received = 0;
      done++;
      send_all(one->fd, frame, frame_length);
    }
  }
  printf("{\"requests\":%lu}\n", done);
  return 0;
}
