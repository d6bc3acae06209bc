"""A broker with a queue per client: slow clients dropped, one disconnecting."""
import asyncio


class Broker:
    def __init__(self):
        self.queues = {}
        self.dropped = []

    def publish(self, message):
        for name, queue in list(self.queues.items()):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self.dropped.append(name)
                del self.queues[name]

    async def subscribe(self, name, take, inbox):
        queue = self.queues[name] = asyncio.Queue(3)
        try:
            while True:
                inbox.append(await queue.get())
                for _ in range(take):
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            inbox.append("bye")
            self.queues.pop(name, None)
            raise


async def main():
    broker = Broker()
    inboxes = {name: [] for name in ("fast", "leaver", "slow")}
    takes = {"fast": 0, "leaver": 0, "slow": 30}
    tasks = {n: asyncio.create_task(broker.subscribe(n, takes[n], inboxes[n])) for n in inboxes}
    await asyncio.sleep(0)
    for i in range(8):
        broker.publish(f"m{i}")
        if i == 4:
            tasks["leaver"].cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    for task in tasks.values():
        task.cancel()
    results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    for name in sorted(inboxes):
        print(name, *inboxes[name])
    print("dropped", *broker.dropped, "left", len(broker.queues))
    print("cancelled", sum(isinstance(r, asyncio.CancelledError) for r in results))


asyncio.run(main())
