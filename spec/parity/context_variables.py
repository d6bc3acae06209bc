"""Context variables: awaits share, tasks and callbacks inherit a copy."""
import asyncio
import contextvars

var = contextvars.ContextVar("var", default="default")
other = contextvars.ContextVar("other")


async def inner():
    before = var.get()
    var.set("inner")
    await asyncio.sleep(0)
    return f"saw {before}, set {var.get()}"


async def main():
    loop = asyncio.get_running_loop()
    print("default", var.get(), str(other.get(None) is None).lower())
    token = var.set("main")
    print("awaited:", await inner(), "; after:", var.get())
    var.set("main")
    print("task:", await asyncio.create_task(inner()), "; after:", var.get())
    print("gather:", "; ".join(await asyncio.gather(inner(), inner())), "; after:", var.get())

    task = asyncio.create_task(inner())
    var.set("changed after creation")
    print("created before:", await task)

    future = loop.create_future()
    var.set("when scheduled")
    loop.call_soon(lambda: future.set_result(var.get()))
    var.set("when running")
    print("callback:", await future)

    seen = loop.create_future()
    done = loop.create_future()
    var.set("when added")
    done.add_done_callback(lambda _: seen.set_result(var.get()))
    var.set("when done")
    done.set_result(None)
    print("done callback:", await seen)

    timer = loop.create_future()
    var.set("in timer")
    loop.call_later(0.005, lambda: timer.set_result(var.get()))
    var.set("later")
    print("timer:", await timer)

    context = contextvars.copy_context()
    var.set("not in the copy")
    print("explicit:", await asyncio.create_task(inner(), context=context))
    print("again:", await asyncio.create_task(inner(), context=context))
    print("here:", var.get())

    var.reset(token)
    print("reset:", var.get())
    try:
        var.reset(token)
    except RuntimeError:
        print("token used twice is refused")


asyncio.run(main())
print("outside:", var.get())
