"""A token bucket refilled by timers; requests are granted in order."""
import asyncio


class Bucket:
    def __init__(self, size, interval):
        self.tokens, self.size, self.interval = size, size, interval
        self.cond = asyncio.Condition()
        self.refill = asyncio.create_task(self.run())

    async def run(self):
        while True:
            await asyncio.sleep(self.interval)
            async with self.cond:
                if self.tokens < self.size:
                    self.tokens += 1
                    self.cond.notify()

    async def take(self):
        async with self.cond:
            await self.cond.wait_for(lambda: self.tokens > 0)
            self.tokens -= 1


async def main():
    loop = asyncio.get_running_loop()
    bucket = Bucket(3, 0.02)
    start, grants = loop.time(), []

    async def request(i):
        await bucket.take()
        grants.append((i, loop.time() - start))
    tasks = [asyncio.create_task(request(i)) for i in range(10)]
    await asyncio.sleep(0.01)
    tasks[5].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print("granted", *[i for i, _ in grants])
    early = [i for n, (i, t) in enumerate(grants) if t < (n - 2) * 0.02 - 0.001]
    print("too early", len(early))
    bucket.refill.cancel()


asyncio.run(main())
