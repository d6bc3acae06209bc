"""Objects with __await__ wherever an awaitable is taken."""
import asyncio


class Countdown:
    def __init__(self, n):
        self.n = n

    def __await__(self):
        return self.run().__await__()

    async def run(self):
        for _ in range(self.n):
            await asyncio.sleep(0)
        return f"counted {self.n}"


class Broken:
    def __await__(self):
        async def run():
            await asyncio.sleep(0)
            raise ValueError("broken awaitable")
        return run().__await__()


class Lazy:
    def __init__(self):
        self.future = None

    def __await__(self):
        if self.future is None:
            self.future = asyncio.ensure_future(Countdown(2))
        return self.future.__await__()


async def main():
    print(await Countdown(3))
    print(await Countdown(0))
    print("gather", *await asyncio.gather(Countdown(1), Countdown(2)), sep="; ")
    print("wait_for", await asyncio.wait_for(Countdown(1), 1))
    print("ensure_future", await asyncio.ensure_future(Countdown(1)))
    print("shield", await asyncio.shield(Countdown(1)))
    try:
        await Broken()
    except ValueError as e:
        print("error", e)
    lazy = Lazy()
    print("twice", await lazy, "and", await lazy)
    again = Countdown(1)
    print("again", await again, "and", await again)

    task = asyncio.ensure_future(Countdown(1000))
    await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        print("cancelled", str(task.cancelled()).lower())


asyncio.run(main())
