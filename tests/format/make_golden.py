"""Make the golden folder: sounds, a model and two runs in the current format, small enough to keep.

    python tests/format/make_golden.py tests/format/golden

``sounds/`` holds twelve synthesised sounds of half a second and one damaged file, with a table (segments, folds,
groups) and a table of events; ``model/`` a network trained on them for one epoch; ``pooled/`` and ``topk/`` two
recordings of it, the first one captioned and described. Make it anew only when the format changes, and then look at
what the tests of this folder say about the old one first: an older version must stay readable.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import polars as pl

from otoscope.audio.synthesis import catalogue, onsets_s, render
from otoscope.audio.write import write
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import open_data
from otoscope.describe.config import DescribeConfig
from otoscope.describe.stage import describe
from otoscope.models.train import TrainConfig, train
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record

RATE_HZ = 16_000
KINDS = ("siren", "rain", "clicks")
DATA = "csv:sounds/clips.csv?events=sounds/events.csv"


def make_sounds(folder: Path) -> None:
    """Write the sounds, the damaged file and both tables."""
    rows, events = [], []
    turn = dict.fromkeys(KINDS, 0)
    for spec in catalogue(12, 7, duration_s=0.5, kinds=list(KINDS)):
        path = f"{spec.kind}/{turn[spec.kind]}.flac"
        write(folder / path, render(spec, RATE_HZ), RATE_HZ, clipping="scale")
        rows.append((path, spec.kind, turn[spec.kind] % 4 + 1, None, None, f"source {len(rows)}"))
        events += [(path, onset, onset + 0.01, spec.kind) for onset in onsets_s(spec) or ()]
        turn[spec.kind] += 1
    rows.append(("siren/0.flac", "siren", 1, 0.1, 0.3, "source 0"))  # a segment of the first recording
    rows.append(("rain/broken.flac", "rain", 1, None, None, "source 12"))
    (folder / "rain" / "broken.flac").write_text("this is not a sound\n")
    columns = ["path", "label", "fold", "start_s", "end_s", "group"]
    pl.DataFrame(rows, schema=columns, orient="row").write_csv(folder / "clips.csv")
    pl.DataFrame(events, schema=["id", "onset_s", "offset_s", "label"], orient="row").write_csv(
        folder / "events.csv"
    )


def make(folder: Path) -> None:
    """Write everything into ``folder``, which must be new or empty; paths inside are relative to it."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty: remove it first")
    here = Path.cwd()
    os.chdir(folder)  # so that no path of this machine gets into the golden files
    try:
        make_sounds(Path("sounds"))
        clips = open_data(DATA)
        options = {"width": 2, "n_mels": 16, "clip_s": 0.5}
        training = TrainConfig(test_folds="4", valid=0.3, options=options, epochs=1, batch_size=4)
        model = train("cnn", clips, "model", training)
        model.spec = "model"
        pooled = record(model, clips, "pooled", RecordConfig(layers=("blocks.0", "logits"), top_k=3, block=8))
        acoustic = caption(pooled, clips, CaptionConfig(captioner="acoustic"))
        caption(pooled, clips, CaptionConfig(captioner="labels"))
        describe(pooled, DescribeConfig(captions=acoustic, concepts="acoustic", replicates=100))
        topk = RecordConfig(
            layers=("blocks.3",), pooling="max", store="topk", counts="none", top_k=3, evidence_clips=2
        )
        record(model, clips, "topk", topk)
    finally:
        os.chdir(here)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python tests/format/make_golden.py FOLDER")
    make(Path(sys.argv[1]))
