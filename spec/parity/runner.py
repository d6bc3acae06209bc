"""Runner: several runs on one loop, one context; then closed for good."""
import asyncio
import contextvars

var = contextvars.ContextVar("var", default="unset")


async def remember(text):
    var.set(text)
    return asyncio.get_running_loop()


async def recall():
    return var.get(), asyncio.get_running_loop()


async def fails():
    raise ValueError("run failed")


async def leaves_a_task():
    async def background():
        try:
            await asyncio.sleep(10)
        finally:
            print("background ended")
    leaves_a_task.task = asyncio.create_task(background())
    await asyncio.sleep(0)
    return "left"


async def looks_at_it():
    return str(leaves_a_task.task.done()).lower()


async def nested(runner):
    coro = recall()
    try:
        runner.run(coro)
    except RuntimeError:
        coro.close()
        return "nested run is refused"


def flag(x):
    return str(x).lower()


with asyncio.Runner() as runner:
    first = runner.run(remember("kept"))
    text, second = runner.run(recall())
    print("same loop", flag(first is second), flag(first is runner.get_loop()))
    print("context", text, "outside", var.get())
    try:
        runner.run(fails())
    except ValueError as e:
        print("error", e)
    print(runner.run(nested(runner)))
    print(runner.run(leaves_a_task()))
    print("still pending between runs, done", runner.run(looks_at_it()))
    print("leaving")
print("closed", flag(first.is_closed()))
coro = recall()
try:
    runner.run(coro)
except RuntimeError:
    print("run after close is refused")
coro.close()
runner.close()

with asyncio.Runner(debug=True) as runner:
    print("debug", flag(runner.get_loop().get_debug()))
made = []


def factory():
    made.append(asyncio.new_event_loop())
    return made[-1]


with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(recall())
    print("made", len(made), flag(runner.get_loop() is made[0]))
