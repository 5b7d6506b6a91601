"""Labels that events carry: overlapping sounds are told apart, groups are those of the clips."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from otoscope.errors import EmptyDataError, InputError, StageError
from otoscope.selectivity.labels import label, tasks
from otoscope.selectivity.stage import load, select
from otoscope.store import arrays, event_counts, tables
from otoscope.store import run as runs
from otoscope.store.run import Run

QUICK = {"by": "event", "n_permutations": 100, "n_chance": 2, "n_splits": 0}
KINDS = ("hum", "tick", "voice")
PER_CLIP = 3


@pytest.fixture
def events(run: Run) -> Run:
    """Give every clip a hum, a tick and a voice; neuron i of layer 0 fires for the i-th of them. Some go unheard."""
    rng = np.random.default_rng(0)
    n = 121 * PER_CLIP
    kind = np.tile(np.arange(PER_CLIP), 121)
    table = pl.DataFrame(
        {
            "row": np.repeat(np.arange(121), PER_CLIP),
            "onset_s": np.tile([0.0, 0.1, 0.2], 121),
            "offset_s": np.tile([0.5, 0.6, 0.7], 121),
            "label": [KINDS[one] for one in kind],
            "side": [["left", "right"][one] for one in rng.integers(0, 2, n)],
        }
    )
    tables.write(run.root / event_counts.TABLE, table)
    positions = np.full((n, 2), 50, np.uint32)
    positions[:, 1], positions[:4, 0] = 0, 0
    share = 0.2 + 0.1 * rng.random((n, 12))
    share[np.arange(n), kind] += 0.5
    counts = rng.binomial(50, share).astype(np.uint32) * (positions[:, :1] > 0)
    arrays.create_array(run.root / event_counts.POSITIONS, positions.shape, "uint32", 64)
    arrays.write_rows(run.root / event_counts.POSITIONS, 0, positions)
    path = event_counts.path_of(run, "layer 0")
    arrays.create_array(path, counts.shape, "uint32", 64)
    arrays.write_rows(path, 0, counts)
    manifest = json.loads((run.root / "run.json").read_text(encoding="utf-8"))
    manifest["events"] = {
        "policy": "all",
        "layers": ["layer 0"],
        "layers_left_out": {"layer 1": "has no time"},
    }
    (run.root / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return runs.open_run(run.root)


def test_events_are_labelled_with_their_clips(events: Run) -> None:
    assert tasks(events, "event") == ("event",)
    own = label(events, "event", by="event")
    assert own.classes == KINDS and len(own.rows) == 360  # those of the failed clip are left out
    assert own.groups[:6].tolist() == ["g0"] * 6 and own.weights[:3].tolist() == np.eye(3).tolist()
    joint = label(events, "event+kind", by="event", strata="side")
    assert joint.classes[0] == "hum|class 0" and len(joint.classes) == 12
    assert set(joint.strata) == {"left", "right"}  # the events' own column, not the clips'
    assert label(events, "side", by="event").classes == ("left", "right")


def test_overlapping_events_do_not_confound(events: Run) -> None:
    name = select(events, QUICK)
    found = load(events, name)[1]
    assert found["triples"].select("class", "layer", "index").rows() == [
        (kind, "layer 0", place) for place, kind in enumerate(KINDS)
    ]
    row = found["statistics"].row(0, named=True)
    assert (row["task"], row["by"], row["n_clips"], row["n_groups"]) == ("event", "event", 356, 60)
    assert (row["exchanged"], row["counted"]) == ("event", "special tokens left out; padding left out")
    assert found["layers"]["layer"].to_list() == ["layer 0"]
    assert load(events, select(events, {**QUICK, "unit": "clip-any"}))[1]["triples"].height == 0


def test_what_events_cannot_give(events: Run, run: Run) -> None:
    with pytest.raises(InputError, match="events have counts of positive positions, and no means"):
        select(events, {**QUICK, "unit": "clip-mean"})
    with pytest.raises(InputError, match="value='share'"):
        select(events, {**QUICK, "value": "activation"})
    positions = events.root / event_counts.POSITIONS
    arrays.write_rows(positions, 0, np.zeros((363, 2), np.uint32))
    with pytest.raises(EmptyDataError, match=r"no event of .* has a position in every layer"):
        select(events, QUICK)


def test_a_run_without_events(run: Run) -> None:
    with pytest.raises(StageError, match=r"counted nothing by event: record with --"):
        select(run, QUICK)
