"""Names, current_task, all_tasks, what is a coroutine and what a future."""
import asyncio
import re


def flag(x):
    return str(x).lower()


async def sleeper():
    await asyncio.sleep(1)


async def whoami():
    await asyncio.sleep(0)
    return asyncio.current_task().get_name()


async def main():
    me = asyncio.current_task()
    me.set_name("main")
    tasks = [asyncio.create_task(whoami(), name=n) for n in ("one", "two", "three")]
    print("names", *await asyncio.gather(*tasks))
    tasks[0].set_name("renamed")
    print("renamed", tasks[0].get_name())
    print("default", flag(re.fullmatch(r"Task-\d+", asyncio.create_task(whoami()).get_name()) is not None))
    await asyncio.sleep(0.001)

    running = [asyncio.create_task(sleeper(), name=f"s{i}") for i in range(3)]
    await asyncio.sleep(0)
    print("all", *sorted(t.get_name() for t in asyncio.all_tasks()))
    running[1].cancel()
    await asyncio.sleep(0)
    print("less one", *sorted(t.get_name() for t in asyncio.all_tasks()))

    seen = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: seen.set_result(asyncio.current_task() is None))
    print("no task in a callback", flag(await seen))

    coro = sleeper()
    print("coroutine function", flag(asyncio.iscoroutinefunction(sleeper)), flag(asyncio.iscoroutinefunction(flag)))
    print("coroutine", flag(asyncio.iscoroutine(coro)), flag(asyncio.iscoroutine(sleeper)), flag(asyncio.iscoroutine(me)))
    print("future", flag(asyncio.isfuture(me)), flag(asyncio.isfuture(seen)), flag(asyncio.isfuture(coro)))
    task = asyncio.ensure_future(coro)
    print("ensure_future of a task", flag(asyncio.ensure_future(task) is task))
    task.cancel()
    for t in running:
        t.cancel()
    await asyncio.wait(running + [task])
    print("left", *[t.get_name() for t in asyncio.all_tasks()])
    try:
        await 5
    except TypeError:
        print("a number cannot be awaited")
    coro = whoami()
    await coro
    try:
        await coro
    except RuntimeError:
        print("a coroutine object cannot be awaited twice")


asyncio.run(main())
