"""timeout() nested, in the past, rescheduled, swallowed: who converts?"""
import asyncio
import time


def flag(x):
    return str(x).lower()


async def nest(outer, inner, body):
    task = asyncio.current_task()
    text = []
    try:
        async with asyncio.timeout(outer) as a:
            try:
                async with asyncio.timeout(inner) as b:
                    await body()
                text.append("inner ended")
            except TimeoutError:
                text.append("inner timed out")
            except asyncio.CancelledError:
                text.append("inner let it pass")
                raise
            await asyncio.sleep(0.08)
        text.append("outer ended")
    except TimeoutError:
        text.append("outer timed out")
    return f"{', '.join(text)}; expired {flag(a.expired())} {flag(b.expired())}; cancelling {task.cancelling()}"


async def sleep_long():
    await asyncio.sleep(1)


async def sleep_short():
    await asyncio.sleep(0.02)


async def no_wait():
    pass


async def busy():
    end = time.monotonic() + 0.24
    while time.monotonic() < end:
        pass
    await asyncio.sleep(1)


async def swallow():
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        pass
    await asyncio.sleep(0)


async def fail():
    raise ValueError("own")


async def show(title, coro):
    try:
        print(f"{title}: {await asyncio.create_task(coro)}")
    except Exception as e:
        print(f"{title}: error {e}")


async def reschedule():
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as t:
        text = [flag(t.when() is None)]
        t.reschedule(loop.time() + 10)
        text.append(flag(t.when() > loop.time() + 5))
        t.reschedule(None)
        await asyncio.sleep(0.04)
    text.append(flag(t.expired()))
    try:
        t.reschedule(loop.time())
    except RuntimeError:
        text.append("refused after the end")
    try:
        async with asyncio.timeout(10) as t:
            t.reschedule(loop.time() + 0.04)
            await asyncio.sleep(1)
    except TimeoutError:
        text.append("timed out")
    return ", ".join(text)


async def in_the_past(delay, body):
    try:
        async with asyncio.timeout(delay) as t:
            await body()
        return f"ended, expired {flag(t.expired())}"
    except TimeoutError:
        return f"timed out, expired {flag(t.expired())}"


async def zero_sleeps():
    n = 0
    try:
        async with asyncio.timeout(0):
            n += 1
            await asyncio.sleep(0)
            n += 1
    except TimeoutError:
        pass
    await asyncio.sleep(0)
    return n


async def cancelled_from_outside():
    async def inner():
        try:
            async with asyncio.timeout(10) as t:
                await asyncio.sleep(1)
        except asyncio.CancelledError:
            print("  cancelled, expired", flag(t.expired()))
            raise
    task = asyncio.create_task(inner())
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"


async def main():
    await show("inner first", nest(0.24, 0.04, sleep_long))
    await show("outer first", nest(0.04, 0.24, sleep_long))
    await show("neither", nest(0.2, 0.1, sleep_short))
    await show("both while busy", nest(0.08, 0.04, busy))
    await show("swallowed", nest(0.2, 0.04, swallow))
    await show("both none", nest(None, None, sleep_short))
    await show("own error", in_the_past(10, fail))
    await show("zero, waits", in_the_past(0, sleep_long))
    await show("zero, no wait", in_the_past(0, no_wait))
    await show("negative", in_the_past(-1, sleep_long))
    await show("swallowed alone", in_the_past(0.04, swallow))
    await show("zero sleeps", zero_sleeps())
    await show("reschedule", reschedule())
    await show("from outside", cancelled_from_outside())


asyncio.run(main())
