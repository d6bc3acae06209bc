/*
** Included first when casync is built for 'make coverage': a process that
** ends by _exit writes down what it has reached, too.
*/

#ifndef coverage_h
#define coverage_h

#define _GNU_SOURCE
#include <unistd.h>

extern void __gcov_dump (void);

#define _exit(status) (__gcov_dump(), _exit(status))

#endif
