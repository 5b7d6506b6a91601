"""Two recordings merged are one recording of both sets of clips; what does not belong together is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.reopen import labels_of, reopen
from otoscope.errors import InputError, StageError
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.merge import merge
from otoscope.record.stage import record
from otoscope.selectivity.stage import select
from otoscope.store import event_counts
from otoscope.store.run import Run, open_run, read_stage
from tests.docs.pages import table_names
from tests.format.pages import PAGES, keys
from tests.record.conftest import bytes_of, make_clips, make_model
from tests.record.test_events import with_events

CONFIG = RecordConfig(block=4, batch_size=3, workers=0, top_k=3, trace_bins=10, events="all")


@pytest.fixture
def clips() -> Clips:
    return with_events(make_clips(23, lengths_s=(1.0, 0.6), broken=(4, 17)))


def halves(model: AudioModel, clips: Clips, folder: Path, config: RecordConfig, at: int = 8) -> list[Run]:
    """Return the recordings of the first ``at`` clips (whole blocks: the batches of one run) and of the rest."""
    parts = (range(at), range(at, len(clips)))
    return [
        record(model, clips.take(list(rows)), folder / f"part{i}", config) for i, rows in enumerate(parts)
    ]


def test_two_halves_are_one_recording_byte_for_byte(tmp_path: Path, model: AudioModel, clips: Clips) -> None:
    config = CONFIG.model_copy(update={"layers": ("first", "second", "logits")})  # no equal values
    whole = record(model, clips, tmp_path / "whole", config)
    merged = merge(halves(model, clips, tmp_path, config), tmp_path / "merged")
    one, other = bytes_of(whole.root), bytes_of(merged.root)
    assert set(one) == set(other)
    assert {name for name in one if one[name] != other[name]} == {"run.json", "stages/record.json"}
    told, said = whole.manifest, merged.manifest
    assert {name for name in said if told.get(name) != said[name]} == {"data"}
    assert {name for name in said["data"] if told["data"].get(name) != said["data"][name]} == {
        "hash",
        "parts",
    }
    assert [part["n_clips"] for part in said["data"]["parts"]] == [8, 15]
    marker, made = read_stage(whole, "record"), read_stage(merged, "record")
    assert marker is not None and made is not None
    assert made["notes"] == {**marker["notes"], "evidence_clips_missing": 0}
    stamp = (merged.root / "neurons.parquet").stat().st_mtime_ns
    merge([tmp_path / "part0", str(tmp_path / "part1")], tmp_path / "merged")
    assert (merged.root / "neurons.parquet").stat().st_mtime_ns == stamp, "done already"


@pytest.mark.parametrize(
    "changes", [{"store": "topk"}, {"dtype": "float16"}, {"counts": "none", "events": "none"}]
)
def test_other_stores_give_the_same_numbers(
    tmp_path: Path, model: AudioModel, clips: Clips, changes: dict[str, str]
) -> None:
    config = CONFIG.model_copy(update=changes)
    whole = record(model, clips, tmp_path / "whole", config)
    merged = merge(halves(model, clips, tmp_path, config), tmp_path / "merged")
    a, b = whole.neurons(), merged.neurons()
    for name in a.columns:
        if a[name].dtype == pl.Float64:
            np.testing.assert_allclose(
                b[name].to_numpy(), a[name].to_numpy(), rtol=1e-9, atol=1e-12, err_msg=name
            )
        else:
            assert a[name].equals(b[name]), name
    one, other = bytes_of(whole.root), bytes_of(merged.root)
    differ = {name for name in one if one[name] != other.get(name)}
    assert {name for name in differ if not name.startswith("evidence/")} <= {
        "run.json",
        "stages/record.json",
        "neurons.parquet",
    }
    for layer in whole.layers:
        found = merged.evidence(layer.name)
        for name, values in whole.evidence(layer.name).items():
            if name.endswith("values") or name.startswith("histogram") or layer.name != "act":
                np.testing.assert_allclose(found[name], values, rtol=1e-6, err_msg=name)


def test_three_merged_two_by_two_and_at_once(tmp_path: Path, model: AudioModel, clips: Clips) -> None:
    parts = [clips.take(list(rows)) for rows in (range(7), range(7, 15), range(15, 23))]
    runs = [record(model, part, tmp_path / f"part{i}", CONFIG) for i, part in enumerate(parts)]
    at_once = merge(runs, tmp_path / "once")
    in_turn = merge([merge(runs[:2], tmp_path / "two"), runs[2]], tmp_path / "turn")
    assert bytes_of(at_once.root) == bytes_of(in_turn.root)


def test_counts_add_up(tmp_path: Path, model: AudioModel, clips: Clips) -> None:
    a, b = halves(model, clips, tmp_path, CONFIG)
    merged = merge([a, b], tmp_path / "merged")
    np.testing.assert_array_equal(merged.counts("act"), np.concatenate([a.counts("act"), b.counts("act")]))
    np.testing.assert_array_equal(
        merged.positions("act"), np.concatenate([a.positions("act"), b.positions("act")])
    )
    labels = [run.clips()["label"].to_numpy() for run in (a, b, merged)]
    for name in ("even", "odd"):
        sums = [
            run.counts("act")[own == name].sum(axis=0)
            for run, own in zip((a, b, merged), labels, strict=True)
        ]
        np.testing.assert_array_equal(sums[0] + sums[1], sums[2])
    own = [event_counts.counts(run, "act") for run in (a, b, merged)]
    np.testing.assert_array_equal(np.concatenate(own[:2]), own[2])
    table = event_counts.table(merged)
    assert table["row"].is_sorted() and table.filter(pl.col("row") >= 8).height == len(own[1])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"dtype": "float16"}, r"record\.dtype \(float32, float16\)"),
        ({"pooling": "max"}, r"record\.pooling \(mean, max\)"),
        ({"layers": ("act",)}, r"layers \(\["),
        ({"skip_silence": True}, r"record\.skip_silence \(false, true\)"),
        ({"padding": "include"}, r"record\.padding \(null, include\)"),
        ({"events": "alone"}, r"record\.events \(all, alone\)"),
        ({"top_k": 2}, r"record\.top_k \(3, 2\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_other_choices_are_refused(
    tmp_path: Path, model: AudioModel, clips: Clips, changes: dict[str, object], said: str
) -> None:
    first = record(model, clips.take([0, 1, 2]), tmp_path / "a", CONFIG)
    other = record(model, clips.take([5, 6, 7]), tmp_path / "b", CONFIG.model_copy(update=changes))
    with pytest.raises(InputError, match=rf"cannot be merged: they differ in .*{said}"):
        merge([first, other], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_another_network_or_geometry_is_refused(tmp_path: Path, model: AudioModel, clips: Clips) -> None:
    from otoscope.audio.windows import ClipLength

    first = record(model, clips.take([0, 1, 2]), tmp_path / "a", CONFIG)
    trained = make_model()
    trained.net.head.bias.data += 1
    other = record(trained, clips.take([5, 6, 7]), tmp_path / "b", CONFIG)
    with pytest.raises(InputError, match=r"differ in model\.weights_hash"):
        merge([first, other], tmp_path / "merged")
    longer = record(make_model(ClipLength(2.0, long="crop")), clips.take([5, 6, 7]), tmp_path / "c", CONFIG)
    with pytest.raises(InputError, match=r"model\.clip_length.*geometry of first"):
        merge([first, longer], tmp_path / "merged")


def test_the_same_clip_twice_and_unfinished_runs_are_refused(
    tmp_path: Path, model: AudioModel, clips: Clips
) -> None:
    first = record(model, clips.take([0, 1, 2]), tmp_path / "a", CONFIG)
    other = record(model, clips.take([2, 3]), tmp_path / "b", CONFIG)
    with pytest.raises(
        InputError, match=r"comes twice: 'clip-2' stands in .*a and .*b \(1 clips have the id"
    ):
        merge([first, other], tmp_path / "merged")
    with pytest.raises(InputError, match="comes twice"):
        merge([first, first], tmp_path / "merged")
    with pytest.raises(InputError, match="two runs or more, got 1"):
        merge([first], tmp_path / "merged")
    (other.root / "stages" / "record.json").unlink()
    with pytest.raises(StageError, match="not recorded to its end"):
        merge([first, other], tmp_path / "merged")


def test_label_sets_are_joined(tmp_path: Path, model: AudioModel) -> None:
    one, other = make_clips(4), make_clips(8).take([4, 5, 6, 7])
    table = other.table.rename({"label": "pitch"})
    sets = (replace(other.label_sets[0], name="pitch"),)
    config = CONFIG.model_copy(update={"events": "none"})
    runs = [
        record(model, one, tmp_path / "a", config),
        record(model, replace(other, table=table, label_sets=sets), tmp_path / "b", config),
    ]
    merged = merge(runs, tmp_path / "merged")
    assert [one.name for one in labels_of(merged).label_sets] == ["label", "pitch"]
    assert merged.clips()["label"].null_count() == 4 and merged.clips()["pitch"].null_count() == 4


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two recordings by the command line of two halves of a folder of sounds, and one of both."""
    from tests.record.test_events import small_transformer

    folder = tmp_path_factory.mktemp("shards")
    made = open_data("sounds:?n=8&kinds=rain,siren&duration_s=0.5")
    from otoscope.audio.write import write

    rows = []
    for row in range(8):
        waveform, rate = made.source.read(made.record(row))
        half = folder / "sounds" / f"half{row % 2}"
        half.mkdir(parents=True, exist_ok=True)
        write(half / f"{row}.flac", waveform, rate, clipping="scale")
        rows.append((f"half{row % 2}/{row}.flac", made.table["kind"][row], row % 2 + 1))
    table = pl.DataFrame(rows, schema=["path", "label", "fold"], orient="row").sort(
        "fold", maintain_order=True
    )
    table.write_csv(folder / "sounds" / "clips.csv")
    clips = open_data(f"csv:{folder / 'sounds' / 'clips.csv'}")
    config = RecordConfig(layers=("blocks.0.mlp.act", "logits"), top_k=2, workers=0)
    network = small_transformer().eval()
    for name, folds in (("whole", None), ("one", "1"), ("two", "2")):
        record(network, clips.select(folds=folds), folder / name, config)
    return folder


def test_sounds_of_shards_are_found_and_later_stages_run(shards: Path, tmp_path: Path) -> None:
    assert (
        call(["merge", str(shards / "one"), str(shards / "two"), "--out", str(shards / "merged"), "--quiet"])
        == 0
    )
    merged, whole = open_run(shards / "merged"), open_run(shards / "whole")
    a, b = bytes_of(whole.root), bytes_of(merged.root)
    assert {name for name in a if a[name] != b.get(name)} == {"run.json", "stages/record.json"}
    assert any(name.startswith("evidence/clips/") for name in b)
    clips = reopen(merged)
    assert clips.source.read(clips.record(5))[1] == made_rate(shards)
    again = open_data(f"csv:{shards / 'sounds' / 'clips.csv'}")
    assert len(reopen(merged, again)) == 8
    changed = replace(again, table=again.table.with_columns(label=pl.lit("rain")))
    with pytest.raises(InputError, match="has changed since"):
        reopen(merged, changed)
    options = {"n_permutations": 20, "n_chance": 0, "n_splits": 0}
    assert select(merged, options).partition("-")[0] == select(whole, options).partition("-")[0] == "auroc"


def made_rate(shards: Path) -> int:
    return int(open_run(shards / "whole").clips()["sample_rate"][0])


def test_two_folders_get_one_root(tmp_path: Path, shards: Path) -> None:
    from tests.record.test_events import small_transformer

    network = small_transformer().eval()
    config = RecordConfig(layers=("blocks.0.mlp.act",), top_k=2, workers=0)
    runs = [
        record(network, open_data(f"folder:{shards / 'sounds' / half}?levels=-"), tmp_path / half, config)
        for half in ("half0", "half1")
    ]
    merged = merge(runs, tmp_path / "merged")
    clips = reopen(merged)
    assert clips.table["path"][0].startswith("half0/") and clips.table["id"][0] == "0.flac"
    assert clips.source.read(clips.record(7))[0].shape[1] > 0
    assert merged.manifest["data"]["spec"].count(" + ") == 1
    (tmp_path / "half1" / "evidence" / "clips").rename(tmp_path / "gone")
    again = merge(runs, tmp_path / "again")
    assert bytes_of(again.root)["evidence/clips/7.mp3"] == bytes_of(merged.root)["evidence/clips/7.mp3"]
    assert read_stage(again, "record")["notes"]["evidence_clips_missing"] == 0  # type: ignore[index]


def test_what_a_merged_run_adds_stands_on_the_page(shards: Path) -> None:
    merged = merge([shards / "one", shards / "two"], shards / "documented")
    documented = set(table_names(PAGES / "run.md", "Merged runs"))
    data = merged.manifest["data"]
    assert set(keys({"data": {"hash": data["hash"], "parts": data["parts"]}})) == documented
