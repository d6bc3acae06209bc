/*
** want.c - what a read waits for, and whether that has come.
*/

#define _GNU_SOURCE             /* memmem */

#include <string.h>

#include "want.h"


/* What has been looked at is not looked at again. */
bool ca_want_search (Want *w, const Buffer *in) {
  if (w->end != 0) return true;
  const char *bytes = ca_buffer_bytes(in);
  size_t length = ca_buffer_length(in);
  if (length <= w->scanned) return false;
  for (int i = 0; i < w->nseparators; i++) {
    const Separator *s = &w->separators[i];
    const char *from = bytes + w->scanned;
    size_t rest = length - w->scanned;
    const char *at = s->length == 1
                   ? (const char *)memchr(from, s->bytes[0], rest)
                   : (const char *)memmem(from, rest, s->bytes, s->length);
    if (at == NULL) continue;
    size_t place = (size_t)(at - bytes);
    if (w->end == 0 || place + s->length < w->end) {
      w->found = place;
      w->end = place + s->length;
    }
  }
  if (w->end == 0 && length >= w->longest)
    w->scanned = length + 1 - w->longest;
  return w->end != 0;
}


bool ca_want_met (Want *w, const Buffer *in, size_t limit) {
  switch (w->kind) {
    case WANT_SOME: return w->n == 0 || ca_buffer_length(in) > 0;
    case WANT_ALL: return false;
    case WANT_EXACTLY: return ca_buffer_length(in) >= w->n;
    case WANT_LINE: case WANT_UNTIL:
      return ca_want_search(w, in) || w->scanned > limit;
  }
  return true;
}
