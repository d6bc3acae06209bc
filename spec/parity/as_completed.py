"""as_completed: order of completion, errors, time-outs, early exit."""
import asyncio


async def work(name, delay, error=None):
    await asyncio.sleep(delay)
    if error:
        raise ValueError(error)
    return name


async def main():
    out = []
    for future in asyncio.as_completed([work("c", 0.03), work("a", 0.01), work("b", 0.02)]):
        out.append(await future)
    print("order", " ".join(out))

    out = []
    for future in asyncio.as_completed([work("x", 0.03), work("y", 0.01, "bad"), work("z", 0.02)]):
        try:
            out.append(await future)
        except ValueError as e:
            out.append(f"<{e}>")
    print("error", " ".join(out))

    tasks = [asyncio.create_task(work(n, d)) for n, d in (("quick", 0.01), ("slow", 0.2), ("slower", 0.3))]
    out = []
    try:
        for future in asyncio.as_completed(tasks, timeout=0.05):
            out.append(await future)
    except TimeoutError:
        out.append("timed out")
    print("timeout", " ".join(out), "cancelled", str(any(t.cancelled() for t in tasks)).lower())
    for t in tasks:
        t.cancel()

    tasks = [asyncio.create_task(work(n, d)) for n, d in (("p", 0.01), ("q", 0.02), ("r", 0.03))]
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
    out = [await f for f in asyncio.as_completed([work("later", 0.01), done])]
    print("already done", " ".join(out))


asyncio.run(main())
