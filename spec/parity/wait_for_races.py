"""wait_for: results, errors and cancellations around the deadline."""
import asyncio


async def attempt(title, coro):
    try:
        print(f"{title}: value {await coro}")
    except TimeoutError:
        print(f"{title}: timed out")
    except asyncio.CancelledError as e:
        print(f"{title}: cancelled {e}")
    except ValueError as e:
        print(f"{title}: error {e}")


async def work(delay, value):
    try:
        await asyncio.sleep(delay)
    except asyncio.CancelledError:
        print("  work cancelled")
        raise
    return value


async def fails():
    await asyncio.sleep(0)
    raise ValueError("failed")


async def swallows():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        return "swallowed"


async def converts():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        raise ValueError("in cleanup")


async def slow_cleanup():
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(0.02)
        print("  cleanup ended")


async def main():
    loop = asyncio.get_running_loop()
    await attempt("in time", asyncio.wait_for(work(0.01, "a"), 1))
    await attempt("too late", asyncio.wait_for(work(1, "b"), 0.01))
    await attempt("no limit", asyncio.wait_for(work(0.01, "c"), None))
    await attempt("fails", asyncio.wait_for(fails(), 1))
    await attempt("swallows", asyncio.wait_for(swallows(), 0.01))
    await attempt("converts", asyncio.wait_for(converts(), 0.01))
    await attempt("slow cleanup", asyncio.wait_for(slow_cleanup(), 0.01))
    await attempt("zero", asyncio.wait_for(work(0, "never started"), 0))
    await attempt("negative", asyncio.wait_for(work(0, "never started"), -1))

    done = loop.create_future()
    done.set_result("ready")
    await attempt("done, zero", asyncio.wait_for(done, 0))
    await attempt("done, limit", asyncio.wait_for(done, 1))

    pending = loop.create_future()
    await attempt("future, zero", asyncio.wait_for(pending, 0))
    print("future cancelled", str(pending.cancelled()).lower())

    task = asyncio.create_task(work(1, "d"))
    await attempt("task", asyncio.wait_for(task, 0.01))
    print("task cancelled", str(task.cancelled()).lower())

    task = asyncio.create_task(work(0.1, "protected"))
    await attempt("shielded", asyncio.wait_for(asyncio.shield(task), 0.01))
    print("task goes on:", await task)

    future = loop.create_future()
    loop.call_soon(future.set_result, "just in time")
    await attempt("set while waiting", asyncio.wait_for(future, 1))

    outer = asyncio.create_task(attempt("outside", asyncio.wait_for(work(1, "e"), 1)))
    await asyncio.sleep(0.005)
    outer.cancel()
    await outer

    await attempt("nested, inner", asyncio.wait_for(asyncio.wait_for(work(1, "f"), 0.01), 1))
    await attempt("nested, outer", asyncio.wait_for(asyncio.wait_for(work(1, "g"), 1), 0.01))

    shared = asyncio.create_task(work(1, "shared"))
    other = asyncio.create_task(attempt("shared by another", shared))
    await asyncio.sleep(0)
    await attempt("shared", asyncio.wait_for(shared, 0.01))
    await other


asyncio.run(main())
