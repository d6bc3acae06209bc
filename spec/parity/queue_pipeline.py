"""Queues: a bounded pipeline, join, stealing, cancelled getters and putters."""
import asyncio

log = []


async def producer(queue, name, n):
    for i in range(n):
        await queue.put(f"{name}{i}")
        log.append(f"+{name}{i}")


async def consumer(queue, out):
    while True:
        item = await queue.get()
        await asyncio.sleep(0)
        await out.put(item.upper())
        queue.task_done()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def show(title):
    print(f"{title}: {' '.join(log)}")
    log.clear()


async def main():
    first, second = asyncio.Queue(2), asyncio.Queue()
    producers = [asyncio.create_task(producer(first, n, 4)) for n in "ab"]
    consumers = [asyncio.create_task(consumer(first, second)) for _ in range(3)]
    await asyncio.gather(*producers)
    await first.join()
    for c in consumers:
        c.cancel()
    log.clear()
    items = sorted(second.get_nowait() for _ in range(second.qsize()))
    print("pipeline", " ".join(items), "empty", str(first.empty()).lower())

    queue = asyncio.Queue(2)
    tasks = [asyncio.create_task(producer(queue, f"p{i}.", 2)) for i in range(2)]
    await settle()
    show("full")
    log.append(f"size {queue.qsize()} full {str(queue.full()).lower()}")
    for _ in range(4):
        log.append(queue.get_nowait())
        await settle()
    show("drained")

    async def getter(name):
        try:
            log.append(f"{name}={await queue.get()}")
        except asyncio.CancelledError:
            log.append(f"{name} cancelled")
            raise

    getters = [asyncio.create_task(getter(f"g{i}")) for i in range(3)]
    await settle()
    queue.put_nowait(1)
    getters[0].cancel()
    await settle()
    show("woken getter cancelled")
    getters[1].cancel()
    queue.put_nowait(2)
    await settle()
    show("getter after")
    await asyncio.gather(*getters, return_exceptions=True)
    log.append(f"left {queue.qsize()}")
    show("sizes")
    for name, call in (("get_nowait", queue.get_nowait), ("put_nowait", None)):
        try:
            if call:
                call()
            else:
                for i in range(5):
                    queue.put_nowait(i)
        except asyncio.QueueEmpty:
            print(name, "QueueEmpty")
        except asyncio.QueueFull:
            print(name, "QueueFull after", queue.qsize())

    late = asyncio.create_task(queue.put("late"))
    await settle()
    late.cancel()
    await settle()
    print("putter cancelled", str(late.cancelled()).lower(), "size", queue.qsize())

    work = asyncio.Queue()
    for i in range(3):
        work.put_nowait(i)
    joiner = asyncio.create_task(work.join())
    for i in range(3):
        await settle()
        log.append(f"{work.get_nowait()} joined {str(joiner.done()).lower()}")
        work.task_done()
    await joiner
    show("join")
    try:
        work.task_done()
    except ValueError:
        print("task_done too often is refused")
    await work.join()
    print("join of an empty queue returns")

    stack = asyncio.LifoQueue()
    heap = asyncio.PriorityQueue()
    for n in (5, 1, 4, 2, 3):
        await stack.put(n)
        await heap.put(n)
    print("lifo:", *[await stack.get() for _ in range(5)])
    print("priority:", *[await heap.get() for _ in range(5)])


asyncio.run(main())
