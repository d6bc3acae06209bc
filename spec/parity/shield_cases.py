"""shield: outer cancelled, inner cancelled, inner failing, mixes with gather."""
import asyncio


def flag(x):
    return str(x).lower()


async def work(value, delay=0.01):
    await asyncio.sleep(delay)
    return value


async def fail(text):
    await asyncio.sleep(0.01)
    raise ValueError(text)


async def attempt(title, aw):
    try:
        print(f"{title}: value {await aw}")
    except asyncio.CancelledError as e:
        print(f"{title}: cancelled {e}")
    except ValueError as e:
        print(f"{title}: error {e}")


async def main():
    await attempt("plain", asyncio.shield(work("a")))
    await attempt("failing", asyncio.shield(fail("b")))

    done = asyncio.get_running_loop().create_future()
    done.set_result("same")
    print("done future is itself", flag(asyncio.shield(done) is done))

    inner = asyncio.create_task(work("inner"))
    outer = asyncio.shield(inner)
    await asyncio.sleep(0)
    print("cancel", flag(outer.cancel("outer")), "outer", flag(outer.cancelled()), "inner", flag(inner.cancelled()))
    await attempt("outer", outer)
    await attempt("inner", inner)

    inner = asyncio.create_task(work("inner"))
    outer = asyncio.shield(inner)
    await asyncio.sleep(0)
    inner.cancel()
    await attempt("inner cancelled", outer)
    print("outer", flag(outer.cancelled()), "inner", flag(inner.cancelled()))

    async def waiter(aw):
        try:
            await aw
        except asyncio.CancelledError:
            print("  waiter cancelled")
            raise

    inner = asyncio.create_task(work("survives"))
    task = asyncio.create_task(waiter(asyncio.shield(inner)))
    await asyncio.sleep(0)
    task.cancel()
    await attempt("waiter", task)
    await attempt("inner of waiter", inner)

    inner = asyncio.create_task(fail("late"))
    outer = asyncio.shield(inner)
    await asyncio.sleep(0)
    outer.cancel()
    await attempt("outer of a failing one", outer)
    await attempt("inner failing late", inner)

    members = [asyncio.create_task(work(x)) for x in "xy"]
    outer = asyncio.shield(asyncio.gather(*members))
    await asyncio.sleep(0)
    outer.cancel()
    await attempt("shield of gather", outer)
    print("members", *[await m for m in members])

    members = [asyncio.create_task(work(x)) for x in "xy"]
    outer = asyncio.gather(*[asyncio.shield(m) for m in members])
    await asyncio.sleep(0)
    outer.cancel()
    await attempt("gather of shields", outer)
    print("members", *[await m for m in members])


asyncio.run(main())
