/*
** want.h - what a read waits for, and whether that has come.
**
** Nothing here touches Lua, so all of it can be used from libuv's callbacks.
*/

#ifndef CA_WANT_H
#define CA_WANT_H

#include "buffer.h"

typedef enum WantKind {
  WANT_SOME,                    /* anything, 'n' bytes at most */
  WANT_ALL,                     /* all that comes until the end */
  WANT_EXACTLY,                 /* 'n' bytes */
  WANT_LINE,                    /* up to a newline, or the end */
  WANT_UNTIL                    /* up to the first of the separators */
} WantKind;

typedef struct Separator {
  const char *bytes;
  size_t length;
} Separator;

typedef struct Want {
  WantKind kind;
  int nseparators;
  size_t n;
  size_t scanned;               /* no separator begins before */
  size_t found, end;            /* where one does, and ends; end 0: nowhere */
  size_t longest;               /* separator */
  const Separator *separators;
} Want;

/* Look for the separator that ends first. */
bool ca_want_search (Want *w, const Buffer *in);

/* Is what has been received enough? More than 'limit' bytes without a
   separator are: they are too many. */
bool ca_want_met (Want *w, const Buffer *in, size_t limit);

#endif
