"""Lock: first come, first served; cancelled waiters; no barging."""
import asyncio

order = []


async def worker(lock, name):
    async with lock:
        order.append(name)
        await asyncio.sleep(0)


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def show(title):
    print(f"{title}: {' '.join(order)}")
    order.clear()


async def main():
    lock = asyncio.Lock()
    tasks = [asyncio.create_task(worker(lock, f"w{i}")) for i in range(5)]
    await asyncio.gather(*tasks)
    show("fifo")

    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, f"q{i}")) for i in range(4)]
    await settle()
    tasks[1].cancel()
    await settle()
    lock.release()
    await settle()
    show("queued waiter cancelled")

    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, f"k{i}")) for i in range(3)]
    await settle()
    lock.release()
    tasks[0].cancel()
    await settle()
    show("woken waiter cancelled")
    print("locked", str(lock.locked()).lower(), "k0 cancelled", str(tasks[0].cancelled()).lower())

    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, f"b{i}")) for i in range(2)]
    await settle()
    lock.release()
    await worker(lock, "barger")
    await settle()
    show("barging")

    try:
        lock.release()
    except RuntimeError:
        print("release of a free lock is refused")

    await lock.acquire()

    async def release():
        lock.release()
    await asyncio.create_task(release())
    print("any task may release", str(lock.locked()).lower())

    try:
        async with lock:
            raise ValueError("inside")
    except ValueError as e:
        print("error", e, "locked", str(lock.locked()).lower())

    await lock.acquire()
    tasks = [asyncio.create_task(worker(lock, f"x{i}")) for i in range(4)]
    await settle()
    for t in tasks:
        t.cancel()
    await settle()
    lock.release()
    print("all cancelled, locked", str(lock.locked()).lower())


asyncio.run(main())
