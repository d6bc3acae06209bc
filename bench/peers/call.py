"""An async function is called and awaited in the same task."""

from peer import argument, clock, report, run

count = argument(3000000)


async def work(i):
    return i


async def main():
    total = 0
    start = clock()
    for i in range(1, count + 1):
        total += await work(i)
    took = clock() - start
    assert total == count * (count + 1) // 2
    report(took, count)


run(main())
