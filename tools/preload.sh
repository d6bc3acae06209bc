#!/bin/sh
# Run a command with CASYNC_PRELOAD loaded before its libraries. The name is
# not LD_PRELOAD itself so that make's own shell does not get it.
LD_PRELOAD="$CASYNC_PRELOAD" exec "$@"
