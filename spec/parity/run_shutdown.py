"""run(): what becomes of tasks that are still pending when main ends."""
import asyncio

log = []


async def clean():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        log.append("clean: cancelled")
        raise


async def failing():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        raise ValueError("in cleanup")


async def slow():
    try:
        await asyncio.sleep(10)
    finally:
        await asyncio.sleep(0.01)
        log.append("slow: cleaned up")


async def stubborn():
    try:
        await asyncio.sleep(10)
    except asyncio.CancelledError:
        log.append("stubborn: went on")
    await asyncio.sleep(0.01)
    log.append("stubborn: ended")


def handler(loop, context):
    known = context["message"].startswith("unhandled exception during")
    log.append(f"handler: shutdown {str(known).lower()}: {context['exception']}")


def show(title):
    print(title)
    for line in sorted(log):
        print(" ", line)
    log.clear()


def watch():
    asyncio.get_running_loop().set_exception_handler(handler)


async def returning():
    watch()
    tasks = [asyncio.create_task(c()) for c in (clean, failing, slow, stubborn)]
    await asyncio.sleep(0)
    returning.tasks = tasks
    return "result"


async def raising():
    watch()
    raising.task = asyncio.create_task(clean())
    await asyncio.sleep(0)
    raise KeyError("from main")


async def unstarted():
    watch()
    unstarted.task = asyncio.create_task(clean())
    return "not started"


async def generators():
    watch()

    async def numbers():
        try:
            yield 1
            yield 2
        finally:
            log.append("generator closed")
    generators.kept = numbers()
    log.append(f"first {await generators.kept.__anext__()}")


print(asyncio.run(returning()))
show("returning")
print(*[str(t.cancelled()).lower() for t in returning.tasks])
try:
    asyncio.run(raising())
except KeyError as e:
    print("raised", e.args[0])
show("raising")
print(asyncio.run(unstarted()), str(unstarted.task.cancelled()).lower())
show("unstarted")
asyncio.run(generators())
show("generators")


async def cancels_itself():
    asyncio.current_task().cancel("enough")
    await asyncio.sleep(0)
try:
    asyncio.run(cancels_itself())
except asyncio.CancelledError as e:
    print("cancelled", e.args[0])
try:
    asyncio.get_running_loop()
except RuntimeError:
    print("no running loop")
