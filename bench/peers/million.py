"""Many tasks sleep for 1 to 2 s; a ticker of 1 ms runs beside them."""

import asyncio
import re
import time

from peer import argument, run

count = argument(1000000)


def peak():
    """The peak of resident memory in MB, or None where nobody tells."""
    try:
        with open("/proc/self/status") as status:
            kb = re.search(r"VmHWM:\s*(\d+)", status.read())
            return int(kb.group(1)) / 1024 if kb else None
    except OSError:
        return None


async def sleeper(i):
    await asyncio.sleep(1 + i / count)


async def main():
    gap, last = 0.0, None

    async def tick():
        nonlocal gap, last
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            if last is not None:
                gap = max(gap, now - last)
            last = now

    ticker = asyncio.create_task(tick())
    start = time.monotonic()
    tasks = [asyncio.create_task(sleeper(i)) for i in range(1, count + 1)]
    last = time.monotonic()
    for task in tasks:
        await task
    took = time.monotonic() - start
    ticker.cancel()
    print("seconds=%.2f" % took)
    print("gap_ms=%.1f" % (gap * 1000))
    mb = peak()
    if mb is not None:
        print("mb=%.0f" % mb)


run(main())
