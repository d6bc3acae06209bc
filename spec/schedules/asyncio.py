"""Run random programs on asyncio: python3 asyncio.py FILE. The twin of
casync.lua: it prints the trace that casync must print."""
import sys

sys.path.pop(0)     # this directory, whose asyncio.py is not the one meant

import asyncio
import contextvars
import json
import selectors
from contextlib import aclosing

UNIT = 0.125


class Clock:
    """Time that only jumps: a wait takes none and sets the clock to its end."""
    now = 1000.0

    class Selector(selectors.DefaultSelector):
        def select(self, timeout=None):
            found = super().select(0)
            if not found and timeout is None:
                raise SystemExit("nothing is left that could happen")
            if not found:
                Clock.now += timeout
            return found


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        super().__init__(Clock.Selector())

    def time(self):
        return Clock.now


class Ordered(dict):
    """A set that knows the order."""
    def add(self, item):
        self[item] = True

    def discard(self, item):
        self.pop(item, None)


class TaskGroup(asyncio.TaskGroup):
    def __init__(self):
        super().__init__()
        self._tasks = Ordered()     # else they are cancelled in any order


class Condition(asyncio.Condition):
    """One who was notified and cancelled passes it on; who was not does not
    (asyncio of 3.13 wakes another one in any case)."""
    async def wait(self):
        if not self.locked():
            raise RuntimeError("cannot wait on un-acquired lock")
        future = self._get_loop().create_future()
        self.release()
        try:
            try:
                self._waiters.append(future)
                try:
                    await future
                    return True
                finally:
                    self._waiters.remove(future)
            finally:
                cancelled = None
                while True:
                    try:
                        await self.acquire()
                        break
                    except asyncio.CancelledError as e:
                        cancelled = e
                if cancelled is not None:
                    raise cancelled
        except asyncio.CancelledError:
            if not future.cancelled():
                self.notify(1)
            raise


class TimerHandle(asyncio.TimerHandle):
    """Those of the same time in the order in which they were made."""
    count = 0

    def __init__(self, *args):
        super().__init__(*args)
        TimerHandle.count += 1
        self.number = TimerHandle.count

    def __lt__(self, other):
        return (self._when, self.number) < (other._when, other.number)


asyncio.events.TimerHandle = TimerHandle


# casync does as asyncio of Python 3.13; before that, this is what changed.
Task = None
timeout, wait_for = asyncio.timeout, asyncio.wait_for
gather = asyncio.gather

if sys.version_info < (3, 13):
    class Task(asyncio.tasks._PyTask):
        def uncancel(self):
            left = super().uncancel()
            if left == 0:
                self._must_cancel = False
            return left

    class TaskGroup(TaskGroup):
        async def __aexit__(self, kind, error, trace):
            before = self._parent_cancel_requested
            try:
                return await super().__aexit__(kind, error, trace)
            except BaseExceptionGroup:
                if self._parent_cancel_requested and not before:
                    self._parent_task.uncancel()
                if self._parent_task.cancelling():
                    self._parent_task.uncancel()
                    self._parent_task.cancel()
                raise

        def create_task(self, coro):
            try:
                return super().create_task(coro)
            except RuntimeError:
                coro.close()
                raise

    class timeout(asyncio.Timeout):
        def __init__(self, delay):
            super().__init__(asyncio.get_running_loop().time() + delay)

        async def __aenter__(self):
            self._before = asyncio.current_task().cancelling()
            return await super().__aenter__()

        async def __aexit__(self, kind, error, trace):
            if self._timeout_handler is not None:
                self._timeout_handler.cancel()
                self._timeout_handler = None
            if self.expired() and not self._over:
                self._over = True
                if (self._task.uncancel() <= self._before
                        and kind is asyncio.CancelledError):
                    raise TimeoutError
            elif not self.expired():
                await super().__aexit__(kind, error, trace)

        _over = False

    async def gather(*awaitables, return_exceptions):
        """Members that are done count at once."""
        futures = [asyncio.ensure_future(a) for a in awaitables]
        if not return_exceptions:
            for future in futures:
                if future.done():
                    future.result()
        if all(future.done() for future in futures):
            results = []
            for future in futures:
                try:
                    results.append(future.result())
                except BaseException as e:
                    results.append(e)
            return results
        return await asyncio.gather(
            *futures, return_exceptions=return_exceptions)

    async def wait_for(awaitable, delay):
        if delay > 0:
            async with timeout(delay):
                return await awaitable
        future = asyncio.ensure_future(awaitable)
        if future.done():
            return future.result()
        waiter = asyncio.get_running_loop().create_future()
        wake = lambda _: waiter.done() or waiter.set_result(None)
        future.add_done_callback(wake)
        try:
            future.cancel()
            await waiter
        finally:
            future.remove_done_callback(wake)
        try:
            return future.result()
        except asyncio.CancelledError as e:
            raise TimeoutError from e


class Boom(Exception):
    pass


var = contextvars.ContextVar("var", default=0)


def describe(e):
    if isinstance(e, asyncio.CancelledError):
        return "cancelled"      # versions differ in what becomes of the message
    if isinstance(e, BaseExceptionGroup):
        return "group(" + ", ".join(map(describe, e.exceptions)) + ")"
    if isinstance(e, Boom):
        return str(e)
    if isinstance(e, TimeoutError):
        return "timeout"
    if isinstance(e, asyncio.InvalidStateError):
        return "invalid state"
    if isinstance(e, asyncio.BrokenBarrierError):
        return "broken barrier"
    if type(e) in (RuntimeError, ValueError):
        return "misuse"
    raise e


def show(value):
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class Context:
    def __init__(self, task):
        self.task, self.scopes = task, []


class Run:
    def __init__(self):
        self.lines, self.tasks, self.labels, self.order = [], {}, {}, []
        self.handles = []

    def log(self, *words):
        self.lines.append(" ".join(map(str, words)))

    def begun(self, label, task):
        if task not in self.labels:
            self.labels[task] = label
            self.order.append(task)
            self.tasks.setdefault(label, task)

    async def exec(self, ctx, step):
        number, op, *args = step
        self.log(number, op)
        try:
            result = getattr(self, op)(ctx, number, *args)
            if asyncio.iscoroutine(result):
                result = await result
        except BaseException as e:
            self.log(number, "!", describe(e))
            raise
        self.log(number, "->", show(result))

    async def steps(self, ctx, steps):
        for step in steps:
            await self.exec(ctx, step)

    async def body(self, body):
        task = asyncio.current_task()
        self.begun(body[0], task)
        self.log("body", body[0])
        await self.steps(Context(task), body[1])
        return body[0]

    def make_task(self, body):
        task = asyncio.create_task(self.body(body))
        self.begun(body[0], task)
        return task

    def member(self, m):
        if m[0] == "label":
            return self.tasks.get(m[1])
        if m[0] == "task":
            return self.make_task(m[1])
        return self.body(m[1])

    def members(self, members):
        found = [self.member(m) for m in members]
        return list(dict.fromkeys(m for m in found if m is not None))

    def callback(self, steps):
        def call(*_):
            try:
                self.steps(Context(None), steps).send(None)
            except StopIteration:
                pass
        return call

    async def sleep(self, ctx, n, delay):
        await asyncio.sleep(delay * UNIT)

    def busy(self, ctx, n, delay):
        Clock.now += delay * UNIT

    def do_raise(self, ctx, n, kind):
        raise Boom(f"boom {n}")

    def ev_set(self, ctx, n, i):
        self.events[i].set()

    def ev_clear(self, ctx, n, i):
        self.events[i].clear()

    async def ev_wait(self, ctx, n, i):
        await self.events[i].wait()

    def fut_new(self, ctx, n, i):
        self.futures[i] = self.loop.create_future()

    async def fut_await(self, ctx, n, i):
        return await self.futures[i]

    def fut_set(self, ctx, n, i):
        self.futures[i].set_result(n)

    def fut_fail(self, ctx, n, i):
        self.futures[i].set_exception(Boom(f"boom {n}"))

    def fut_cancel(self, ctx, n, i):
        return self.futures[i].cancel()

    def fut_callback(self, ctx, n, i, steps):
        self.futures[i].add_done_callback(self.callback(steps))

    def done_callback(self, ctx, n, label, steps):
        if label not in self.tasks:
            return "none"
        self.tasks[label].add_done_callback(self.callback(steps))

    def cancel(self, ctx, n, label):
        if label not in self.tasks:
            return "none"
        return self.tasks[label].cancel(f"c{n}")

    def uncancel(self, ctx, n):
        return ctx.task.uncancel()

    def cancelling(self, ctx, n):
        return ctx.task.cancelling()

    async def await_task(self, ctx, n, label):
        if label not in self.tasks:
            return "none"
        return await self.tasks[label]

    def result(self, ctx, n, label):
        if label not in self.tasks:
            return "none"
        return self.tasks[label].result()

    async def barrier(self, ctx, n, i):
        await self.barriers[i].wait()

    async def lock(self, ctx, n, i, steps):
        async with self.locks[i]:
            await self.steps(ctx, steps)

    async def sem(self, ctx, n, i, steps):
        async with self.semaphores[i]:
            await self.steps(ctx, steps)

    async def cond_wait(self, ctx, n, i):
        async with self.conditions[i]:
            await self.conditions[i].wait()

    async def notify(self, ctx, n, i, many):
        async with self.conditions[i]:
            if many:
                self.conditions[i].notify(many)
            else:
                self.conditions[i].notify_all()

    def call_soon(self, ctx, n, steps):
        self.handles.append(self.loop.call_soon(self.callback(steps)))

    def call_later(self, ctx, n, delay, steps):
        self.handles.append(
            self.loop.call_later(delay * UNIT, self.callback(steps)))

    def call_cancel(self, ctx, n, i):
        if i > len(self.handles):
            return "none"
        self.handles[i - 1].cancel()

    def var_set(self, ctx, n):
        var.set(n)

    def var_get(self, ctx, n):
        return var.get()

    def spawn(self, ctx, n, body):
        self.make_task(body)

    async def call(self, ctx, n, body):
        return await self.body(body)

    async def timeout(self, ctx, n, delay, steps):
        scope = timeout(delay * UNIT)
        ctx.scopes.append(scope)
        try:
            async with scope:
                await self.steps(ctx, steps)
        finally:
            ctx.scopes.pop()
            self.log("expired", show(scope.expired()))

    def reschedule(self, ctx, n, delay):
        if not ctx.scopes:
            return "none"
        ctx.scopes[-1].reschedule(self.loop.time() + delay * UNIT)

    async def do_try(self, ctx, n, steps):
        try:
            await self.steps(ctx, steps)
        except Exception as e:
            return describe(e)
        return True

    async def swallow(self, ctx, n, uncancel, steps):
        try:
            await self.steps(ctx, steps)
        except asyncio.CancelledError:
            return ctx.task.uncancel() if uncancel else "swallowed"

    async def do_finally(self, ctx, n, steps, cleanup):
        try:
            await self.steps(ctx, steps)
        finally:
            await self.steps(ctx, cleanup)

    async def wait_for(self, ctx, n, delay, m):
        awaitable = self.member(m)
        if awaitable is None:
            return "none"
        return await wait_for(awaitable, delay * UNIT)

    async def shield(self, ctx, n, m):
        awaitable = self.member(m)
        if awaitable is None:
            return "none"
        return await asyncio.shield(awaitable)

    async def gather(self, ctx, n, keep, members):
        results = await gather(
            *self.members(members), return_exceptions=keep)
        return ",".join(describe(r) if isinstance(r, BaseException)
                        else show(r) for r in results)

    async def wait(self, ctx, n, delay, when, members):
        tasks = self.members(members)
        if not tasks:
            return "none"
        done, pending = await asyncio.wait(
            tasks, timeout=delay * UNIT or None,
            return_when=("FIRST_COMPLETED", "FIRST_EXCEPTION",
                         "ALL_COMPLETED")[when - 1])
        show = lambda set: ",".join(map(str, sorted(self.labels[t] for t in set)))
        return show(done) + ";" + show(pending)

    async def completed(self, ctx, n, most, members):
        tasks = [t for t in self.members(members) if not t.done()]
        count = 0
        for task in asyncio.as_completed(tasks):
            self.log("completed", show(await task))
            count += 1
            if count == most:
                return

    async def group(self, ctx, n, children, steps):
        async with TaskGroup() as group:
            for body in children:
                task = group.create_task(self.body(body))
                self.begun(body[0], task)
            await self.steps(ctx, steps)

    async def generator(self, ctx, n, count, most, inner, outer):
        async def generate():
            try:
                for i in range(1, count + 1):
                    await self.steps(ctx, inner)
                    yield i
            finally:
                self.log("closed")
        async with aclosing(generate()) as items:
            async for item in items:
                self.log("item", item)
                await self.steps(ctx, outer)
                if item == most:
                    break

    def report(self, loop, context):
        if "handle" in context:
            self.log("report", describe(context["exception"]))

    async def finish(self):
        for _ in range(40):
            pending = False
            for task in list(self.order):
                if not task.done():
                    pending = True
                    task.cancel("end")
            if not pending:
                break
            for _ in range(5):
                await asyncio.sleep(0)
        for handle in self.handles:
            handle.cancel()

    async def main(self, program):
        self.loop = asyncio.get_running_loop()
        self.loop.set_exception_handler(self.report)
        if Task:
            self.loop.set_task_factory(
                lambda loop, coro, **k: Task(coro, loop=loop, **k))
        own = asyncio.Lock()
        self.locks = {1: asyncio.Lock(), 2: asyncio.Lock()}
        self.conditions = {1: Condition(), 2: Condition(own)}
        self.semaphores = {1: asyncio.Semaphore(2),
                           2: asyncio.BoundedSemaphore(1)}
        self.barriers = {1: asyncio.Barrier(2), 2: asyncio.Barrier(3)}
        self.events = {i: asyncio.Event() for i in (1, 2)}
        self.futures = {i: self.loop.create_future() for i in (1, 2, 3)}
        tasks = [self.make_task(body) for body in program[1]]
        if tasks:
            await asyncio.wait(tasks, timeout=12 * UNIT)
        await self.finish()
        for _ in range(10):
            await asyncio.sleep(0)
        for task in self.order:
            state = ("pending" if not task.done() else
                     "cancelled" if task.cancelled() else
                     describe(task.exception()) if task.exception() else
                     "ended")
            self.log("task", self.labels[task], state, task.cancelling())


for name in ("raise", "try", "finally"):
    setattr(Run, name, getattr(Run, "do_" + name))

with open(sys.argv[1]) as file:
    for line in file:
        program = json.loads(line)
        Clock.now = 1000.0
        run = Run()
        var.set(0)
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(run.main(program), context=contextvars.copy_context())
        print("begin", program[0])
        print("\n".join(run.lines))
        print("end", program[0], flush=True)
