"""Sleep sort: fifty numbers, each sleeping as long as it is large."""
import asyncio


async def main():
    numbers = [i * 37 % 53 for i in range(1, 51)]
    result = []

    async def sleeper(n):
        await asyncio.sleep(0.01 + n * 0.002)
        result.append(n)
    await asyncio.gather(*[sleeper(n) for n in numbers])
    print(*result)
    print("sorted", str(result == sorted(numbers)).lower())


asyncio.run(main())
