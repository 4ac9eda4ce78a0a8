"""The queue of keys: each once, one at a time, and patient with what fails."""

import asyncio

from angarium_operator.workqueue import LONGEST_WAIT, WorkQueue


async def test_a_key_that_is_added_twice_comes_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_that_changes_while_it_is_worked_on_comes_again_and_not_before() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a")
    assert await queue.get() == "a"
    queue.add("a")
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done("a")
    assert await waiting == "a"
    queue.done("a")
    assert queue.idle


async def test_what_is_new_goes_before_what_is_only_looked_at_again() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("a", "b", "c"):
        queue.recheck(key)
    queue.add("c")
    queue.recheck("c")
    assert len(queue) == 3
    assert [await queue.get(), await queue.get(), await queue.get()] == ["c", "a", "b"]
    assert len(queue) == 0
    queue.recheck("c")
    for key in ("a", "b", "c"):
        queue.done(key)
    assert await queue.get() == "c"
    assert not queue.idle


async def test_the_earlier_of_two_wishes_counts() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 3600)
    queue.add("b", 0.01)
    queue.add("a", 0.02)
    assert [await queue.get(), await queue.get()] == ["b", "a"]


async def test_a_failure_comes_back_later_each_time_and_a_success_forgets_it() -> None:
    queue: WorkQueue[str] = WorkQueue()
    waits = [queue.retry("a") for _ in range(20)]
    assert waits[0] < 0.5 < waits[3] < waits[6]
    assert max(waits) <= LONGEST_WAIT * 1.2
    queue.forget("a")
    assert queue.retry("a") < 0.5


async def test_an_event_brings_back_what_failed_but_not_what_was_told_to_wait() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.retry("failed")
    queue.retry("told", least=3600)
    queue.add("told")
    queue.add("failed")
    assert await queue.get() == "failed"
    assert len(queue) == 0
