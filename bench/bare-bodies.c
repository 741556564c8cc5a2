/* The floor for bodies: only the kernel copies their bytes. The argument is the name of the handler; BENCH_FILE is
 * the file to send. */
#include "bare.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* Bytes per write of a generated body, and of buffer for an echoed one. */
#define PAGE (1024 * 1024)
#define PASSED (256 * 1024)

struct client {
  char head[256];
  size_t head_left; /* of the answer's head, unsent */
  size_t to_receive, to_send;
  char *body; /* kept from one request to the next */
  size_t room, filled, sent;
  int is_last;
};

/* The connection can go on, waits for its socket, or ends. */
enum step { GO, WAIT, END };

static struct client *clients[DESCRIPTORS];
static char page[PAGE];
static int echoes, passes, file = -1;
static size_t length;

static enum step after(ssize_t count) { return count > 0 ? GO : count < 0 && errno == EAGAIN ? WAIT : END; }

/* Expects each head in one read. */
static enum step read_head(int fd, struct client *client) {
  static char input[65536];
  ssize_t count = recv(fd, input, sizeof input - 1, 0);
  if (count <= 0) return after(count);
  input[count] = 0;
  char *end = strstr(input, "\r\n\r\n"), *declared = strcasestr(input, "content-length: ");
  if (end == NULL) return END;
  size_t begun = (size_t)(input + count - (end + 4)), body = declared == NULL ? 0 : strtoull(declared + 16, NULL, 10);
  size_t room = passes ? PASSED : body;
  if (client->room < room) client->body = realloc(client->body, client->room = room);
  if (begun > client->room) return END;
  memcpy(client->body, end + 4, begun);
  client->filled = begun;
  client->sent = 0;
  client->to_receive = body - begun;
  client->to_send = echoes ? body : length;
  client->is_last = strstr(input, "onnection: close") != NULL;
  client->head_left = (size_t)sprintf(client->head, "HTTP/1.1 200 OK\r\n" DATE "%s"
                                      "content-type: text/plain\r\ncontent-length: %zu\r\n\r\n",
                                      client->is_last ? "connection: close\r\n" : KEEP_ALIVE, client->to_send);
  return GO;
}

static enum step receive(int fd, struct client *client) {
  ssize_t count = recv(fd, client->body + client->filled, client->room - client->filled, 0);
  if (count > 0) client->filled += (size_t)count, client->to_receive -= (size_t)count;
  return after(count);
}

static enum step answer(int fd, struct client *client) {
  size_t head = client->head_left, ready = echoes ? client->filled - client->sent : client->to_send;
  if (head == 0 && file >= 0) {
    off_t at = (off_t)(length - client->to_send);
    ssize_t count = sendfile(fd, file, &at, client->to_send);
    if (count > 0) client->to_send -= (size_t)count;
    return after(count);
  }
  if (ready > PAGE && !echoes) ready = PAGE;
  struct iovec parts[] = {{client->head + strlen(client->head) - head, head},
                          {echoes ? client->body + client->sent : page, file >= 0 ? 0 : ready}};
  ssize_t count = writev(fd, head > 0 ? parts : parts + 1, head > 0 ? 2 : 1);
  if (count <= 0) return after(count);
  size_t of_head = (size_t)count < head ? (size_t)count : head, of_body = (size_t)count - of_head;
  client->head_left -= of_head;
  client->to_send -= of_body;
  client->sent += of_body;
  return GO;
}

static enum step advance(int fd, struct client *client) {
  if (client->to_send == 0 && client->head_left == 0) return client->is_last ? END : read_head(fd, client);
  if (passes && client->sent == client->filled) client->filled = client->sent = 0;
  int is_short = echoes && (passes ? client->filled == 0 && client->head_left == 0 : client->to_receive > 0);
  return is_short ? receive(fd, client) : answer(fd, client);
}

static int serve(int fd) {
  if (clients[fd] == NULL) clients[fd] = calloc(1, sizeof(struct client));
  enum step step;
  while ((step = advance(fd, clients[fd])) == GO);
  if (step == WAIT) return 1;
  free(clients[fd]->body);
  free(clients[fd]);
  clients[fd] = NULL;
  return 0;
}

int main(int count, char **arguments) {
  const char *handler = count == 2 ? arguments[1] : "";
  signal(SIGPIPE, SIG_IGN);
  memset(page, 'x', sizeof page);
  passes = strcmp(handler, "pipe") == 0;
  echoes = passes || strcmp(handler, "echo") == 0;
  length = strcmp(handler, "long") == 0 ? 64 * 1024 : strcmp(handler, "huge") == 0 ? 1024 * 1024 * 1024 : PAGE;
  if (strcmp(handler, "file") == 0) {
    struct stat known;
    file = open(getenv("BENCH_FILE"), O_RDONLY);
    if (fstat(file, &known) != 0) return 1;
    length = (size_t)known.st_size;
  }
  serve_all(serve, -1, NULL);
}
