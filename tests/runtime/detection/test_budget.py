"""No more pixels run at once than memory holds, and everyone has a turn."""

from __future__ import annotations

import threading
import time

from runtime.detection.budget import PixelBudget


def test_the_budget_is_kept_and_large_inputs_have_their_turn() -> None:
    budget, lock, running, most = PixelBudget(10), threading.Lock(), 0, 0
    seen: list[int] = []

    def work(pixels: int) -> None:
        nonlocal running, most
        with budget.held(pixels):
            with lock:
                running += pixels
                seen.append(running)
            time.sleep(0.002)
            with lock:
                running -= pixels

    workers = [threading.Thread(target=work, args=(size,)) for size in [3, 4, 25, 5, 1, 10] * 8]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=10)
    assert len(seen) == 48 and all(total <= 10 or total == 25 for total in seen)
    assert max(seen) == 25


def test_an_error_gives_its_part_back() -> None:
    budget = PixelBudget(10)
    for _ in range(3):
        try:
            with budget.held(8):
                raise ValueError
        except ValueError:
            pass
    with budget.held(8):
        pass
