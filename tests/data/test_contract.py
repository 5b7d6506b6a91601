"""What every dataset loader promises: the table of loaders is walked, each opens a small collection of its layout."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from otoscope.data import DATASETS, open_data, reopen
from otoscope.data.clips import STANDARD, Clips
from otoscope.data.decode import Decoding, batches
from otoscope.errors import InputError, OtoscopeError, StageError
from tests.data import shards
from tests.data.layouts import BUILDERS

FIXTURES = {
    "esc50": "esc_root",
    "esc10": "esc_root",
    "urbansound8k": "urban_root",
    "gtzan": "gtzan_root",
    "fsdd": "digits",
    "folder": "labelled_folder",
    "csv": "table",
    "hub": "hub_folder",
    "tar": "tar_shards",
    "parquet": "parquet_files",
    "sounds": "number",
    "notes": "instrument",
    "mix": "mixed",
    "contaminated": "folded",
}


@pytest.fixture
def number() -> str:
    return "7"


@pytest.fixture
def mixed(tmp_path: Path, tone) -> str:
    for name in ("dog/a", "dog/b", "cat/a"):
        tone(tmp_path / "mixed" / f"{name}.wav")
    return f"folder:{tmp_path / 'mixed'}?n=3&duration_s=1&max_part_s=0.4"


@pytest.fixture
def folded() -> str:
    return "sounds:%3Fn=10%26kinds=rain,siren%26duration_s=0.2?per_clip=1"


@pytest.fixture
def instrument() -> str:
    return "pluck?low=60&high=62&takes=2&duration_s=0.2"


@pytest.fixture
def digits(tmp_path: Path, tone) -> Path:
    for name in ("0_theo_0", "0_theo_7", "1_jackson_1"):
        tone(tmp_path / "digits" / "recordings" / f"{name}.wav")
    return tmp_path / "digits"


@pytest.fixture
def table(labelled_folder: Path) -> Path:
    rows = "path,label,start_s,end_s\ndog/a.wav,d,0.1,0.3\ndog/a.wav,d,0.3,0.5\ncat/b.wav,c,,\n"
    (labelled_folder / "table.csv").write_text(rows)
    return labelled_folder / "table.csv"


@pytest.fixture
def hub_folder(labelled_folder: Path, tmp_path: Path) -> Path:
    datasets = pytest.importorskip("datasets", reason="the extra 'hub' is not installed")
    cells = [
        {"bytes": one.read_bytes(), "path": one.name} for one in sorted((labelled_folder / "cat").iterdir())
    ]
    datasets.Dataset.from_dict({"audio": cells, "label": ["a", "b"]}).save_to_disk(str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def tar_shards(labelled_folder: Path, tmp_path: Path) -> str:
    return shards.tar(labelled_folder, tmp_path / "shards")


@pytest.fixture
def parquet_files(labelled_folder: Path, tmp_path: Path) -> str:
    pytest.importorskip("pyarrow")
    return shards.parquet(labelled_folder, tmp_path / "parts")


@pytest.fixture(params=sorted(DATASETS))
def clips(request: pytest.FixtureRequest, tmp_path: Path) -> Clips:
    """Return the small collection of one loader; a loader without one is an error here."""
    if request.param in BUILDERS:
        return open_data(f"{request.param}:{BUILDERS[request.param](tmp_path)}")
    return open_data(f"{request.param}:{request.getfixturevalue(FIXTURES[request.param])}")


def test_the_table_has_the_standard_form(clips: Clips) -> None:
    assert clips.name == clips.spec.partition(":")[0] and clips.name in DATASETS
    assert clips.table.columns[: len(STANDARD)] == list(STANDARD)
    assert clips.table["row"].to_list() == list(range(len(clips))) and len(clips) >= 1
    assert clips.table["id"].n_unique() == len(clips) and clips.table["group"].null_count() == 0
    for name, kind in (("id", pl.String), ("group", pl.String), ("fold", pl.Int64), ("split", pl.String)):
        assert clips.table.schema[name] == kind
    assert not any(Path(one).is_absolute() or ".." in Path(one).parts for one in clips.table["id"])


def test_labels_are_classes(clips: Clips) -> None:
    assert clips.label_sets
    for one in clips.label_sets:
        assert set(clips.table[one.name].drop_nulls().explode().to_list()) <= set(one.classes)
        assert len(clips.targets(one.name)) == len(clips)


def test_the_spec_opens_the_same_clips(clips: Clips) -> None:
    again = open_data(clips.spec)
    assert again.table.equals(clips.table) and again.content_hash() == clips.content_hash()
    assert again.label_sets == clips.label_sets and again.source == clips.source


def test_every_sound_is_read_in_any_process(clips: Clips) -> None:
    here, there = ({}, {})
    for workers, heard in ((0, here), (1, there)):
        for batch in batches(clips, Decoding(16000), workers=workers, batch_size=2):
            assert not batch.failures
            heard.update(zip(batch.rows.tolist(), batch.waveforms, strict=True))
    assert sorted(here) == list(range(len(clips)))
    for row, wave in here.items():
        np.testing.assert_array_equal(there[row], wave)
    waveform, rate = clips.source.read(clips.record(0))
    assert waveform.dtype == np.float32 and waveform.ndim == 2 and rate > 0
    assert all(clips.source.size(clips.record(row)) > 0 for row in range(len(clips)))


def test_a_source_travels_and_is_opened_again_by_a_run(clips: Clips, tmp_path: Path) -> None:
    run = run_of(clips, tmp_path / "runs" / "one")
    kept = run.manifest["data"]
    assert kept["source"] and not any(str(tmp_path) in str(one) for one in kept["source"].values())
    added = clips.table.with_columns(duration_s=pl.lit(1.0), status=pl.lit("ok"))
    run.clips = lambda: added
    again = reopen.reopen(run)  # type: ignore[arg-type]
    assert again.content_hash() == clips.content_hash() and again.table.equals(clips.table)
    sources = (again.source, pickle.loads(pickle.dumps(clips.source)))  # noqa: S301  (how workers may get it)
    for source in sources:
        np.testing.assert_array_equal(source.read(clips.record(0))[0], clips.source.read(clips.record(0))[0])


@pytest.mark.parametrize("scheme", sorted(set(DATASETS) - {"sounds", "notes", "hub", "mix", "contaminated"}))
def test_what_is_not_there_is_said(scheme: str, tmp_path: Path) -> None:
    with pytest.raises(OtoscopeError, match=r"there is no (folder|table|shard) .*nowhere"):
        open_data(f"{scheme}:{tmp_path / 'nowhere'}")


def run_of(clips: Clips, root: Path) -> SimpleNamespace:
    """Return what :func:`otoscope.data.reopen.reopen` needs of a run."""
    root.mkdir(parents=True, exist_ok=True)
    kept = json.loads(json.dumps(reopen.describe(clips, root)))
    return SimpleNamespace(root=root, manifest={"data": kept}, clips=lambda: clips.table)


def test_a_collection_that_was_moved_is_opened_where_it_is(labelled_folder: Path, tmp_path: Path) -> None:
    clips = open_data(f"folder:{labelled_folder}").take([3, 0, 1])
    run = run_of(clips, tmp_path / "run")
    labelled_folder.rename(tmp_path / "elsewhere")
    with pytest.raises(
        StageError, match=r"the sounds of folder:.*sounds are no longer at .*sounds: .*--data"
    ):
        reopen.reopen(run)  # type: ignore[arg-type]
    again = reopen.reopen(run, open_data(f"folder:{tmp_path / 'elsewhere'}"))  # type: ignore[arg-type]
    assert again.table.equals(clips.table) and again.source.read(again.record(0))[1] == 8000


def test_another_collection_is_no_moved_one(labelled_folder: Path, tmp_path: Path, tone) -> None:
    run = run_of(open_data(f"folder:{labelled_folder}"), tmp_path / "run")
    tone(labelled_folder / "dog" / "a.wav", seconds=0.7)
    with pytest.raises(InputError, match=r"but a file's size, a segment or a label has changed since"):
        reopen.reopen(run, open_data(f"folder:{labelled_folder}"))  # type: ignore[arg-type]
    (labelled_folder / "dog" / "a.wav").unlink()
    with pytest.raises(
        InputError, match=r"lacks 1 of the 5 clips of .*, such as 'dog/a.wav': name the collection"
    ):
        reopen.reopen(run, open_data(f"folder:{labelled_folder}"))  # type: ignore[arg-type]
