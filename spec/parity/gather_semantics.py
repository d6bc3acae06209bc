"""gather: order, duplicates, failures, cancelled members, cancelled gather."""
import asyncio

running = set()


def text(x):
    if isinstance(x, asyncio.CancelledError):
        return "cancelled"
    return str(x)


async def member(name, delay=0.01, error=None):
    running.add(name)
    try:
        await asyncio.sleep(delay)
        if error:
            raise ValueError(error)
        return name
    finally:
        running.discard(name)


def show(title, what):
    print(f"{title}: {what}; running: {' '.join(sorted(running))}")


async def attempt(title, future):
    try:
        show(title, " ".join(text(x) for x in await future))
    except asyncio.CancelledError as e:
        show(title, "CancelledError " + str(e))
    except ValueError as e:
        show(title, f"error {e}")


async def main():
    await attempt("order", asyncio.gather(member("a", 0.03), member("b", 0.02), member("c", 0.01)))
    coro = member("d")
    await attempt("duplicate", asyncio.gather(coro, coro))
    await attempt("empty", asyncio.gather())
    await attempt("nested", asyncio.gather(asyncio.gather(member("e")), member("f", 0)))

    slow = asyncio.create_task(member("slow", 0.2))
    g = asyncio.gather(slow, member("bad", 0.01, "first"), member("worse", 0.1, "second"))
    await attempt("first error", g)
    print("done", str(g.done()).lower(), "cancelled", str(g.cancelled()).lower(), "cancel", str(g.cancel()).lower())
    print("sibling goes on:", await slow)

    await attempt("return_exceptions", asyncio.gather(
        member("g"), member("h", 0.01, "kept"), member("i"), return_exceptions=True))

    child = asyncio.create_task(member("child", 1))
    other = asyncio.create_task(member("other", 0.1))
    g = asyncio.gather(child, other)
    await asyncio.sleep(0)
    child.cancel("by hand")
    await attempt("child cancelled", g)
    print("gather cancelled", str(g.cancelled()).lower())
    await other

    child = asyncio.create_task(member("child", 1))
    g = asyncio.gather(child, member("j"), return_exceptions=True)
    await asyncio.sleep(0)
    child.cancel()
    await attempt("child cancelled, returned", g)

    g = asyncio.gather(member("k", 1), member("l", 1))
    await asyncio.sleep(0)
    print("cancel", str(g.cancel()).lower(), "done", str(g.done()).lower())
    await attempt("gather cancelled", g)

    g = asyncio.gather(member("m", 1), member("n", 1), return_exceptions=True)
    await asyncio.sleep(0)
    g.cancel()
    await attempt("gather cancelled, returned", g)

    async def stubborn():
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            print("  swallowed")
        await asyncio.sleep(0.01)
        return "stubborn"
    child = asyncio.create_task(stubborn())
    g = asyncio.gather(child, member("o", 1))
    await asyncio.sleep(0)
    g.cancel()
    await attempt("stubborn child", g)
    print("child", await child)

    async def waiter():
        await asyncio.gather(member("p", 1), member("q", 1))
    task = asyncio.create_task(waiter())
    await asyncio.sleep(0.005)
    show("before", "waiting")
    task.cancel("from above")
    await attempt("awaiting task cancelled", task)


asyncio.run(main())
