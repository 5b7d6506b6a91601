"""Comparing runs of networks whose difference is known: equal, with neurons in another order, and blind ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from otoscope.caption.stage import caption
from otoscope.data.clips import Clips
from otoscope.describe.stage import describe
from otoscope.errors import EmptyDataError, FormatError, InputError, StageError, UnknownNameError
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run
from otoscope.study.compare.config import CompareConfig
from otoscope.study.compare.halving import blocks, jackknife, split
from otoscope.study.compare.sides import aligned
from otoscope.study.compare.stage import compare, read
from tests.ablate.conftest import CLASSES, Known, make_clips, make_model

ORDER = [3, 0, 5, 1, 4, 2]
FAST = {
    "blocks": 4, "splits": 2, "deals": 2, "probe_folds": 3, "replicates": 50, "plots": False,
    "selection": {"n_permutations": 40, "n_chance": 2},
}  # fmt: skip


def another(order: list[int], noise: float = 0.0) -> AudioModel:
    """The known network with its neurons in another order, or with weights that hear nothing in particular."""
    model = make_model(Known())
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        model.net.first.weight.copy_(model.net.first.weight[order])
        model.net.head.weight.copy_(model.net.head.weight[:, order])
        if noise:
            shape = model.net.first.weight.shape
            model.net.first.weight.copy_(noise * torch.randn(shape, generator=rng))
    return model


def recorded(root: Path, model: AudioModel, clips: Clips | None = None) -> Run:
    layers = ("first", "act", "logits")
    return record(
        model, clips or make_clips(), root, RecordConfig(workers=0, evidence_clips=0, layers=layers)
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        "known": recorded(folder / "known", make_model(Known())),
        "same": recorded(folder / "same", make_model(Known())),
        "turned": recorded(folder / "turned", another(ORDER)),
        "blind": recorded(folder / "blind", another(list(range(6)), noise=1.0)),
    }


def only(table: pl.DataFrame, **equal: str) -> dict:
    found = table.filter(**equal).to_dicts()
    assert len(found) == 1, found
    return found[0]


def test_a_run_and_its_copy_do_not_differ(runs: dict[str, Run], tmp_path: Path) -> None:
    found = compare([runs["known"], runs["same"]], tmp_path / "out", FAST)
    assert found.content["shared"]["clips"] == 24 and found.content["groups"] == 12
    assert set(found.content["not_made"]) == {"descriptions"}
    differences = found.tables["differences"]
    for column in ("difference", "low", "high"):
        assert (differences[column].drop_nulls() == 0).all()
    overlap = found.tables["overlap"].to_dicts()[0]
    assert overlap["pair_jaccard"] == 1 and overlap["across_halves"] == pytest.approx(overlap["ceiling"])
    row = only(found.tables["alignment"], layer_first="act")
    assert row["same_index_r"] == pytest.approx(1) and row["matched_r"] > 0.99 > row["matched_floor"]
    assert row["profile_same_index"] == pytest.approx(row["profile_ceiling"])
    cka = only(found.tables["cka"], layer_first="first", layer_second="first")
    assert cka["cka"] == pytest.approx(1) and cka["low"] == pytest.approx(1) and cka["floor"] < 0.8
    probe = only(found.tables["probe"], layer_first="act")
    assert probe["difference"] == 0 and probe["mcnemar_p"] == probe["group_p"] == 1
    assert probe["accuracy_first"] == 1 > probe["shuffled_first"] and probe["chance"] == pytest.approx(1 / 3)


def test_neurons_in_another_order_are_found_again(runs: dict[str, Run], tmp_path: Path) -> None:
    found = compare([runs["known"], runs["turned"]], tmp_path / "out", FAST)
    row = only(found.tables["alignment"], layer_first="first")
    assert row["same_index_r"] < 0.5 and row["matched_r"] > 0.99
    assert row["matched_low"] <= row["matched_r"] <= row["matched_high"] + 1e-9
    assert only(found.tables["cka"], layer_first="act", layer_second="act")["cka"] == pytest.approx(1)
    neurons = found.tables["neurons"].filter(layer_first="first")
    matched = neurons["matched_index"].to_list()
    assert {ORDER[matched[one]] // 2 for one in (0, 1)} == {
        0
    }  # both neurons of a class hear the same channel
    assert neurons["matched_r"].min() > 0.99


def test_a_blind_network_differs_by_more_than_halves_do(runs: dict[str, Run], tmp_path: Path) -> None:
    found = compare([runs["known"], runs["blind"]], tmp_path / "out", FAST)
    row = only(found.tables["differences"], statistic="mean_best_effect")
    assert row["difference"] < 0 and abs(row["difference"]) > row["halves_differ"]
    assert row["value_second"] - row["value_first"] == pytest.approx(row["difference"])
    by_run = found.tables["statistics"].filter(run="blind", statistic="mean_best_effect")
    assert by_run["value"].to_list() == [row["value_second"]]
    assert only(found.tables["cka"], layer_first="act", layer_second="act")["cka"] < 1


def test_a_layer_against_a_layer_and_three_runs(runs: dict[str, Run], tmp_path: Path) -> None:
    layered = [f"{runs['known'].root}@first", f"{runs['known'].root}@act"]
    found = compare(layered, tmp_path / "a", {**FAST, "probe": False})
    assert [one["name"] for one in found.content["runs"]] == ["known@first", "known@act"]
    row = found.tables["alignment"].to_dicts()[0]
    assert (row["layer_first"], row["layer_second"]) == ("first", "act")
    assert found.content["not_made"]["probe"] == "not asked for"
    three = compare(
        [runs["known"], runs["same"], runs["known"]], tmp_path / "b", {**FAST, "layers": ("act",)}
    )
    assert [one["name"] for one in three.content["runs"]] == ["known", "same", "known (2)"]
    assert three.tables["alignment"].height == 3 and three.tables["cka"].height == 3


def test_only_shared_clips_count_and_order_is_no_matter(runs: dict[str, Run], tmp_path: Path) -> None:
    some = make_clips().take([*range(23, 7, -1)])
    part = recorded(tmp_path / "part", make_model(Known()), some)
    found = compare([runs["known"], part], tmp_path / "out", FAST)
    assert found.content["shared"]["clips"] == 16
    assert only(found.tables["alignment"], layer_first="act")["same_index_r"] == pytest.approx(1)
    assert only(found.tables["probe"], layer_first="act")["difference"] == 0
    held = aligned([runs["known"], runs["same"]], CompareConfig(folds="1"))
    assert held.ids == tuple(f"clip-{one}" for one in [*range(6), *range(12, 18)])


def test_descriptions_that_changed_beside_halves(runs: dict[str, Run], tmp_path: Path) -> None:
    described = []
    for name in ("known", "blind"):
        run = runs[name]
        caption(run, make_clips(), {"captioner": "labels"})
        describe(
            run,
            {
                "concepts": "labels",
                "permutations": 20,
                "replicates": 20,
                "layers": ("act",),
                "captions": "labels",
            },
        )
        described.append(run)
    found = compare(described, tmp_path / "out", {**FAST, "layers": ("act",)})
    assert found.content["not_made"] == {}
    row = found.tables["descriptions"].to_dicts()[0]
    assert row["described_first"] == 6 and 0 <= row["changed_same_index"] <= 1
    assert row["ceiling"] == 1 > row["agree_across"] and row["floor"] < 1
    neurons = found.tables["described_neurons"]
    changed = (neurons["concept_first"] != neurons["concept_same_index"]).mean()
    assert changed == pytest.approx(row["changed_same_index"])
    own = compare([described[0], described[0]], tmp_path / "own", {**FAST, "layers": ("act",)})
    same = own.tables["descriptions"].to_dicts()[0]
    assert same["changed_same_index"] == 0 and same["agree_across"] == same["ceiling"]
    assert same["score_difference_same_index"] == 0


def test_what_is_written_is_read_and_equal_bytes_come_again(runs: dict[str, Run], tmp_path: Path) -> None:
    given = [runs["known"], runs["turned"]]
    made = compare(given, tmp_path / "a", {**FAST, "plots": True})
    again = compare(given, tmp_path / "b", {**FAST, "plots": True})
    names = sorted(one.relative_to(tmp_path / "a") for one in (tmp_path / "a").rglob("*") if one.is_file())
    assert {one.suffix for one in names} == {".json", ".parquet", ".csv", ".svg"}
    for one in names:
        assert (tmp_path / "a" / one).read_bytes() == (tmp_path / "b" / one).read_bytes(), one
    back = read(tmp_path / "a")
    assert back.content == again.content and back.tables["cka"].equals(made.tables["cka"])
    manifest = tmp_path / "a" / "comparison.json"
    manifest.write_text(json.dumps({**back.content, "format_version": 9}))
    with pytest.raises(FormatError, match="format 1 or older"):
        read(tmp_path / "a")
    with pytest.raises(StageError, match="there is no"):
        read(tmp_path / "nothing")


def test_what_cannot_be_compared_says_why(runs: dict[str, Run], tmp_path: Path) -> None:
    known = runs["known"]
    with pytest.raises(InputError, match="two runs or more"):
        compare([known], tmp_path / "out")
    few = recorded(tmp_path / "few", make_model(Known()), make_clips(6))
    with pytest.raises(EmptyDataError, match="share 6 clips"):
        compare([known, few], tmp_path / "out")
    clips = make_clips()
    regrouped = clips.table.with_columns(group=pl.format("x{}", "row"))
    other = recorded(
        tmp_path / "regrouped", make_model(Known()), Clips(**{**vars(clips), "table": regrouped})
    )
    with pytest.raises(InputError, match="different sounds 'clip-0': its group differs"):
        compare([known, other], tmp_path / "out")
    with pytest.raises(UnknownNameError, match="layer"):
        compare([known, runs["same"]], tmp_path / "out", {"layers": ("nothing*",)})
    with pytest.raises(UnknownNameError, match="label set"):
        compare([known, runs["same"]], tmp_path / "out", {"label_set": "labl"})
    with pytest.raises(InputError, match="is not a run"):
        compare([known, tmp_path / "few" / "stages"], tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds no comparison"):
        compare([known, runs["same"]], tmp_path / "full")


def test_other_labels_of_a_shared_clip_are_refused_where_asked_for(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    clips = make_clips()
    swapped = clips.table.with_columns(
        label=pl.when(pl.col("row") == 3).then(pl.lit(CLASSES[1])).otherwise(pl.col("label"))
    )
    other = recorded(tmp_path / "swapped", make_model(Known()), Clips(**{**vars(clips), "table": swapped}))
    with pytest.raises(InputError, match="other labels"):
        aligned([runs["known"], other], CompareConfig(label_set="label"))
    assert "not the same" in str(aligned([runs["known"], other], CompareConfig()).reason)


def test_classes_of_one_group_are_left_out_or_taken_by_clip(tmp_path: Path) -> None:
    clips = make_clips()
    table = clips.table.with_columns(group=pl.col("label"))
    given = Clips(**{**vars(clips), "table": table})
    pair = [
        recorded(tmp_path / "a", make_model(Known()), given),
        recorded(tmp_path / "b", another(ORDER), given),
    ]
    found = compare(pair, tmp_path / "out", FAST)
    assert "group='row'" in found.content["not_made"]["probe"]
    assert found.tables["alignment"]["profile_ceiling"].null_count() == 2
    by_clip = compare(pair, tmp_path / "clips", {**FAST, "group": "row"})
    assert by_clip.content["groups"] == 24 and "probe" not in by_clip.content["not_made"]
    assert by_clip.tables["alignment"]["profile_ceiling"].min() > 0.9
    with pytest.raises(UnknownNameError, match="group column"):
        compare(pair, tmp_path / "c", {"group": "artist"})


def test_blocks_and_halves_keep_groups_whole_and_the_jackknife_is_the_mean_s_error() -> None:
    groups = np.repeat(np.arange(20), 3)
    parts = blocks(groups, 5, seed=1)
    left = [np.setdiff1d(np.arange(60), one) for one in parts]
    assert sorted(np.concatenate(left).tolist()) == list(range(60))
    assert all(not set(groups[one]) & set(groups[two]) for one, two in zip(parts, left, strict=True))
    assert blocks(np.zeros(5), 4, seed=0) == []
    one, two = split(groups, seed=2)
    assert abs(len(one) - len(two)) <= 3 and not set(groups[one]) & set(groups[two])
    rng = np.random.default_rng(0)
    values = rng.normal(size=200)
    low, high = jackknife(values.mean(), np.array([np.delete(values, at).mean() for at in range(200)]))
    error = values.std(ddof=1) / np.sqrt(200)
    assert (high - low) / 2 == pytest.approx(1.96 * error) and (high + low) / 2 == pytest.approx(
        values.mean()
    )
    assert np.isnan(jackknife(1.0, np.array([1.0]))).all()
