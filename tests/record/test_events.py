"""Counts by event against a slow derivation; windows, overlaps, what cannot be counted; padding and special tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.audio.windows import ClipLength
from otoscope.cli.main import run as call
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import InputError, StageError, StoreError, UnknownNameError
from otoscope.models import transformer
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.record import event_blocks
from otoscope.record.config import COUNTING, RecordConfig
from otoscope.record.events import Schedule
from otoscope.record.reduce import reduce_batch
from otoscope.record.stage import record
from otoscope.store import arrays, event_counts
from otoscope.store.run import open_run, read_stage
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys, without_maps
from tests.record.conftest import bytes_of, make_clips, make_model
from tests.record.test_reduce import GRID, RATE, batch, wanted

CONFIG = RecordConfig(block=4, batch_size=3, workers=0, top_k=3, trace_bins=10, events="all")
LAYERS = ("first", "act", "second")


def with_events(clips: Clips, n: int = 40, seconds: float = 1.0) -> Clips:
    """Return clips with seeded events: some overlap, some end after the clip, some are shorter than a frame."""
    chance = np.random.default_rng(5)
    onset = np.sort(chance.uniform(0, seconds, n).round(3)) + 0.0003  # no border on a centre
    events = pl.DataFrame(
        {
            "row": chance.integers(0, len(clips), n),
            "onset_s": onset,
            "offset_s": onset + chance.choice([0.004, 0.1, 0.35], n),
            "label": chance.choice(["hum", "tick", "voice"], n),
        }
    )
    return replace(clips, events=events)


def by_hand(model: AudioModel, clips: Clips, run_events: pl.DataFrame, alone: bool) -> dict[str, np.ndarray]:
    """Return counts ``(event, neuron)`` and, under ``positions``, ``(event,)``: clip by clip, frame by frame."""
    found = {
        name: np.zeros((run_events.height, n), np.int64) for name, n in zip(LAYERS, (6, 6, 4), strict=True)
    }
    found["positions"] = np.zeros(run_events.height, np.int64)
    events = run_events.with_row_index().to_dicts()
    for one in batches(clips, Decoding(model.sample_rate, length=ClipLength(None)), batch_size=1):
        if not len(one.rows):
            continue
        with torch.no_grad():
            first = model.net.first(model.front_end(torch.from_numpy(one.waveforms)))
            act = model.net.act(first)
            values = dict(zip(LAYERS, (first, act, model.net.second(act)), strict=True))
        own = [event for event in events if event["row"] == int(one.rows[0])]
        for event in own:
            others = [other for other in own if other["label"] != event["label"]]
            for frame in range(first.shape[2]):
                time = (frame + 0.5) * 0.01
                inside = [event["onset_s"] <= time < event["offset_s"]]
                covered = any(other["onset_s"] <= time < other["offset_s"] for other in others)
                if inside[0] and not (alone and covered):
                    found["positions"][event["index"]] += 1
                    for name, value in values.items():
                        found[name][event["index"]] += (value[0, :, frame] > 0).numpy()
    return found


@pytest.mark.parametrize("policy", ["all", "alone"])
def test_counts_by_event_equal_a_slow_derivation(tmp_path: Path, model: AudioModel, policy: str) -> None:
    clips = with_events(make_clips(11, lengths_s=(1.0, 0.6, 1.0), broken=(4,)))
    run = record(model, clips, tmp_path / "run", CONFIG.model_copy(update={"events": policy}))
    table = event_counts.table(run)
    assert table["row"].is_sorted() and table.height == 40
    expected = by_hand(model, clips, table, policy == "alone")
    for name in LAYERS:
        np.testing.assert_array_equal(event_counts.counts(run, name), expected[name])
        np.testing.assert_array_equal(event_counts.positions(run, name), expected["positions"])
    some = event_counts.counts(run, "act", slice(2, 4))
    np.testing.assert_array_equal(some, expected["act"][:, 2:4])
    assert (expected["positions"][table["row"].to_numpy() == 4] == 0).all(), "a failed clip has no positions"
    assert event_counts.policy(run) == policy and event_counts.layers(run) == LAYERS
    assert run.manifest["events"]["layers_left_out"].keys() == {"logits"}
    notes = read_stage(open_run(run.root), "record")["notes"]  # type: ignore[index]
    assert notes["events"] == 40
    assert notes["events_counted"] == dict.fromkeys(LAYERS, int((expected["positions"] > 0).sum()))
    assert not (run.root / "blocks").exists()


def test_long_clips_count_each_position_once(tmp_path: Path) -> None:
    clips = with_events(make_clips(9, lengths_s=(1.0, 3.3, 0.4)), seconds=3.2)
    windows = make_model(ClipLength(1.0, long="windows", overlap=0.5))
    run = record(windows, clips, tmp_path / "windows", CONFIG.model_copy(update={"layers": ("act",)}))
    whole = record(make_model(ClipLength(None)), clips, tmp_path / "whole", CONFIG)
    assert event_counts.counts(whole, "act").any()
    np.testing.assert_array_equal(event_counts.counts(run, "act"), event_counts.counts(whole, "act"))
    np.testing.assert_array_equal(event_counts.positions(run, "act"), event_counts.positions(whole, "act"))


def test_one_event_over_the_whole_clip_is_the_count_of_the_clip(tmp_path: Path, model: AudioModel) -> None:
    clips = make_clips(7)
    table = pl.DataFrame({"row": range(7), "onset_s": [0.0] * 7, "offset_s": [1.0] * 7, "label": ["x"] * 7})
    run = record(model, replace(clips, events=table), tmp_path / "run", CONFIG)
    for name in LAYERS:
        np.testing.assert_array_equal(event_counts.counts(run, name), run.counts(name))
        np.testing.assert_array_equal(event_counts.positions(run, name), run.positions(name))


def test_memory_is_bounded_and_files_of_any_size_give_the_same_bytes(
    tmp_path: Path, model: AudioModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = with_events(make_clips(11, lengths_s=(1.0, 2.3)), 60, 2.0)
    windows = make_model(ClipLength(1.0, long="windows", overlap=0.5))
    plain = record(windows, clips, tmp_path / "plain", CONFIG)
    monkeypatch.setattr(event_blocks, "MOST_BYTES", 1)
    assert bytes_of(record(windows, clips, tmp_path / "often", CONFIG).root) == bytes_of(plain.root)


def test_a_stopped_recording_ends_with_the_same_bytes(
    tmp_path: Path, model: AudioModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = with_events(make_clips(23))
    straight = record(model, clips, tmp_path / "straight", CONFIG)
    monkeypatch.setattr(event_blocks, "MOST_BYTES", 1)  # another cut into files, of which some stay behind
    original, calls = arrays.write_rows, 0

    def full(path: Path, start: int, rows: np.ndarray, opened: object = None) -> None:
        nonlocal calls
        calls += 1
        if calls in (12, 40, 60):
            raise StoreError("No space left")
        original(path, start, rows, opened)

    monkeypatch.setattr(arrays, "write_rows", full)
    for _ in range(3):
        with pytest.raises(StoreError):
            record(model, clips, tmp_path / "run", CONFIG)
    assert bytes_of(record(model, clips, tmp_path / "run", CONFIG).root) == bytes_of(straight.root)


def test_events_without_an_end_are_stated_and_not_counted(tmp_path: Path, model: AudioModel) -> None:
    table = pl.DataFrame({"row": [0, 1], "onset_s": [0.1, 0.1], "offset_s": [None, 0.5], "label": ["a", "a"]})
    run = record(model, replace(make_clips(3), events=table), tmp_path / "run", CONFIG)
    assert event_counts.positions(run, "act").tolist() == [0, 40]
    assert read_stage(run, "record")["notes"]["events_without_end"] == 1  # type: ignore[index]
    assert event_counts.table(run)["offset_s"].to_list() == [None, 0.5]


def test_what_cannot_be_counted_is_refused(tmp_path: Path, model: AudioModel) -> None:
    clips = with_events(make_clips(3))
    with pytest.raises(InputError, match=r"carries no events, so nothing can be counted by event"):
        record(model, make_clips(3), tmp_path / "none", CONFIG)
    with pytest.raises(InputError, match=r"none of the layers logits has positions in time"):
        record(model, clips, tmp_path / "flat", CONFIG.model_copy(update={"layers": ("logits",)}))
    run = record(model, clips, tmp_path / "run", CONFIG)
    with pytest.raises(
        StageError, match=r"'logits' has no counts by event: it has one position.*first, act, second"
    ):
        event_counts.counts(run, "logits")
    with pytest.raises(UnknownNameError, match="act"):
        event_counts.positions(run, "acts")
    plain = record(model, clips, tmp_path / "plain", CONFIG.model_copy(update={"events": "none"}))
    assert "events" not in plain.manifest and "events" not in plain.manifest["record"]
    assert event_counts.policy(plain) == "none" and event_counts.layers(plain) == ()
    with pytest.raises(StageError, match="counted nothing by event: record with --count-events"):
        event_counts.table(plain)


def test_other_events_are_another_recording(tmp_path: Path, model: AudioModel) -> None:
    clips = with_events(make_clips(3))
    record(model, clips, tmp_path / "run", CONFIG)
    moved = replace(clips, events=clips.events.with_columns(pl.col("onset_s") + 0.01))  # type: ignore[union-attr]
    with pytest.raises(StageError, match="differs in events"):
        record(model, moved, tmp_path / "run", CONFIG)


def test_alone_keeps_overlaps_of_one_label() -> None:
    when = Schedule(
        np.array([0, 3]),
        np.array([0.0, 0.2, 0.5]),
        np.array([0.4, 0.6, 0.8]),
        np.array([0, 0, 1]),
        alone=True,
    )
    events, member = when.members(0, np.arange(10) / 10)
    assert events.tolist() == [0, 1, 2]
    assert [np.flatnonzero(one).tolist() for one in member] == [[0, 1, 2, 3], [2, 3, 4], [6, 7]]


TOKENS = Geometry("BNC", 2, 3, 10, "time-major", 0.1, 0.05, (100.0, 200.0, 400.0))


def test_special_tokens_are_counted_where_asked_and_pooled_nowhere() -> None:
    output = torch.randn(3, 32, 5, generator=torch.Generator().manual_seed(8))
    sounds = batch([100, 60, 100])
    plain = reduce_batch(output, TOKENS, sounds, RATE, wanted())
    found = reduce_batch(output, TOKENS, sounds, RATE, wanted(special_tokens=True))
    assert found.positives is not None and plain.positives is not None
    prefix = (output[:, :2] > 0).sum(dim=1)
    assert torch.equal(found.positives, plain.positives + prefix)
    assert found.counted.tolist() == [32, 20, 32] and plain.counted.tolist() == [30, 18, 30]
    assert torch.equal(found.pooled, plain.pooled)
    none = reduce_batch(
        output[:, 2:].permute(0, 2, 1)[..., None],
        Geometry("BCTF", 0, 1, 30),
        sounds,
        RATE,
        wanted(special_tokens=True),
    )
    assert none.counted.tolist() == [30, 30, 30], "a layer without special tokens has none to count"


def test_padding_is_pooled_and_counted_where_asked() -> None:
    output = torch.randn(3, 5, 3, 10, generator=torch.Generator().manual_seed(9))
    sounds = batch([100, 60, 100])
    plain = reduce_batch(output, GRID, sounds, RATE, wanted())
    found = reduce_batch(output, GRID, sounds, RATE, wanted(padding=True))
    assert plain.counted.tolist() == [30, 18, 30] and found.counted.tolist() == [30, 30, 30]
    assert found.positives is not None
    assert torch.equal(found.positives, (output > 0).sum(dim=(2, 3)).float())
    torch.testing.assert_close(found.pooled, output.mean(dim=(2, 3)))
    assert (found.evidence.peak_s[found.evidence.clip == 1] < 0.6).all(), (
        "peaks are those of the clip's own sound"
    )
    assert torch.equal(found.evidence.trace, plain.evidence.trace)


def test_windows_of_a_long_clip_hold_no_padding() -> None:
    output = torch.randn(2, 5, 3, 10, generator=torch.Generator().manual_seed(10))
    sounds = batch([100, 100], rows=[0, 0], starts=[0.0, 0.5])
    sounds.keep_s[:] = [[0.0, 0.75], [0.75, 1.5]]
    plain = reduce_batch(output, GRID, sounds, RATE, wanted())
    found = reduce_batch(output, GRID, sounds, RATE, wanted(padding=True))
    assert torch.equal(found.pooled, plain.pooled) and torch.equal(found.positions, plain.positions)


def test_choices_of_counting_stand_in_the_run(tmp_path: Path, model: AudioModel) -> None:
    clips = make_clips(4, lengths_s=(1.0, 0.5))
    choices = {"events": "none", "padding": "include", "special_tokens": "include"}
    run = record(model, clips, tmp_path / "run", CONFIG.model_copy(update=choices))
    assert (
        run.manifest["record"]["padding"] == "include"
        and run.manifest["record"]["special_tokens"] == "include"
    )
    assert run.positions("act").tolist() == [100] * 4
    short = record(model, clips, tmp_path / "short", CONFIG.model_copy(update={"events": "none"}))
    assert short.positions("act").tolist() == [100, 50, 100, 50]
    assert not {"padding", "special_tokens"} & set(short.manifest["record"])
    with pytest.raises(InputError, match="padding is digital silence"):
        RecordConfig(padding="include", skip_silence=True)


def test_the_preset_counts_padding_and_special_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = ["--data", "sounds:?n=2&duration_s=0.5", "--out", str(tmp_path / "run")]
    monkeypatch.setattr("otoscope.cli.options.open_network", lambda model, device: small_transformer())
    assert call(["record", "small", *sounds, "--preset", "aape-2026", "--quiet"]) == 0
    chosen = open_run(tmp_path / "run").manifest["record"]
    assert (chosen["padding"], chosen["special_tokens"], chosen["pooling"]) == ("include", "include", "mean")


def small_transformer() -> AudioModel:
    return transformer.build(("a", "b"), dim=8, hidden=16, depth=1, heads=2)


def test_what_is_written_stands_on_the_page(tmp_path: Path, model: AudioModel) -> None:
    run = record(model, with_events(make_clips(3)), tmp_path / "run", CONFIG)
    documented = without_maps(table_names(PAGES / "events.md", "run.json"))
    assert set(keys({"events": run.manifest["events"]}, ("events.layers_left_out",))) == documented
    marker = read_stage(run, "record")
    assert marker is not None and marker["inputs"]["events"] == run.manifest["events"]["hash"]
    named = without_maps(table_names(PAGES / "events.md", "Notes of stages/record.json"))
    written = set(keys({"notes": marker["notes"]}, ("notes.events_counted",)))
    assert {one for one in written if one.startswith("notes.events")} == named
    assert set(COUNTING) == set(table_names(PAGES / "run.md", "record, where it is not the default"))
    assert {"event_counts", "event_positions.zarr"} <= set(marker["outputs"])
