"""A race: start attempts one after another, keep the first success."""
import asyncio


async def attempt(name, delay, ok, log):
    log.append(f"start {name}")
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        log.append(f"cancel {name}")
        raise
    if not ok:
        log.append(f"fail {name}")
        raise OSError(name)
    log.append(f"win {name}")
    return name


async def race(specs, stagger, log):
    pending, errors, waiting = set(), [], list(specs)
    while waiting or pending:
        if waiting:
            pending.add(asyncio.create_task(attempt(*waiting.pop(0), log)))
        done, pending = await asyncio.wait(
            pending, timeout=stagger if waiting else None, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                for loser in pending:
                    loser.cancel()
                await asyncio.gather(*pending, return_exceptions=True)
                return f"winner {task.result()}"
            errors.append(str(task.exception()))
    return "all failed: " + " ".join(errors)


async def show(title, specs):
    log = []
    result = await race(specs, 0.05, log)
    starts = [x for x in log if x.startswith("start")]
    rest = [x for x in log if not x.startswith("start")]
    print(f"{title}: {result}; {', '.join(starts)}; {', '.join(sorted(rest))}")


async def main():
    await show("first wins", [("a", 0.01, True), ("b", 0, True)])
    await show("second wins", [("a", 1, True), ("b", 0.01, True)])
    await show("failure starts the next at once", [("a", 0, False), ("b", 0.005, True), ("c", 0, True)])
    await show("slow first still wins", [("a", 0.1, True), ("b", 1, True)])
    await show("none", [("a", 0.001, False), ("b", 0.12, False), ("c", 0.001, False)])
    await show("empty", [])


asyncio.run(main())
