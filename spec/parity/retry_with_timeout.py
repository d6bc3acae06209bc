"""Retrying with growing pauses, a limit per attempt and one for the whole."""
import asyncio


async def retry(fn, attempts, delay, log):
    for n in range(1, attempts + 1):
        try:
            return await asyncio.wait_for(fn(n), 0.24)
        except TimeoutError:
            log.append(f"{n} timed out")
        except ValueError as e:
            log.append(f"{n} {e}")
            if n == attempts:
                raise
        await asyncio.sleep(delay)
        delay *= 2
    raise ValueError("no attempt left")


async def third_time_lucky(n):
    if n == 1:
        raise ValueError("first fails")
    if n == 2:
        await asyncio.sleep(1)
    return f"attempt {n}"


async def always_fails(n):
    await asyncio.sleep(0)
    raise ValueError(f"failure {n}")


async def always_hangs(n):
    await asyncio.sleep(1)


async def case(title, fn, attempts, delay, limit):
    log = []
    try:
        async with asyncio.timeout(limit):
            log.append(f"value {await retry(fn, attempts, delay, log)}")
    except TimeoutError:
        log.append("gave up")
    except ValueError as e:
        log.append(f"error {e}")
    print(f"{title}: {'; '.join(log)}")


async def main():
    await case("lucky", third_time_lucky, 5, 0.001, 1)
    await case("fails", always_fails, 3, 0.001, 1)
    await case("hangs", always_hangs, 3, 0.001, 1)
    await case("deadline in a pause", always_fails, 9, 0.32, 0.6)
    await case("deadline in an attempt", always_hangs, 9, 0, 0.36)


asyncio.run(main())
