"""How many connections there may be, and that an end waits for nobody who stalls."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from runtime.errors import OcrError
from runtime.serve.server import BACKLOG, limits_within_descriptors
from runtime.serve.settings import Limits


@pytest.fixture
def open_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_as_far_as_it_may(open_files: None) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip("this machine allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    limits = Limits(connections=1500)
    assert limits_within_descriptors(limits) == limits
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1500 + BACKLOG


def test_connections_stay_under_what_this_process_may_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: raised.append(limit))
    limits = limits_within_descriptors(Limits(connections=512))
    assert 0 < limits.connections < 1024 - BACKLOG
    assert limits.connections < 512 or not raised
    # One address must not take all that is left, nor is an own bound asked for where there is none.
    assert limits.connections_per_client <= 3 * limits.connections // 4
    unbound = limits_within_descriptors(Limits(connections=512, connections_per_client=0))
    assert unbound.connections_per_client == 0
    few = Limits(connections=50)
    assert limits_within_descriptors(few).connections == 50
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 256))
    with pytest.raises(OcrError, match="ulimit -n"):
        limits_within_descriptors(few)
