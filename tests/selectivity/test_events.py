"""Labels that events carry: overlapping sounds are told apart, groups are those of the clips."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from otoscope.errors import EmptyDataError, InputError, StageError
from otoscope.selectivity.config import SelectConfig
from otoscope.selectivity.firing import from_arrays
from otoscope.selectivity.labels import Labelling, label, tasks
from otoscope.selectivity.measure import measure
from otoscope.selectivity.stage import load, select
from otoscope.selectivity.units import attainable, deal, exchangeable
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


def repeated(n_speakers: int = 12, n_sources: int = 24, times: int = 3) -> Labelling:
    """Events of mixtures: each speaker says four words in several recordings, each of which is heard several times."""
    source = np.repeat(np.arange(n_sources * n_speakers), times)
    word = source % 4
    return Labelling(
        "event",
        ("a", "b", "c", "d"),
        np.arange(len(source)),
        np.eye(4, dtype=np.float32)[word],
        (source // n_sources).astype(str),
        sources=source.astype(str),
    )


def test_events_of_one_recording_are_dealt_together() -> None:
    task = repeated()
    units = exchangeable(task)
    assert units.whole_sources and not units.whole_groups and (units.clips == 3).all()
    donors = deal(task, units, 20, 0).donors.numpy()
    assert donors.shape == (20, 288) and (np.unique(donors) % 3 == 0).all()  # first events of recordings
    speaker, source = task.groups[units.first].astype(int), donors // 3
    for one in source:  # a speaker's recordings come from one speaker, each once
        assert (np.sort(one) == np.arange(288)).all()
        assert all(len(set(one[speaker == own] // 24)) == 1 for own in range(12))
    without = replace(task, sources=None)
    assert len(exchangeable(without).first) == 864 and attainable(task) >= attainable(without)
    mixed = replace(
        task, sources=np.repeat(np.arange(432), 2).astype(str)
    )  # labels differ within: no such unit
    assert not exchangeable(mixed).whole_sources


def test_null_neurons_with_effects_of_recordings_hold_their_level() -> None:
    """Dealing events as if they were independent calls far too many selective."""
    task, rng = repeated(), np.random.default_rng(1)
    own = rng.normal(size=(288, 400))[np.repeat(np.arange(288), 3)]
    activity = -1 + own + 0.3 * rng.normal(size=(864, 400))
    layers = from_arrays({"x": rng.binomial(100, 1 / (1 + np.exp(-activity)))}, np.full(864, 100))
    config = SelectConfig(method="mean-difference", n_permutations=200, by="event")
    size, naive = (
        (measure(layers, one, config).evidence.p <= 0.05).mean()
        for one in (task, replace(task, sources=None))
    )
    assert 0.02 < size < 0.09 and naive > 0.3


def test_the_events_own_group_and_what_was_left_out(events: Run) -> None:
    table = event_counts.table(events).with_columns(
        group=pl.format("r{}", pl.col("row") // 6), source=pl.col("side")
    )
    tables.write(events.root / event_counts.TABLE, table)
    task = label(events, "event", by="event")
    assert task.groups[0] == "r0" and set(task.sources) == {"left", "right"}
    assert "source" in label(events, "source", by="event").task
    row = load(events, select(events, QUICK))[1]["statistics"].row(0, named=True)
    assert (row["n_clips"], row["n_left_out"], row["n_groups"], row["exchanged"]) == (356, 4, 20, "event")
