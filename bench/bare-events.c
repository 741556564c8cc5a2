/* The floor for event streams: a timer sends one event a second on each. */
#include "bare.h"
#include <stdint.h>
#include <sys/timerfd.h>

static const char HEAD[] = "HTTP/1.1 200 OK\r\n" DATE KEEP_ALIVE
                           "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
static const char EVENT[] = "12\r\ndata: 0123456789\n\n\r\n";

static char is_streaming[DESCRIPTORS];
static int highest;

/* Any bytes count as a request; the end of input ends the stream. */
static int serve(int fd) {
  char input[4096];
  ssize_t count = recv(fd, input, sizeof input, 0);
  if (count < 0 && errno == EAGAIN) return 1;
  is_streaming[fd] = count > 0 && send(fd, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) > 0;
  if (fd > highest) highest = fd;
  return is_streaming[fd];
}

static int send_events(int timer) {
  uint64_t times;
  if (read(timer, &times, sizeof times) < 0) return 1;
  for (int fd = 0; fd <= highest; fd++) {
    if (is_streaming[fd]) send(fd, EVENT, sizeof EVENT - 1, MSG_NOSIGNAL);
  }
  return 1;
}

int main(void) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
  timerfd_settime(timer, 0, &second, NULL);
  serve_all(serve, timer, send_events);
}
