"""Loops by hand: stop, run again, nested runs, close and afterwards."""
import asyncio
import warnings

warnings.simplefilter("ignore")


def flag(x):
    return str(x).lower()


def refused(title, call, *args):
    try:
        call(*args)
        print(title, "allowed")
    except RuntimeError:
        print(title, "refused")


loop = asyncio.new_event_loop()
log = []

loop.stop()
loop.call_soon(log.append, "soon")
loop.call_soon(lambda: loop.call_soon(log.append, "next"))
loop.run_forever()
print("stop before run:", " ".join(log))

loop.call_soon(loop.stop)
loop.call_soon(log.append, "same pass")
loop.run_forever()
print("stop inside:", " ".join(log))
log.clear()


async def last_step():
    loop.call_soon(log.append, "after main")
    loop.call_soon(lambda: loop.call_soon(log.append, "too late"))
    return "value"

print("result:", loop.run_until_complete(last_step()), " ".join(log))
loop.call_soon(loop.stop)
loop.run_forever()
print("kept for the next run:", " ".join(log))
log.clear()


async def stopped():
    loop.stop()
    await asyncio.sleep(1)

task = loop.create_task(stopped())
refused("stopped before completion", loop.run_until_complete, task)
task.cancel()
try:
    loop.run_until_complete(task)
except asyncio.CancelledError:
    print("then cancelled")


async def nested():
    print("running", flag(loop.is_running()), "closed", flag(loop.is_closed()))
    print("is the running loop", flag(asyncio.get_running_loop() is loop))
    refused("run_forever inside", loop.run_forever)
    other = asyncio.new_event_loop()
    refused("another loop inside", other.run_forever)
    other.close()
    refused("close inside", loop.close)
    coro = last_step()
    refused("run inside", asyncio.run, coro)
    coro.close()

loop.run_until_complete(nested())
print("running", flag(loop.is_running()))


async def fails():
    raise ValueError("from the coroutine")
try:
    loop.run_until_complete(fails())
except ValueError as e:
    print("error:", e)

future = loop.create_future()
loop.call_later(0.01, future.set_result, "from a timer")
print("future:", loop.run_until_complete(future))
print("done future:", loop.run_until_complete(future))

loop.call_soon(print, "never printed")
loop.call_later(0, print, "never printed")
loop.close()
loop.close()
print("closed", flag(loop.is_closed()))
refused("call_soon", loop.call_soon, print)
refused("call_later", loop.call_later, 1, print)
refused("run_forever", loop.run_forever)
coro = last_step()
refused("create_task", loop.create_task, coro)
refused("run_until_complete", loop.run_until_complete, coro)
coro.close()
refused("get_running_loop", asyncio.get_running_loop)
