"""Explaining and scoring in a process of its own: ``python -m tests.explain.far_driver FOLDER MODE``.

``local``: here. ``ray``: scored by two workers, one of which is killed. ``s3``: into an object store that fails and
dawdles; what was made is fetched into FOLDER, so that folders can be compared.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tests.record.far_driver import BUCKET, fetch, kill_workers, object_store

CLIPS = "sounds:?n=5&kinds=rain,siren&duration_s=1"
EXPLAIN = {"methods": ("amt",), "controls": ("loudest",), "draws": 1}
SCORE = {
    "methods": ("grad-cam",),
    "controls": ("other-same", "other-different", "all-pass"),
    "removals": ("zero", "background"),
    "shares": (0.0, 0.5, 1.0),
    "sanity_clips": 0,
    "replicates": 10,
    "block": 2,
}


def make(where: str, engine: dict[str, object] | None) -> None:
    """Explain two clips and score five."""
    import otoscope

    otoscope.explain("demo:", CLIPS, f"{where}/run", EXPLAIN, which=[0, 3])
    otoscope.score_explanations("demo:", CLIPS, f"{where}/run", SCORE, engine=engine)


def main(folder: Path, mode: str) -> None:
    """Make what is asked for, in ``folder``."""
    import torch

    torch.set_num_threads(1)
    if mode == "s3":
        with object_store():
            make(f"s3://{BUCKET}/far", None)
            fetch(f"s3://{BUCKET}/far", folder)
        return
    if mode == "ray":
        soon = (0.0, 0.02)  # in the first block, so that the loss is met while blocks are left
        threading.Thread(target=kill_workers, args=(0, threading.Event(), 1, soon), daemon=True).start()
    make(str(folder), {"name": "ray", "workers": 2, "kills": 4} if mode == "ray" else None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
    print("finished")
