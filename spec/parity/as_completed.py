"""as_completed: order of completion, errors, time-outs, early exit."""
import asyncio


async def work(name, turns, error=None):
    for _ in range(turns):
        await asyncio.sleep(0)
    if error:
        raise ValueError(error)
    return name


async def main():
    out = []
    for future in asyncio.as_completed([work("c", 30), work("a", 10), work("b", 20)]):
        out.append(await future)
    print("order", " ".join(out))

    out = []
    for future in asyncio.as_completed([work("x", 30), work("y", 10, "bad"), work("z", 20)]):
        try:
            out.append(await future)
        except ValueError as e:
            out.append(f"<{e}>")
    print("error", " ".join(out))

    tasks = [asyncio.create_task(work(n, d)) for n, d in (("quick", 10), ("slow", 10 ** 9), ("slower", 10 ** 9))]
    out = []
    try:
        for future in asyncio.as_completed(tasks, timeout=0.05):
            out.append(await future)
    except TimeoutError:
        out.append("timed out")
    print("timeout", " ".join(out), "cancelled", str(any(t.cancelled() for t in tasks)).lower())
    for t in tasks:
        t.cancel()

    tasks = [asyncio.create_task(work(n, d)) for n, d in (("p", 10), ("q", 20), ("r", 30))]
    out = []
    for future in asyncio.as_completed(tasks):
        out.append(await future)
        if len(out) == 2:
            break
    print("left early", " ".join(out), "third", str(tasks[2].done()).lower())
    print("goes on", await tasks[2])

    t = asyncio.create_task(work("once", 0))
    out = [await f for f in asyncio.as_completed([t, t])]
    print("duplicates", " ".join(out))
    print("empty", len(list(asyncio.as_completed([]))))

    done = asyncio.get_running_loop().create_future()
    done.set_result("ready")
    out = [await f for f in asyncio.as_completed([work("later", 10), done])]
    print("already done", " ".join(out))


asyncio.run(main())
