"""Timers: order of deadlines, cancelled ones, negative and nested ones."""
import asyncio

log = []


async def main():
    loop = asyncio.get_running_loop()
    now = loop.time()
    handles = {}
    for i in range(200):
        k = i * 73 % 200
        handles[k] = loop.call_at(now + 0.05 + k * 0.0002, log.append, k)
    for k in handles:
        if k % 4:
            handles[k].cancel()
            handles[k].cancel()
    await asyncio.sleep(0.15)
    print("fired", *log)
    print("cancelled", sum(h.cancelled() for h in handles.values()))
    log.clear()

    loop.call_later(-1, log.append, "minus one")
    loop.call_later(-2, log.append, "minus two")
    loop.call_soon(log.append, "soon")
    await asyncio.sleep(0.01)
    print("negative", "; ".join(sorted(log)), str(log.index("minus two") < log.index("minus one")).lower())
    log.clear()

    handle = loop.call_soon(log.append, "never")
    handle.cancel()
    loop.call_soon(lambda: later.cancel())
    later = loop.call_soon(log.append, "cancelled in the same pass")
    loop.call_soon(log.append, "runs")
    await asyncio.sleep(0.005)
    print("handles", *log, str(handle.cancelled()).lower(), str(later.cancelled()).lower())
    log.clear()

    def again(n):
        log.append(n)
        if n > 0:
            loop.call_later(0.002, again, n - 1)
        else:
            done.set_result(None)
    done = loop.create_future()
    loop.call_later(0, again, 5)
    await done
    print("repeated", *log)

    handle = loop.call_later(0.01, log.append, "x")
    when = handle.when()
    print("when", str(0 < when - loop.time() <= 0.01).lower())
    start = loop.time()
    await asyncio.sleep(0.03)
    print("not too early", str(loop.time() - start >= 0.0299).lower(), log[-1])
    print("sleep returns", await asyncio.sleep(0, "result"), await asyncio.sleep(0.001, "later"))


asyncio.run(main())
