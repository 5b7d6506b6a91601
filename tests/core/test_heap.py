"""Is freed memory kept while networks run, given back afterwards, and left alone where it is not ours to set?"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from otoscope import heap

pytestmark = pytest.mark.skipif(
    not heap.can_keep(), reason="memory is not the GNU C library's, or set by its user"
)

#: Each time 8 MB in blocks of 200 kB and 64 MB, 16,000 pages, in one, which glibc by itself gives back.
COUNTING = """
import json, os, resource, sys
import torch
from otoscope import heap

def faults(times=20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        one = [torch.ones(50_000) for _ in range(40)]
        two = torch.ones(16_000_000)
        del one, two
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

"""


def counted(body: str, **variables: str) -> dict[str, float]:
    """Return what a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTING + body],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def test_pages_are_kept_inside_and_given_back_outside() -> None:
    found = counted("""
alone = faults()
with heap.kept():
    faults(1)
    with heap.kept():  # the outer one still holds
        pass
    inside, most = faults(), held()
print(json.dumps({"alone": alone, "inside": inside, "most": most, "after": held()}))
""")
    assert found["inside"] < 0.05 * found["alone"]
    assert found["after"] < found["most"] - 60e6


def test_the_last_of_several_gives_back_also_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(heap, "_set", asked.append)
    with pytest.raises(ZeroDivisionError), heap.kept(), heap.kept():
        raise ZeroDivisionError
    with heap.kept():
        pass
    assert asked == [heap._KEEP, heap._GIVE_BACK] * 2


@pytest.mark.parametrize(
    "variable", [{"MALLOC_TOP_PAD_": "0"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_max=7"}]
)
def test_what_the_user_set_is_left_alone(variable: dict[str, str]) -> None:
    found = counted(
        """
with heap.kept():
    faults(1)
    inside = faults()
print(json.dumps({"can": heap.can_keep(), "inside": inside}))
""",
        **variable,
    )
    assert not found["can"]
    assert found["inside"] > 20 * 5_000  # most of 16,000 pages a time


def _unknown(name: str) -> str:
    raise ValueError(f"unrecognised configuration name {name}")


def _absent(name: str) -> None:
    return None


@pytest.mark.parametrize("answer", [_unknown, _absent])
def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch, answer: object) -> None:
    asked: list[object] = []
    monkeypatch.setattr(os, "confstr", answer)
    monkeypatch.setattr(heap, "_set", asked.append)
    with heap.kept():
        pass
    assert not asked


def test_a_system_without_confstr_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "confstr")
    assert not heap.can_keep()
