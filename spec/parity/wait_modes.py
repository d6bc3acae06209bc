"""wait: the three modes, time-outs, what counts as done."""
import asyncio

FOREVER = 10 ** 9


async def work(name, turns, error=None):
    for _ in range(turns):
        await asyncio.sleep(0)
    if error:
        raise ValueError(error)
    return name


def start(*specs):
    return [asyncio.create_task(work(*s), name=s[0]) for s in specs]


def names(tasks):
    return " ".join(sorted(t.get_name() for t in tasks)) or "none"


def show(title, done, pending):
    print(f"{title}: done {names(done)}; pending {names(pending)}")


async def finish(tasks):
    for t in tasks:
        t.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def main():
    loop = asyncio.get_running_loop()
    for mode in ("ALL_COMPLETED", "FIRST_COMPLETED", "FIRST_EXCEPTION"):
        tasks = start(("a", 30), ("b", 10), ("c", 20, "bad"), ("d", 50))
        show(mode, *await asyncio.wait(tasks, return_when=getattr(asyncio, mode)))
        await finish(tasks)

    tasks = start(("a", 10), ("b", 20))
    show("no exception", *await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))

    tasks = start(("a", 20), ("b", FOREVER))
    await asyncio.sleep(0)
    tasks[1].cancel()
    show("cancelled is no exception", *await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION))

    tasks = start(("a", 10), ("b", FOREVER), ("c", FOREVER))
    show("timeout", *await asyncio.wait(tasks, timeout=0.02))
    show("zero", *await asyncio.wait(tasks, timeout=0))
    print("never cancels", str(any(t.cancelled() for t in tasks)).lower())
    await finish(tasks)
    show("already done", *await asyncio.wait(tasks))
    show("one done", *await asyncio.wait(tasks[:1], return_when=asyncio.FIRST_COMPLETED))

    x, y = loop.create_future(), loop.create_future()
    loop.call_soon(x.set_result, 1)
    loop.call_soon(y.set_result, 2)
    done, pending = await asyncio.wait([x, y], return_when=asyncio.FIRST_COMPLETED)
    print("two in one tick", len(done), len(pending))

    tasks = start(("a", 20), ("b", 20))
    waiter = asyncio.create_task(asyncio.wait(tasks))
    await asyncio.sleep(0)
    waiter.cancel()
    try:
        await waiter
    except asyncio.CancelledError:
        print("waiter cancelled, tasks go on:", *await asyncio.gather(*tasks))

    t = start(("twice", 0))[0]
    done, pending = await asyncio.wait([t, t])
    print("duplicates", len(done), "member", str(t in done).lower(), "result", done.pop().result())
    for title, call in (("empty", lambda: asyncio.wait([])),
                        ("bad mode", lambda: asyncio.wait([t], return_when="SOMETIMES"))):
        try:
            await call()
        except ValueError:
            print(title, "is refused")


asyncio.run(main())
