"""Errors that nobody awaits go to the loop's exception handler."""
import asyncio
import gc

KEYS = ("exception", "future", "handle", "message", "task")


def handler(loop, context):
    keys = " ".join(k for k in KEYS if k in context)
    head = context["message"].split(" in callback ")[0].split(" was ")
    print(f"handler: {head[0]}; {context.get('exception')}; {keys}")


def boom(text):
    raise ValueError(text)


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def fail(text):
    raise ValueError(text)


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(handler)
    print("handler set", str(loop.get_exception_handler() is handler).lower())

    loop.call_soon(boom, "soon")
    loop.call_soon(print, "the next callback runs")
    await settle()

    loop.call_later(0.005, boom, "timer")
    await asyncio.sleep(0.02)

    future = loop.create_future()
    future.add_done_callback(lambda f: boom("done callback"))
    future.add_done_callback(lambda f: print("second callback gets", f.result()))
    future.set_result(1)
    await settle()

    task = asyncio.create_task(fail("task"))
    await settle()
    print("task failed", str(task.done()).lower())
    del task
    gc.collect()
    await settle()

    task = asyncio.create_task(fail("seen"))
    await settle()
    print("exception is", task.exception())
    del task
    gc.collect()
    await settle()

    future = loop.create_future()
    future.set_exception(ValueError("future"))
    del future
    gc.collect()
    await settle()

    loop.call_exception_handler({"message": "by hand"})

    def broken(loop, context):
        print("broken handler called")
        raise ValueError("handler itself")
    loop.set_exception_handler(broken)
    loop.call_soon(boom, "to the broken one")
    await settle()

    loop.set_exception_handler(None)
    print("handler gone", str(loop.get_exception_handler() is None).lower())
    for bad in (1, "x"):
        try:
            loop.set_exception_handler(bad)
        except TypeError:
            print("not callable is refused")


asyncio.run(main())
