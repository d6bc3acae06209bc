"""Condition: notify counts, cancelled waiters, re-acquiring the lock."""
import asyncio

log = []


async def consumer(cond, stock, name):
    try:
        async with cond:
            while not stock:
                await cond.wait()
            log.append(f"{name} took {stock.pop(0)}")
    except asyncio.CancelledError:
        log.append(f"{name} cancelled, locked {str(cond.locked()).lower()}")
        raise


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def show(title, stock):
    print(f"{title}: {'; '.join(log)}; left {len(stock)}")
    log.clear()


async def main():
    cond, stock = asyncio.Condition(), []
    tasks = [asyncio.create_task(consumer(cond, stock, f"c{i}")) for i in range(4)]
    await settle()
    async with cond:
        stock += ["a", "b"]
        cond.notify(2)
        log.append("notified")
    await settle()
    show("notify two of four", stock)

    tasks[2].cancel()
    await settle()
    async with cond:
        stock += ["c", "d"]
        cond.notify_all()
    await settle()
    show("one cancelled before", stock)

    late = asyncio.create_task(consumer(cond, stock, "late"))
    await settle()
    show("stock waits for nobody", stock)
    await late

    async def waiter():
        async with cond:
            try:
                await cond.wait()
            finally:
                log.append(f"re-acquired {str(cond.locked()).lower()}")
    task = asyncio.create_task(waiter())
    await settle()
    await cond.acquire()
    task.cancel()
    await settle()
    log.append(f"done while lock is held {str(task.done()).lower()}")
    cond.release()
    await settle()
    log.append(f"cancelled {str(task.cancelled()).lower()}")
    show("cancelled while contested", stock)

    for name in ("notify", "notify_all"):
        try:
            getattr(cond, name)()
        except RuntimeError:
            print(name, "without the lock is refused")
    try:
        await cond.wait()
    except RuntimeError:
        print("wait without the lock is refused")

    async def ready():
        async with cond:
            log.append(str(await cond.wait_for(lambda: len(stock) > 2)).lower())
    task = asyncio.create_task(ready())
    for item in ("x", "y", "z"):
        await settle()
        async with cond:
            stock.append(item)
            cond.notify()
            log.append("put " + item)
    await task
    show("wait_for", stock)


asyncio.run(main())
