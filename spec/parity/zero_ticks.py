"""What costs a turn of the loop and what does not."""
import asyncio

ticks = 0


async def clock():
    global ticks
    while True:
        ticks += 1
        await asyncio.sleep(0)


async def cost(title, make):
    await asyncio.sleep(0)
    before = ticks
    await make()
    print(f"{title}: {ticks - before}")


async def main():
    loop = asyncio.get_running_loop()
    asyncio.create_task(clock())
    done = loop.create_future()
    done.set_result(1)
    event = asyncio.Event()
    event.set()
    lock, sem, queue = asyncio.Lock(), asyncio.Semaphore(1), asyncio.Queue()

    async def await_done():
        for _ in range(5):
            await done

    async def await_coroutine():
        await await_done()

    async def sleep_zero():
        await asyncio.sleep(0)

    async def sleep_zero_thrice():
        for _ in range(3):
            await asyncio.sleep(0)

    async def wait_event():
        await event.wait()

    async def free_lock():
        async with lock:
            pass

    async def free_semaphore():
        async with sem:
            pass

    async def ready_queue():
        await queue.put(1)
        await queue.get()

    async def empty_group():
        async with asyncio.TaskGroup():
            pass

    async def idle_timeout():
        async with asyncio.timeout(1):
            await done

    for title, make in (
            ("done future", await_done), ("coroutine", await_coroutine), ("sleep(0)", sleep_zero),
            ("sleep(0) thrice", sleep_zero_thrice), ("set event", wait_event), ("free lock", free_lock),
            ("free semaphore", free_semaphore), ("queue", ready_queue), ("empty group", empty_group),
            ("timeout", idle_timeout)):
        await cost(title, make)


asyncio.run(main())
