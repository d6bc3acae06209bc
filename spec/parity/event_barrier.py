"""Event and Barrier: set and clear, cycles, reset, abort, cancelled waiters."""
import asyncio


def flag(x):
    return str(x).lower()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def events():
    event, log = asyncio.Event(), []

    async def waiter(name):
        log.append(f"{name} {flag(await event.wait())} {flag(event.is_set())}")
    tasks = [asyncio.create_task(waiter(f"w{i}")) for i in range(3)]
    await settle()
    tasks[1].cancel()
    event.set()
    event.clear()
    await settle()
    print("set and clear:", "; ".join(log))
    log.clear()
    late = asyncio.create_task(waiter("late"))
    await settle()
    print("cleared", flag(late.done()), flag(event.is_set()))
    event.set()
    event.set()
    await late
    await waiter("at once")
    print("set:", "; ".join(log))


async def barriers():
    barrier, log = asyncio.Barrier(3), []
    print("parties", barrier.parties, "waiting", barrier.n_waiting, "broken", flag(barrier.broken))

    async def member(name):
        try:
            index = await barrier.wait()
            log.append(index)
        except asyncio.BrokenBarrierError:
            log.append("broken")

    for cycle in range(2):
        await asyncio.gather(*[member(i) for i in range(3)])
        print("cycle", cycle, *sorted(log), "waiting", barrier.n_waiting)
        log.clear()

    tasks = [asyncio.create_task(member(i)) for i in range(2)]
    await settle()
    print("waiting", barrier.n_waiting)
    await barrier.reset()
    await asyncio.gather(*tasks)
    print("reset", *log, "broken", flag(barrier.broken))
    log.clear()

    tasks = [asyncio.create_task(member(i)) for i in range(2)]
    await settle()
    tasks[0].cancel()
    await settle()
    print("one cancelled, waiting", barrier.n_waiting, "broken", flag(barrier.broken))
    tasks += [asyncio.create_task(member(i)) for i in range(2)]
    await asyncio.gather(*tasks, return_exceptions=True)
    print("still works", len(log))
    log.clear()

    tasks = [asyncio.create_task(member(i)) for i in range(2)]
    await settle()
    await barrier.abort()
    await asyncio.gather(*tasks)
    await member("after")
    print("abort", *log, "broken", flag(barrier.broken))
    log.clear()
    await barrier.reset()
    print("mended", flag(not barrier.broken))
    await asyncio.gather(*[member(i) for i in range(6)])
    print("two rounds", *sorted(log))
    try:
        asyncio.Barrier(0)
    except ValueError:
        print("no parties is refused")


async def main():
    await events()
    await barriers()


asyncio.run(main())
