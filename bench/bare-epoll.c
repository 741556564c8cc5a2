/* The floor for short requests: the cost of the kernel alone. Finds the ends of request heads and answers each with
 * the same bytes, as many as the servers send. */
#include "bare.h"

#define BUFFER 65536

static const char KEPT[] = "HTTP/1.1 200 OK\r\n" DATE KEEP_ALIVE
                           "content-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";
static const char LAST[] = "HTTP/1.1 200 OK\r\n" DATE
                           "connection: close\r\ncontent-type: text/plain\r\ncontent-length: 13\r\n\r\nHello, World!";

static char input[BUFFER + 1], output[BUFFER * 8];

/* Expects each head in one read, as the load sends it. */
static int serve(int fd) {
  ssize_t count = recv(fd, input, BUFFER, 0);
  if (count <= 0) return count < 0 && errno == EAGAIN;
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

int main(void) { serve_all(serve, -1, NULL); }
