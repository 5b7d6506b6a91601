"""Does memory grow with the number of clips? Peak resident memory of whole recordings, each in its own process.

The clips are short seeded sounds in FLAC files, each different, through the real decoder and the whole record stage.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sounds import synthesised

_JOB = """
import json, resource, sys
from otoscope.audio.windows import ClipLength
from otoscope.data import open_data
from otoscope.models import cnn
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
folder, out, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
clips = open_data(f"folder:{folder}?levels=-").select(limit=n)
model = cnn.build(("a", "b"), width=8, clip_s=0.25)
record(model, clips, out, RecordConfig(workers=1, evidence_clips=50, block=128))
try:  # Linux: what getrusage says survives fork and exec, this does not
    own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024
except OSError:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps({"peak_mb": own / 1e6}))
"""


def measure(quick: bool) -> dict[str, Any]:
    """Return the peak memory of recordings of 400, 4,000 and 40,000 clips, and the growth."""
    sizes = (100, 400, 1600) if quick else (400, 4_000, 40_000)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesised(folder, sizes[-1], 0.25)
        for n in sizes:
            arguments = [
                sys.executable,
                "-c",
                _JOB,
                str(folder / "sounds-0.25s"),
                str(folder / f"run-{n}"),
                str(n),
            ]
            done = subprocess.run(arguments, capture_output=True, text=True, check=True)
            figures[f"peak_mb_{n}_clips"] = json.loads(done.stdout)["peak_mb"]
    first, *_, last = (figures[f"peak_mb_{n}_clips"] for n in sizes)
    figures["growth"] = last / first - 1
    return figures
