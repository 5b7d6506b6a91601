"""``python -m benchmarks [--out bench.json] [--only NAME] [--quick]``: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import torch

from otoscope import __version__

#: name -> module with ``measure(quick) -> figures``
BENCHMARKS = {
    "startup": "benchmarks.startup",
    "similarity": "benchmarks.similarity",
    "recording": "benchmarks.recording",
    "memory": "benchmarks.memory",
    "selection": "benchmarks.selection",
    "explaining": "benchmarks.explaining",
    "cluster": "benchmarks.cluster",
    "large": "benchmarks.large",
}

#: what is aimed at: (benchmark, figure path) -> (comparison, value)
AIMS: dict[tuple[str, str], tuple[str, float]] = {
    ("startup", "import_ratio"): ("<=", 5),
    ("startup", "help_ratio"): ("<=", 8),
    ("similarity", "neurons_3072.ratio.by_rank"): (">=", 12),
    ("similarity", "neurons_55296.ratio.by_rank"): (">=", 12),
    ("recording", "cnn_declared.ratio"): (">=", 0.95),
    ("recording", "ast_base_declared.ratio"): (">=", 0.95),
    ("recording", "cnn_every_leaf.ratio"): (">=", 0.6),
    ("memory", "growth"): ("<=", 0.05),
    ("explaining", "components.ratio"): (">=", 5),
    ("explaining", "components.memory_ratio"): (">=", 20),
    ("explaining", "scoring.ratio"): ("<=", 1.2),
    ("explaining", "lmac.passes"): ("<=", 4),
    ("explaining", "l2i.passes"): ("<=", 4),
    ("cluster", "ray_over_local"): ("<=", 1.05),
    ("cluster", "two_over_one"): (">=", 1.8),
    ("cluster", "driver_growth"): ("<=", 0.05),
}


def flat(figures: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested figures as one level with dotted names."""
    if not isinstance(figures, dict):
        return {prefix: figures}
    found: dict[str, Any] = {}
    for key, value in figures.items():
        found |= flat(value, f"{prefix}.{key}" if prefix else str(key))
    return found


def verdict(name: str, key: str, value: Any) -> str:
    """Return how a figure stands to its aim, empty where there is none."""
    if (name, key) not in AIMS:
        return ""
    comparison, aim = AIMS[name, key]
    met = value <= aim if comparison == "<=" else value >= aim
    return f"{'met' if met else 'MISSED'} (aim {comparison} {aim:g})"


def main() -> None:
    """Run the benchmarks that were asked for."""
    parser = argparse.ArgumentParser(description="Speed and memory of Otoscope.")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    parser.add_argument("--only", choices=BENCHMARKS, action="append")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, to see that it runs")
    options = parser.parse_args()
    report: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "quick": options.quick,
        "benchmarks": {},
    }
    for name in options.only or BENCHMARKS:
        started = time.perf_counter()
        figures = importlib.import_module(BENCHMARKS[name]).measure(options.quick)
        report["benchmarks"][name] = figures
        print(f"{name} ({time.perf_counter() - started:.0f} s)")
        for key, value in flat(figures).items():
            shown = f"{value:.4g}" if isinstance(value, float) else value
            print(f"  {key:<44} {shown!s:<12} {verdict(name, key, value)}".rstrip())
        options.out.write_text(json.dumps(report, indent=2) + "\n")
    print(f"written to {options.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
