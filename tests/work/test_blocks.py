from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from otoscope.errors import InputError
from otoscope.work.blocks import Block, Node, finished, plan
from otoscope.work.engine import Engine, Finished, run
from otoscope.work.local import missing


def write(path: Path, text: str) -> None:
    path.write_text(json.dumps(text))


def merge(left: Path, right: Path, out: Path) -> None:
    write(out, f"({json.loads(left.read_text())} {json.loads(right.read_text())})")


def content(paths: list[Path]) -> str:
    return " | ".join(json.loads(path.read_text()) for path in paths)


@dataclass
class Computing:
    """Writes the numbers of its blocks, in any order, at most so many."""

    folder: Path
    order: random.Random | None = None
    most: int | None = None
    name: str = "writing"

    def begin(self, device: str, threads: int) -> None:
        """Nothing to get ready."""

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        todo = list(blocks)
        if self.order is not None:
            self.order.shuffle(todo)
        for block in itertools.islice(todo, self.most):
            write(Node(0, block.index).path(self.folder), str(block.index))
            yield Finished(block)

    def try_alone(self, row: int) -> None:
        """No row is special."""


def test_plan_covers_every_row_once() -> None:
    blocks = plan(10, 4)
    assert [(b.start, b.stop) for b in blocks] == [(0, 4), (4, 8), (8, 10)]
    assert len(plan(0, 4)) == 0 and list(plan(0, 4)) == [] and blocks.rows == 10
    assert blocks[-1] == Block(2, 8, 10) and list(blocks[1:]) == [Block(1, 4, 8), Block(2, 8, 10)]
    with pytest.raises(InputError, match="at least one row"):
        plan(3, 0)


@pytest.mark.parametrize("n_blocks", [1, 2, 3, 5, 8, 13])
def test_tree_is_the_same_in_any_order_and_after_any_interruption(tmp_path: Path, n_blocks: int) -> None:
    blocks = plan(n_blocks, 1)
    expected = content(run(blocks, tmp_path / "straight", Computing(tmp_path / "straight"), merge))
    for seed in range(5):
        folder = tmp_path / str(seed)
        chance = random.Random(seed)
        for _ in range(n_blocks):
            run(blocks, folder, Computing(folder, chance, most=chance.randint(0, 2)), merge)
        assert content(run(blocks, folder, Computing(folder, chance), merge)) == expected


def test_few_summaries_lie_on_disk(tmp_path: Path) -> None:
    most = 0

    class Watched(Computing):
        def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
            nonlocal most
            for one in super().compute(blocks, set_aside):
                yield one
                most = max(most, len(list(tmp_path.glob("*.safetensors"))))

    run(plan(64, 1), tmp_path, Watched(tmp_path), merge)
    assert most <= 7


def test_children_left_by_a_kill_between_merge_and_removal_are_dropped(tmp_path: Path) -> None:
    for node in (Node(0, 0), Node(0, 1), Node(1, 0), Node(0, 2)):
        write(node.path(tmp_path), f"{node.level}{node.index}")
    assert finished(tmp_path) == [Node(1, 0), Node(0, 2)]
    assert [block.index for block in missing(plan(4, 1), tmp_path)] == [3]


def test_unfinished_temporary_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "0-0.safetensors.part").write_text("half")
    assert len(missing(plan(2, 1), tmp_path)) == 2


def test_a_killed_merge_is_brought_to_its_end(tmp_path: Path) -> None:
    write(Node(1, 0).path(tmp_path), "(0 1)")
    write(Node(0, 1).path(tmp_path), "1")
    assert content(run(plan(4, 1), tmp_path, Computing(tmp_path), merge)) == "((0 1) (2 3))"


def test_settings_of_another_engine_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="workers belong"):
        run(plan(1, 1), tmp_path, Computing(tmp_path), merge, Engine(workers=2))
