"""What the asyncio workloads share: their arguments and their event loop."""

import asyncio
import sys
import time

clock = time.process_time


def argument(default):
    """The size of the workload: the first argument that is no flag."""
    numbers = [a for a in sys.argv[1:] if not a.startswith("--")]
    return int(numbers[0]) if numbers else default


def run(main):
    """Run the coroutine on asyncio's own loop, or on uvloop's."""
    if "--uvloop" in sys.argv:
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main)


def report(took, count):
    print("ns=%.1f" % (took / count * 1e9))
