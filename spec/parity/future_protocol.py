"""Futures: states, misuse, callbacks, the same error for every waiter."""
import asyncio


def flag(x):
    return str(x).lower()


def attempt(title, call):
    try:
        print(f"{title}: {call()}")
    except asyncio.InvalidStateError:
        print(f"{title}: InvalidStateError")
    except asyncio.CancelledError as e:
        print(f"{title}: CancelledError {e}")
    except ValueError as e:
        print(f"{title}: error {e}")
    except (TypeError, RuntimeError):
        print(f"{title}: misuse")


async def settle():
    for _ in range(3):
        await asyncio.sleep(0)


async def main():
    loop = asyncio.get_running_loop()
    f = loop.create_future()
    print("pending", flag(f.done()), flag(f.cancelled()))
    attempt("result early", f.result)
    attempt("exception early", f.exception)
    f.set_result(42)
    print("done", flag(f.done()), flag(f.cancelled()))
    attempt("result", f.result)
    print("no exception", flag(f.exception() is None))
    attempt("set again", lambda: f.set_result(1))
    attempt("fail again", lambda: f.set_exception(ValueError("x")))
    print("cancel done", flag(f.cancel()))
    print("await done", await f)

    f = loop.create_future()
    f.set_exception(ValueError("kept"))
    attempt("failed", f.result)
    caught = []
    for _ in range(2):
        try:
            await f
        except ValueError as e:
            caught.append(e)
    print("same object", flag(caught[0] is caught[1]), flag(caught[0] is f.exception()))

    f = loop.create_future()
    print("cancel", flag(f.cancel("why")), flag(f.cancelled()), flag(f.done()), flag(f.cancel()))
    attempt("cancelled result", f.result)
    attempt("set after cancel", lambda: f.set_result(1))
    f = loop.create_future()
    f.cancel()
    attempt("cancelled exception", f.exception)

    log = []
    f = loop.create_future()

    def note(fut):
        log.append("note")

    f.add_done_callback(lambda fut: log.append(f"first {fut.result()}"))
    f.add_done_callback(note)
    f.add_done_callback(lambda fut: log.append("third"))
    f.add_done_callback(note)
    print("removed", f.remove_done_callback(note), f.remove_done_callback(note))
    f.add_done_callback(note)
    f.set_result("r")
    log.append("set")
    f.add_done_callback(lambda fut: log.append("after"))
    log.append("added")
    await settle()
    print("callbacks", "; ".join(log))

    log.clear()
    f = loop.create_future()

    async def wait(name):
        try:
            await f
        except ValueError as e:
            log.append(f"{name} {e}")
    tasks = [asyncio.create_task(wait(n)) for n in "abc"]
    await settle()
    f.set_exception(ValueError("shared"))
    await asyncio.gather(*tasks)
    print("waiters", "; ".join(log))

    async def nothing():
        return "n"
    t = asyncio.create_task(nothing())
    attempt("task set_result", lambda: t.set_result(1))
    attempt("task set_exception", lambda: t.set_exception(ValueError()))
    attempt("task result early", t.result)
    await t
    attempt("task result", t.result)
    print("loop", flag(t.get_loop() is loop), flag(f.get_loop() is loop))
    print("ensure_future keeps it", flag(asyncio.ensure_future(f) is f))

    async def itself():
        try:
            await asyncio.current_task()
        except RuntimeError:
            return "refused"
    print("awaiting oneself", await asyncio.create_task(itself()))

    f = loop.create_future()

    async def hold(fut):
        await fut
    tasks = [asyncio.create_task(hold(f)) for _ in range(2)]
    await settle()
    tasks[0].cancel()
    await settle()
    print("cancelling a waiter cancels the future", flag(f.cancelled()), flag(tasks[1].cancelled()))


asyncio.run(main())
