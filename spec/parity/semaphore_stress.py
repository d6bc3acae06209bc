"""Semaphore: three permits, twelve tasks, some cancelled; hand-over."""
import asyncio

inside = 0
peak = 0
order = []


async def worker(sem, name, hold):
    global inside, peak
    async with sem:
        inside += 1
        peak = max(peak, inside)
        order.append(name)
        try:
            for _ in range(hold):
                await asyncio.sleep(0)
        finally:
            inside -= 1


async def settle():
    for _ in range(40):
        await asyncio.sleep(0)


async def main():
    sem = asyncio.Semaphore(3)
    holds = [3, 1, 4, 1, 5, 2, 6, 5, 3, 5, 2, 4]
    tasks = [asyncio.create_task(worker(sem, f"t{i}", h)) for i, h in enumerate(holds)]
    await asyncio.sleep(0)
    for i in (1, 4, 7, 10):
        tasks[i].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    print("order", " ".join(order))
    print("peak", peak, "cancelled", sum(isinstance(r, asyncio.CancelledError) for r in results))
    print("free again", str(not sem.locked()).lower())

    sem = asyncio.Semaphore(0)
    order.clear()
    tasks = [asyncio.create_task(worker(sem, f"w{i}", 0)) for i in range(3)]
    await settle()
    sem.release()
    sem.release()
    print("handed over, locked", str(sem.locked()).lower())
    barger = asyncio.create_task(worker(sem, "barger", 0))
    tasks[0].cancel()
    await settle()
    sem.release()
    await settle()
    print("order", " ".join(order), "barger done", str(barger.done()).lower())

    n = 0
    while not sem.locked():
        await sem.acquire()
        n += 1
    print("permits left", n)

    bounded = asyncio.BoundedSemaphore(1)
    await bounded.acquire()
    bounded.release()
    try:
        bounded.release()
    except ValueError:
        print("released too often is refused")
    try:
        asyncio.Semaphore(-1)
    except ValueError:
        print("negative is refused")


asyncio.run(main())
