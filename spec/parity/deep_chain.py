"""A chain of tasks each awaiting the next: result, error, cancellation."""
import asyncio

DEPTH = 500


async def link(n, end, unwound):
    try:
        if n == 0:
            return await end
        return await asyncio.create_task(link(n - 1, end, unwound)) + 1
    finally:
        unwound.append(n)


async def plain(n, end):
    return await end if n == 0 else await plain(n - 1, end) + 1


async def start():
    end, unwound = asyncio.get_running_loop().create_future(), []
    top = asyncio.create_task(link(DEPTH, end, unwound))
    while len(asyncio.all_tasks()) < DEPTH + 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return top, end, unwound


def order(unwound):
    return str(unwound == list(range(DEPTH + 1))).lower()


async def main():
    top, end, unwound = await start()
    end.set_result(0)
    print("result", await top, "in order", order(unwound))

    top, end, unwound = await start()
    end.set_exception(ValueError("from the end"))
    try:
        await top
    except ValueError as e:
        print("error", e, "in order", order(unwound))

    top, end, unwound = await start()
    top.cancel("from the top")
    try:
        await top
    except asyncio.CancelledError as e:
        print("cancelled", e.args[0], "in order", order(unwound), "end", str(end.cancelled()).lower())

    end = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(plain(100, end))
    await asyncio.sleep(0)
    end.set_result(0)
    print("coroutines", await task)
    print("left", len(asyncio.all_tasks()))


asyncio.run(main())
