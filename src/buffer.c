/*
** buffer.c - bytes in a row, added at the end and taken from the front.
**
** Bytes move only when at least as many have been taken as are moved, or
** when the block doubles, so each byte is moved a bounded number of times.
** An empty buffer keeps a small block and gives a large one back: a
** connection at rest costs little, and a busy one does not allocate.
*/

#include <string.h>

#include "buffer.h"

enum { SMALL = 4096 };


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
  char *data;
  if (b->start == 0) {
    data = (char *)ca_realloc(c, b->data, b->size, size);
    if (data == NULL) return NULL;
  } else {
    data = (char *)ca_malloc(c, size);
    if (data == NULL) return NULL;
    memcpy(data, b->data + b->start, length);
    ca_free(c, b->data, b->size);
  }
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
  if (b->size > SMALL) ca_buffer_free(c, b);
}


void ca_buffer_free (Core *c, Buffer *b) {
  if (b->data != NULL) ca_free(c, b->data, b->size);
  b->data = NULL;
  b->start = b->end = b->size = 0;
}
