/*
** buffer.c - bytes in a row, added at the end and taken from the front.
**
** Bytes move only when at least as many have been taken as are moved, or
** when the block doubles, so each byte is moved a bounded number of times.
** An empty buffer keeps its block, but all large ones of empty buffers are
** no more than MAXWARM together: those that were emptied long ago are given
** back. So connections at rest cost little, and a busy one does not
** allocate, nor does the system give it new pages for each message.
*/

#include <string.h>

#include "buffer.h"

enum { SMALL = 4096, MAXWARM = 4 << 20 };


void ca_buffer_init (Buffer *b) {
  memset(b, 0, sizeof *b);
  list_init(&b->warm);
}


static void freeblock (Core *c, Buffer *b) {
  ca_free(c, b->data, b->size);
  b->data = NULL;
  b->size = 0;
}


/* The block is not to be kept, or is about to change. */
static void cool (Core *c, Buffer *b) {
  if (list_empty(&b->warm)) return;
  list_remove(&b->warm);
  c->warmbytes -= b->size;
}


/* The buffer has just been emptied. */
static void warm (Core *c, Buffer *b) {
  if (b->size <= SMALL) return;
  cool(c, b);
  list_append(&c->warm, &b->warm);
  c->warmbytes += b->size;
  while (c->warmbytes > MAXWARM) {
    Buffer *oldest = container_of(c->warm.next, Buffer, warm);
    cool(c, oldest);
    if (ca_buffer_length(oldest) == 0) freeblock(c, oldest);
  }
}


/* A larger block, with what is in the buffer at its start. */
static char *grow (Core *c, Buffer *b, size_t length, size_t size) {
  cool(c, b);
  if (b->start == 0) return (char *)ca_realloc(c, b->data, b->size, size);
  char *data = (char *)ca_malloc(c, size);
  if (data == NULL) return NULL;
  memcpy(data, b->data + b->start, length);
  ca_free(c, b->data, b->size);
  return data;
}


char *ca_buffer_reserve (Core *c, Buffer *b, size_t n) {
  if (b->size - b->end >= n) return b->data + b->end;
  size_t length = ca_buffer_length(b);
  if (b->size - length >= n && b->start >= length) {
    memmove(b->data, b->data + b->start, length);
    b->start = 0;
    b->end = length;
    return b->data + length;
  }
  if (n > SIZE_MAX / 2 - length) return NULL;
  size_t size = b->size < SMALL ? SMALL : b->size;
  while (size < length + n) size *= 2;
  char *data = grow(c, b, length, size);
  if (data == NULL) return NULL;
  b->data = data;
  b->start = 0;
  b->end = length;
  b->size = size;
  return data + length;
}


bool ca_buffer_add (Core *c, Buffer *b, const char *bytes, size_t n) {
  if (n == 0) return true;
  char *to = ca_buffer_reserve(c, b, n);
  if (to == NULL) return false;
  memcpy(to, bytes, n);
  b->end += n;
  return true;
}


void ca_buffer_drop (Core *c, Buffer *b, size_t n) {
  b->start += n;
  if (b->start < b->end) return;
  b->start = b->end = 0;
  warm(c, b);
}


void ca_buffer_swap (Core *c, Buffer *a, Buffer *b) {
  cool(c, a);
  cool(c, b);
  Buffer was = *a;
  *a = *b;
  *b = was;
  list_init(&a->warm);
  list_init(&b->warm);
  if (ca_buffer_length(a) == 0) warm(c, a);
  if (ca_buffer_length(b) == 0) warm(c, b);
}


void ca_buffer_free (Core *c, Buffer *b) {
  cool(c, b);
  if (b->data != NULL) freeblock(c, b);
  b->start = b->end = 0;
}
