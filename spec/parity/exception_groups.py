"""Nested task groups: the shape of the group, splitting, flattening."""
import asyncio


class NetworkError(Exception):
    pass


class ParseError(Exception):
    pass


async def fail(error, delay=0.0):
    await asyncio.sleep(delay)
    raise error


def shape(e):
    if isinstance(e, BaseExceptionGroup):
        return "[" + " ".join(shape(x) for x in e.exceptions) + "]"
    return f"{type(e).__name__}:{e}"


def leaves(e):
    return sum((leaves(x) for x in e.exceptions), []) if isinstance(e, BaseExceptionGroup) else [e]


async def stubborn(error):
    try:
        await asyncio.sleep(1)
    except asyncio.CancelledError:
        raise error


async def main():
    try:
        async with asyncio.TaskGroup() as outer:
            async def inner():
                async with asyncio.TaskGroup() as group:
                    group.create_task(fail(NetworkError("refused")))
                    group.create_task(fail(ParseError("bad head")))
            outer.create_task(inner())
            outer.create_task(stubborn(NetworkError("while stopping")))
    except BaseExceptionGroup as e:
        print("shape", shape(e))
        print("leaves", *[str(x) for x in leaves(e)], sep="; ")
        network, rest = e.split(NetworkError)
        print("network", shape(network))
        print("rest", shape(rest))
        nothing, everything = e.split(KeyError)
        print("no match", str(nothing is None).lower(), shape(everything))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(NetworkError("first"), 0.001))
            group.create_task(stubborn(ParseError("second")))
            await asyncio.sleep(1)
    except BaseExceptionGroup as e:
        print("completion order", shape(e))

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(stubborn(ParseError("child")))
            await asyncio.sleep(0)
            raise NetworkError("body")
    except BaseExceptionGroup as e:
        print("body comes last", shape(e))

    async def only():
        async with asyncio.TaskGroup() as group:
            task = group.create_task(fail(NetworkError("kept")))
        return task
    try:
        await only()
    except BaseExceptionGroup as e:
        print("single one is wrapped", shape(e))


asyncio.run(main())
