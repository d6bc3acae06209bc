"""Five philosophers, five forks, taken in order of number: nobody starves."""
import asyncio

events = []


async def philosopher(i, forks, meals):
    low, high = sorted((i, (i + 1) % 5))
    for _ in range(3):
        for _ in range(i):
            await asyncio.sleep(0)
        async with forks[low]:
            await asyncio.sleep(0)
            async with forks[high]:
                events.append(f"+{i}")
                meals[i] += 1
                for _ in range(2):
                    await asyncio.sleep(0)
                events.append(f"-{i}")


async def main():
    forks = [asyncio.Lock() for _ in range(5)]
    meals = [0] * 5
    await asyncio.gather(*[philosopher(i, forks, meals) for i in range(5)])
    print("meals", *meals)
    print("schedule", *events)
    print("forks free", str(not any(f.locked() for f in forks)).lower())


asyncio.run(main())
