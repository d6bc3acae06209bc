/*
** buffer.h - bytes in a row, added at the end and taken from the front.
**
** Nothing here touches Lua, so all of it can be used from libuv's callbacks.
*/

#ifndef CA_BUFFER_H
#define CA_BUFFER_H

#include "core.h"

typedef struct Buffer {
  char *data;
  size_t start, end;            /* the bytes are data[start .. end - 1] */
  size_t size;                  /* of the block at 'data' */
  List warm;                    /* among those last emptied: see buffer.c */
} Buffer;

void ca_buffer_init (Buffer *b);

static inline size_t ca_buffer_length (const Buffer *b) {
  return b->end - b->start;
}

static inline const char *ca_buffer_bytes (const Buffer *b) {
  return b->data + b->start;
}

/* How many bytes can be added without more memory. */
static inline size_t ca_buffer_room (const Buffer *b) {
  return b->size - b->end;
}

/* Room for at least 'n' more bytes, to be written at the returned place;
   add what was written to 'end'. NULL: no memory, nothing has changed. */
char *ca_buffer_reserve (Core *c, Buffer *b, size_t n);

/* Add bytes. False: no memory, nothing has changed. */
bool ca_buffer_add (Core *c, Buffer *b, const char *bytes, size_t n);

/* Take 'n' bytes from the front. */
void ca_buffer_drop (Core *c, Buffer *b, size_t n);

/* Exchange what two buffers hold. */
void ca_buffer_swap (Core *c, Buffer *a, Buffer *b);

/* Free the block: the buffer is as after its init. */
void ca_buffer_free (Core *c, Buffer *b);

#endif
