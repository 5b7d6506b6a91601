"""A driver of the Ray engine in a process of its own: ``python ray_driver.py FOLDER MODE`` prints its result.

The job adds numbers: a block's summary is the list of its rows, a merge nests two. MODE says what goes wrong.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from otoscope.errors import InputError
from otoscope.store.atomic import write_text
from otoscope.work.blocks import Block, Node, plan
from otoscope.work.engine import Engine, Finished, run

N_ROWS, SIZE = 40, 4
KILLER, REFUSED = 13, 22


def once(mark: Path) -> bool:
    """Whether this is the first call with this mark, in whatever process."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def die() -> None:
    """End this process as a crash would."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class Numbers:
    """Lists the rows of its blocks."""

    folder: Path
    mode: str
    name: str = "counting"

    def begin(self, device: str, threads: int) -> None:
        """Nothing to get ready."""

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        for block in blocks:
            computed = self.folder / "marks" / f"{block.index}"
            with computed.open("a") as trail:
                trail.write("x")
            rows = range(block.start, block.stop)
            if self.mode == "kills" and block.index % 3 == 1 and once(computed.with_suffix(".killed")):
                die()
            if self.mode == "killer" and KILLER in rows and KILLER not in set_aside:
                die()
            if self.mode == "error" and REFUSED in rows:
                raise InputError("row 22 is refused")
            if self.mode in {"slow", "nodes"}:
                time.sleep(0.3)
            content = [f"-{row}" if row in set_aside else str(row) for row in rows]
            write_text(Node(0, block.index).path(self.folder), json.dumps(content))
            yield Finished(block, sum(row in set_aside for row in rows))

    def try_alone(self, row: int) -> None:
        if self.mode == "killer" and row == KILLER:
            die()


def merge(left: Path, right: Path, out: Path) -> None:
    """Nest two summaries."""
    write_text(out, json.dumps([json.loads(left.read_text()), json.loads(right.read_text())]))


def main(folder: Path, mode: str) -> None:
    """Run the job with two workers and print its result."""
    (folder / "marks").mkdir(parents=True, exist_ok=True)
    logging.basicConfig(level=logging.WARNING)
    engine = Engine() if mode == "local" else Engine(name="ray", workers=2)
    with losing_a_node(folder) if mode == "nodes" else nullcontext():
        paths = run(plan(N_ROWS, SIZE), folder, Numbers(folder, mode), merge, engine)
    print(json.dumps([json.loads(path.read_text()) for path in paths]))


@contextmanager
def losing_a_node(folder: Path) -> Iterator[None]:
    """Start a cluster of three nodes, and take one that works away while the job runs."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)

    def remove() -> None:
        while len(list(folder.glob("marks/*"))) < 4:
            time.sleep(0.05)
        cluster.remove_node(nodes[0])
        (folder / "lost-node").touch()

    thief = threading.Thread(target=remove)
    thief.start()
    try:
        yield
    finally:
        thief.join()
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
