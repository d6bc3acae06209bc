"""Four workers crawl a graph of sixty pages through a queue, to depth three."""
import asyncio

active = 0
peak = 0


def links(page):
    return [(page * 2 + 1) % 60, (page * 7 + 3) % 60, (page + 13) % 60]


async def fetch(page):
    global active, peak
    active += 1
    peak = max(peak, active)
    for _ in range(page % 4):
        await asyncio.sleep(0)
    active -= 1
    if page % 17 == 16:
        raise ValueError(f"page {page} is broken")
    return links(page)


async def worker(queue, seen, depths, errors):
    while True:
        page, depth = await queue.get()
        try:
            found = await fetch(page)
            depths[page] = depth
            for link in found:
                if depth < 3 and link not in seen:
                    seen.add(link)
                    queue.put_nowait((link, depth + 1))
        except ValueError as e:
            errors.append(str(e))
        finally:
            queue.task_done()


async def main():
    queue, seen, depths, errors = asyncio.Queue(), {0}, {}, []
    workers = [asyncio.create_task(worker(queue, seen, depths, errors)) for _ in range(4)]
    queue.put_nowait((0, 0))
    await queue.join()
    for w in workers:
        w.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    print("visited", *sorted(depths))
    print("depths", *[depths[page] for page in sorted(depths)])
    print("errors", *sorted(errors))
    print("peak", peak, "workers stopped", str(all(w.cancelled() for w in workers)).lower())


asyncio.run(main())
