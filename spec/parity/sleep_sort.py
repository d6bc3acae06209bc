"""Sleep sort: fifty numbers, each sleeping as long as it is large."""
import asyncio


async def main():
    numbers = [i * 37 % 53 for i in range(1, 51)]
    result = []
    loop = asyncio.get_running_loop()
    start = loop.time() + 0.25

    async def sleeper(n):
        await asyncio.sleep(start + n * 0.004 - loop.time())
        result.append(n)
    await asyncio.gather(*[sleeper(n) for n in numbers])
    print(*result)
    print("sorted", str(result == sorted(numbers)).lower())


asyncio.run(main())
