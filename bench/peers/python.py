"""The workloads in Python: on asyncio's own loop, or with --uvloop on uvloop's.

python3 bench/peers/python.py WORKLOAD COUNT [REPEATS] [--uvloop]
"""

import asyncio
import gc
import os
import re
import sys
import time

workloads = {}
cpu = wall = 0.0
measured = False


class timed:
    """The clocks run inside `with timed():`."""

    def __enter__(self):
        self.wall, self.cpu = time.monotonic(), time.process_time()

    def __exit__(self, *_):
        global cpu, wall, measured
        cpu += time.process_time() - self.cpu
        wall += time.monotonic() - self.wall
        measured = True


def status(key):
    """A number of /proc/self/status in bytes, or None where there is none."""
    try:
        with open("/proc/self/status") as file:
            found = re.search(key + r":\s*(\d+)", file.read())
            return int(found.group(1)) * 1024 if found else None
    except OSError:
        return None


def peak(base=None, count=None):
    high = status("VmHWM")
    if high:
        print("mb=%.1f" % (high / 2**20))
        if base:
            print("bytes=%.0f" % ((high - base) / count))


class memory:
    """Prints what resident memory grew by, per piece, in its block."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        gc.collect()
        self.before = status("VmRSS")

    def __exit__(self, *_):
        gc.collect()
        if self.before:
            grown = status("VmRSS") - self.before
            print("bytes=%.0f" % (grown / self.count))


def workload(fn):
    workloads[fn.__name__] = fn


async def work(i):
    return i


@workload
async def switch(count):
    async def take_turns():
        for _ in range(count // 10):
            await asyncio.sleep(0)

    with timed():
        tasks = [asyncio.create_task(take_turns()) for _ in range(10)]
        for task in tasks:
            await task


@workload
async def call(count):
    total = 0
    with timed():
        for i in range(1, count + 1):
            total += await work(i)
    assert total == count * (count + 1) // 2


def nested(depth):
    async def descend(n):
        return 0 if n == 0 else await descend(n - 1) + 1

    async def nest(count):
        sys.setrecursionlimit(depth * 4 + 1000)
        with timed():
            for _ in range(count // depth):
                assert await descend(depth) == depth

    workloads["nest_%d" % depth] = nest


nested(10)
nested(100)
nested(10000)


@workload
async def spawn_await(count):
    total = 0
    with timed():
        for i in range(1, count + 1):
            total += await asyncio.create_task(work(i))
    assert total == count * (count + 1) // 2


@workload
async def spawn_gather(count):
    with timed():
        tasks = [asyncio.create_task(work(i)) for i in range(1, count + 1)]
        results = await asyncio.gather(*tasks)
    assert len(results) == count and results[-1] == count


if hasattr(asyncio, "TaskGroup"):
    @workload
    async def group(count):
        total = 0

        async def add(i):
            nonlocal total
            total += i

        with timed():
            async with asyncio.TaskGroup() as tasks:
                for i in range(1, count + 1):
                    tasks.create_task(add(i))
        assert total == count * (count + 1) // 2


@workload
async def future(count):
    total, box = 0, None
    loop = asyncio.get_running_loop()

    async def setter():
        for i in range(1, count + 1):
            box.set_result(i)
            await asyncio.sleep(0)

    task = asyncio.create_task(setter())
    with timed():
        for _ in range(count):
            box = loop.create_future()
            total += await box
    await task
    assert total == count * (count + 1) // 2


@workload
async def pingpong(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)
    total = 0

    async def answer():
        for _ in range(count):
            await back.put(await there.get())

    with timed():
        pong = asyncio.create_task(answer())
        for i in range(1, count + 1):
            await there.put(i)
            total += await back.get()
        await pong
    assert total == count * (count + 1) // 2


@workload
async def lock(count):
    mutex, taken = asyncio.Lock(), 0

    async def contend():
        nonlocal taken
        for _ in range(count // 10):
            await mutex.acquire()
            taken += 1
            await asyncio.sleep(0)
            mutex.release()

    with timed():
        tasks = [asyncio.create_task(contend()) for _ in range(10)]
        for task in tasks:
            await task
    assert taken == count // 10 * 10


if hasattr(asyncio, "timeout"):
    @workload
    async def timeout(count):
        with timed():
            for _ in range(count):
                async with asyncio.timeout(60):
                    await asyncio.sleep(0)


@workload
async def timers(count):
    loop = asyncio.get_running_loop()
    fired, everything = 0, loop.create_future()

    def fire():
        nonlocal fired
        fired += 1
        if fired == count:
            everything.set_result(True)

    with timed():
        for i in range(1, count + 1):
            loop.call_later(i * 7919 % count / count / 1000, fire)
        await everything


@workload
async def cancel(count):
    tasks = [asyncio.create_task(asyncio.sleep(3600)) for _ in range(count)]
    await asyncio.sleep(0)
    with timed():
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled() and tasks[-1].cancelled()


@workload
async def million(count):
    gaps, asleep, last = {False: 0.0, True: 0.0}, 0, None

    async def tick():
        nonlocal last
        all_asleep = False
        while True:
            await asyncio.sleep(0.001)
            now = time.monotonic()
            if last is not None:
                gaps[all_asleep] = max(gaps[all_asleep], now - last)
            last, all_asleep = now, asleep == count

    async def sleeper(i):
        nonlocal asleep
        asleep += 1
        await asyncio.sleep(1 + i / count)

    ticker = asyncio.create_task(tick())
    base, begun = status("VmRSS"), time.monotonic()
    with timed():
        tasks = [asyncio.create_task(sleeper(i)) for i in range(1, count + 1)]
        last = time.monotonic()
        for task in tasks:
            await task
    print("seconds=%.2f" % (time.monotonic() - begun))
    print("begin_gap_ms=%.1f" % (gaps[False] * 1000))
    print("gap_ms=%.1f" % (gaps[True] * 1000))
    peak(base, count)
    ticker.cancel()


@workload
async def mem_future(count):
    loop, futures = asyncio.get_running_loop(), [None] * count
    with memory(count):
        for i in range(count):
            futures[i] = loop.create_future()


def leave():
    """End at once: to cancel all waiters of a lock takes quadratic time."""
    sys.stdout.flush()
    os._exit(0)


async def waiting(count, wait):
    tasks = [None] * count
    with memory(count):
        for i in range(count):
            tasks[i] = asyncio.create_task(wait())
        await asyncio.sleep(0)
    leave()


@workload
async def mem_sleeper(count):
    await waiting(count, lambda: asyncio.sleep(3600))


@workload
async def mem_lock(count):
    mutex = asyncio.Lock()
    await mutex.acquire()
    await waiting(count, mutex.acquire)


@workload
async def mem_timer(count):
    loop = asyncio.get_running_loop()
    with memory(count):
        for _ in range(count):
            loop.call_later(3600, print)


@workload
async def mem_connection(count):
    async def serve(reader, writer):
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = [None] * count
    with memory(count):
        for i in range(count):
            clients[i] = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0.05)
    leave()


@workload
async def start(_):
    peak()


def main():
    arguments = [a for a in sys.argv[1:] if a != "--uvloop"]
    name, count = arguments[0], int(arguments[1])
    repeats = int(arguments[2]) if len(arguments) > 2 else 1
    if name not in workloads:
        print("missing=1")
        return
    if "--uvloop" in sys.argv:
        import uvloop
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    for _ in range(repeats):
        asyncio.run(workloads[name](count))
    if measured:
        print("ns=%.2f" % (cpu / count / repeats * 1e9))
        print("wall=%.2f" % (wall / count / repeats * 1e9))


main()
