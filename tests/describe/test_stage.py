"""The describe stage: a table and a marker in a run folder made by hand, and what is said when something is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.describe import recorded
from otoscope.describe.config import DescribeConfig
from otoscope.describe.recorded import Stored
from otoscope.describe.stage import config_type, describe
from otoscope.errors import EmptyDataError, InputError, StageError, UnknownNameError
from otoscope.record.config import RecordConfig
from otoscope.store import arrays, tables
from otoscope.store import run as runs
from otoscope.store.run import Run, file_name

WORDS = ["hollow knocking", "bright whistle", "deep rumble", "soft rustling", "sharp click", "steady hum"]
WIDTHS = {"net.0": 9, "logits": 6}
FAST = {"encoder": "lexical", "permutations": 30, "replicates": 30}


def make_run(root: Path, declared: bool = True) -> Run:
    """Return a run of 60 clips from 30 sources; neuron i of each layer follows word i."""
    rng = np.random.default_rng(0)
    kind = np.repeat(rng.integers(0, 6, 30), 2)
    layers = [{"name": name, "n_neurons": width, "pooling": "mean"} for name, width in WIDTHS.items()]
    data = {"spec": "made:", "hash": "0", "n_clips": 60, "group_declared": declared, "label_sets": []}
    run = runs.create(root, {"model": {"spec": "made:"}, "data": data, "layers": layers, "seed": 0})
    clips = {
        "row": range(60),
        "id": [f"{n}.wav" for n in range(60)],
        "group": [f"g{n // 2}" for n in range(60)],
    }
    status = ["failed" if n == 7 else "ok" for n in range(60)]
    tables.write(root / "clips.parquet", pl.DataFrame({**clips, "status": status, "kind": kind % 2}))
    for name, width in WIDTHS.items():
        values = rng.normal(size=(60, width)) + 3.0 * (kind[:, None] == np.arange(width))
        values = np.maximum(values, 0) if name == "net.0" else values
        values[7] = np.nan
        path = root / "activations" / f"{file_name(name)}.zarr"
        arrays.create_array(path, (60, width), "float32", 20)
        arrays.write_rows(path, 0, values.astype(np.float32))
    signed = [False] * 9 + [True] * 6
    tables.write(root / "neurons.parquet", pl.DataFrame({"neuron": range(15), "signed": signed}))
    texts = [WORDS[one] for one in kind]
    texts[11] = None
    said = pl.DataFrame(
        {"row": range(60), "text": texts, "status": ["failed" if t is None else "ok" for t in texts]}
    )
    tables.write(root / "captions" / "words-1234.parquet", said)
    runs.commit_stage(
        run, "caption-words-1234", 1, {}, {}, ["captions/words-1234.parquet"], {"circular": False}
    )
    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_run(tmp_path / "run")


@pytest.fixture
def config(tmp_path: Path) -> DescribeConfig:
    (tmp_path / "words.txt").write_text("\n".join([*WORDS, "violin melody", "engine noise"]))
    return DescribeConfig(captions="words", concepts=f"file:{tmp_path / 'words.txt'}", **FAST)


def test_a_table_and_two_markers(run: Run, config: DescribeConfig) -> None:
    name = describe(run, config)
    table = run.table("descriptions", name)[1]
    assert name.startswith("db-") and table.height == 9 + 2 * 6
    assert table["neuron"].unique().sort().to_list() == list(range(15))
    assert set(table["layer"]) == set(WIDTHS)
    right = [
        row["concept"] == WORDS[row["index"]] for row in table.filter(pole="high", layer="logits").to_dicts()
    ]
    assert np.mean(right) >= 0.8
    assert (table["n_describe"] + table["n_score"] == 58).all()
    marker = runs.read_stage(run, f"describe-{name}")
    assert marker["outputs"] == [f"descriptions/{name}.parquet"]
    assert marker["notes"]["descriptions"] == 21 and marker["notes"]["top_k"] == 3
    assert marker["config"]["captions"] == "words-1234" and marker["config"]["concepts"][0] == WORDS[0]
    assert runs.read_stage(run, "describe")["outputs"] == [f"descriptions/{name}.parquet"]
    assert '"event": "describe"' in (run.root / "log.jsonl").read_text()


def test_methods_are_a_table(run: Run) -> None:
    assert config_type("db") is DescribeConfig
    with pytest.raises(UnknownNameError, match=r"unknown describing method 'dab'\. Did you mean 'db'"):
        describe(run, method="dab")
    with pytest.raises(InputError, match="'db' takes a DescribeConfig as config, got a RecordConfig"):
        describe(run, RecordConfig())


def test_q_is_over_the_run(run: Run, config: DescribeConfig) -> None:
    whole = run.table("descriptions", describe(run, config))[1]
    alone = run.table("descriptions", describe(run, config.model_copy(update={"layers": ("logits",)})))[1]
    assert set(alone["layer"]) == {"logits"}
    assert whole.filter(layer="logits")["p"].equals(alone["p"])
    assert not whole.filter(layer="logits")["q"].equals(alone["q"])


def test_done_is_not_done_again(run: Run, config: DescribeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    name = describe(run, config)
    other = describe(run, config.model_copy(update={"seed": 1}))
    assert other != name
    monkeypatch.setattr(recorded, "describe_layers", None)
    assert describe(run, config.model_copy(update={"block": 7})) == name
    assert runs.read_stage(run, "describe")["config"] == {"name": name}  # what was asked for last


def test_same_bytes_again_and_in_blocks(run: Run, config: DescribeConfig, tmp_path: Path) -> None:
    name = describe(run, config)
    again = make_run(tmp_path / "again")
    assert describe(again, config) == name
    path = f"descriptions/{name}.parquet"
    assert (again.root / path).read_bytes() == (run.root / path).read_bytes()


def test_layers_too_large_for_memory_are_read_in_columns(
    run: Run, config: DescribeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Stored(run, "logits", (60, 6))
    monkeypatch.setattr(recorded, "_HELD_IN_MEMORY", 1)
    sliced = Stored(run, "logits", (60, 6))
    assert sliced._whole is None
    assert np.array_equal(sliced[:, 2:4], whole[:, 2:4], equal_nan=True)
    assert run.table("descriptions", describe(run, config))[1].height == 21


def test_flags_of_captions_and_groups(tmp_path: Path, config: DescribeConfig) -> None:
    run = make_run(tmp_path / "undeclared", declared=False)
    runs.commit_stage(
        run, "caption-words-1234", 1, {}, {}, ["captions/words-1234.parquet"], {"circular": True}
    )
    flags = run.table("descriptions", describe(run, config))[1]["flags"]
    assert flags.str.contains("groups-undeclared").all()
    assert flags.str.contains("circular-captions").all()


def test_other_captions_may_score(run: Run, config: DescribeConfig) -> None:
    said = run.table("captions", "words")[1]
    tables.write(run.root / "captions" / "other-1.parquet", said)
    scored = config.model_copy(update={"score_captions": "other"})
    flags = run.table("descriptions", describe(run, scored))[1]["flags"]
    assert not flags.str.contains("circular-scorer").any()
    assert run.table("descriptions", describe(run, config))[1]["flags"].str.contains("circular-scorer").all()


def test_strata_are_a_column_of_the_clips(run: Run, config: DescribeConfig) -> None:
    assert describe(run, config.model_copy(update={"strata": "kind"})) != describe(run, config)
    with pytest.raises(UnknownNameError, match=r"unknown column of the clips 'kin'\. Did you mean 'kind'"):
        describe(run, config.model_copy(update={"strata": "kin"}))


def test_what_is_missing_is_said(run: Run, config: DescribeConfig, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown layer 'logit'\. Did you mean 'logits'"):
        describe(run, config.model_copy(update={"layers": ("logit",)}))
    with pytest.raises(UnknownNameError, match=r"unknown table of captions 'acoustic'.*words-1234"):
        describe(run, config.model_copy(update={"captions": "acoustic"}))
    for path in (run.root / "captions").iterdir():
        path.unlink()
    with pytest.raises(StageError, match="holds no captions yet"):
        describe(run, config)


def test_a_run_without_pooled_activations(run: Run, config: DescribeConfig) -> None:
    for path in sorted((run.root / "activations").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(StageError, match=r"there is no array .*it was not recorded"):
        describe(run, config)
    assert run.listing("descriptions") == {}


def test_captions_of_no_clip(run: Run, config: DescribeConfig) -> None:
    said = run.table("captions", "words")[1].with_columns(status=pl.lit("failed"))
    tables.write(run.root / "captions" / "words-1234.parquet", said)
    with pytest.raises(EmptyDataError, match="none of 60 clips has a caption"):
        describe(run, config)
