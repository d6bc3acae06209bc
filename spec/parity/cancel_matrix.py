"""What cancel() does to a task in each of its states."""
import asyncio


def message(e):
    return str(e)


async def outcome(task):
    try:
        return f"value {await task}"
    except asyncio.CancelledError as e:
        return f"cancelled {message(e)}"
    except Exception as e:
        return f"error {e}"


async def report(title, task):
    text = await outcome(task)
    print(f"{title}: {text}, cancelling {task.cancelling()}, cancelled {str(task.cancelled()).lower()}")


async def sleeper():
    try:
        await asyncio.sleep(10)
    finally:
        print("  sleeper ends")
    return "slept"


async def swallower():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError as e:
        print("  swallowed", message(e))
    await asyncio.sleep(0)
    return "swallowed"


async def outer(inner):
    return "outer of " + await inner


async def started(coro):
    task = asyncio.create_task(coro)
    await asyncio.sleep(0)
    return task


async def main():
    loop = asyncio.get_running_loop()

    t = asyncio.create_task(sleeper())
    t.cancel("early")
    await report("unstarted", t)

    t = await started(sleeper())
    t.cancel("one")
    print("requested", str(t.cancelled()).lower(), t.cancelling())
    await report("sleeping", t)

    t = await started(sleeper())
    print(str(t.cancel("first")).lower(), str(t.cancel("second")).lower())
    await report("twice", t)

    inner = await started(sleeper())
    t = await started(outer(inner))
    t.cancel("deep")
    await report("on a task", t)
    print("inner", str(inner.cancelled()).lower(), inner.cancelling())

    inner = await started(swallower())
    t = await started(outer(inner))
    t.cancel("kept")
    await report("inner swallows", t)

    t = await started(swallower())
    t.cancel("eaten")
    await report("swallows", t)

    future = loop.create_future()
    t = await started(outer(future))
    future.set_result("lost")
    t.cancel("late")
    await report("future already done", t)
    print("future keeps", future.result())

    async def suicide():
        asyncio.current_task().cancel("self")
        return "returned"
    await report("self, then returns", asyncio.create_task(suicide()))

    async def suicide_error():
        asyncio.current_task().cancel("self")
        raise ValueError("wins")
    await report("self, then raises", asyncio.create_task(suicide_error()))

    async def suicide_await():
        asyncio.current_task().cancel("self")
        done = loop.create_future()
        done.set_result(7)
        print("  done future gives", await done)
        await asyncio.sleep(0)
        print("  never here")
    await report("self, then awaits", asyncio.create_task(suicide_await()))

    async def cleaner():
        try:
            await asyncio.sleep(10)
        finally:
            try:
                await asyncio.sleep(10)
            finally:
                print("  cleanup interrupted")
    t = await started(cleaner())
    t.cancel("a")
    await asyncio.sleep(0)
    t.cancel("b")
    await report("in cleanup", t)

    async def own():
        raise asyncio.CancelledError("own")
    await report("raises it", asyncio.create_task(own()))

    async def convert():
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            raise ValueError("converted")
    t = await started(convert())
    t.cancel()
    await report("converts", t)

    async def nothing():
        return "done"
    t = asyncio.create_task(nothing())
    await t
    print("on done", str(t.cancel("no")).lower(), t.cancelling())


asyncio.run(main())
