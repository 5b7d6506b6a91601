"""How long until the package is imported and help is shown, beside the bare interpreter?"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPEATS = 15


def _best(arguments: list[str], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - started)
    return best


def measure(quick: bool) -> dict[str, Any]:
    """Return the start of the bare interpreter, ``import otoscope`` and ``otoscope --help``, and their ratios."""
    command = str(Path(sys.executable).with_name("otoscope"))
    repeats = 5 if quick else REPEATS
    bare = _best([sys.executable, "-c", "pass"], repeats)
    imported = _best([sys.executable, "-c", "import otoscope"], repeats)
    helped = _best([command, "--help"], repeats)
    return {
        "bare_s": bare,
        "import_s": imported,
        "help_s": helped,
        "import_ratio": imported / bare,
        "help_ratio": helped / bare,
    }
