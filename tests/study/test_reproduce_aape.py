"""AAPE's exhibits on miniature layouts: what was given is made beside chance, the rest says why; published numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.data import open_data
from otoscope.data.gtzan import GENRES
from otoscope.data.gtzan_faults import PARTS
from otoscope.errors import InputError, NotHereError, UnknownNameError
from otoscope.models import open_model
from otoscope.store import tables
from otoscope.study.reproduce.aape_2026 import ABLATED, MAKERS, reproduce, spelt
from otoscope.study.reproduce.aape_bench import COLLECTIONS, AapeReproduceConfig, name_of, prepare
from otoscope.study.reproduce.exhibits import Made, exhibits

SMALL = AapeReproduceConfig(
    layers=("blocks.1", "blocks.2"),
    top_rate=0.4,
    n_chance=2,
    n_splits=0,
    n_permutations=9,
    n_random=2,
    shared="intersection",
    probe={"epochs": 3, "seeds": (42,)},
)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return GTZAN and Surge in miniature: jazz and classical are pulses of noise, so that they share neurons."""
    root, rng = tmp_path_factory.mktemp("sounds"), np.random.default_rng(0)
    time_s = np.arange(8000) / 16000
    for place, genre in enumerate(GENRES):
        pulsed = genre in ("jazz", "classical")
        for part in PARTS:
            number = int(PARTS[part][genre].split()[0].split("-")[0])
            pulses = 0.3 * rng.normal(size=8000) * (np.sin(2 * np.pi * 8 * time_s) > 0.8)
            wave = pulses if pulsed else 0.2 * np.sin(2 * np.pi * 150 * 1.25**place * time_s)
            path = root / "genres" / genre / f"{genre}.{number:05d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wave.astype(np.float32), 16000)
    for preset in ("bell", "saw"):
        for note in (48, 55, 60, 67, 72, 79):
            wave = 0.2 * np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time_s)
            path = root / "surge" / preset / f"{note}.ogg"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wave.astype(np.float32), 16000)
    return root


@pytest.fixture(scope="module")
def done(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Made]]:
    out = tmp_path_factory.mktemp("aape")
    config = SMALL.model_copy(update={"data": {"surge": f"surge:{sounds / 'surge'}"}})
    page, found = reproduce(open_model("demo:"), open_data(f"gtzan:{sounds}"), out, config)
    return page, {one.exhibit.ours: one for one in found}


def test_published_numbers_are_the_cards() -> None:
    about, shown = exhibits("aape-2026")
    assert about["preset"] == "aape-2026" and {one.ours for one in shown} == set(MAKERS)
    by_id = {one.id: one.published for one in shown}
    crema, gtzan, layers = (
        by_id[one] for one in ("Ablation CREMA-D", "Ablation GTZAN", "Layers of the ablated neurons")
    )
    assert crema is not None and gtzan is not None and layers is not None
    for table in (crema, gtzan):
        points = 100 * (table["accuracy_ablated"] - table["accuracy"])
        assert (points - table["change_points"]).abs().max() < 0.02
    assert (crema["n_clips"].sum(), gtzan["n_clips"].sum()) == (1551, 290)
    assert (
        layers.select(pl.sum_horizontal(pl.col("^layer_.*$"))).to_series().to_list()
        == layers["neurons"].to_list()
    )


def test_what_was_given_is_made_and_the_rest_says_why(done: tuple[Path, dict[str, Made]]) -> None:
    page, found = done
    missing = {name: one.reason for name, one in found.items() if one.table is None}
    assert "NSynth was not given: --data or --set data.nsynth=DATA names it" in missing["cross_octave"]
    assert "VoxForge was not given" in missing["within_voxforge"]
    assert "CREMA-D was not given" in missing["ablation_cremad"]
    assert {"statistics", "within_gtzan"} <= set(found) - set(missing)
    text = page.read_text(encoding="utf-8")
    assert all(f"## {one.exhibit.id}." in text for one in found.values())
    for one in found.values():
        if one.table is not None:
            assert tables.read(page.parent / f"{one.exhibit.slug}.parquet").equals(one.table)


def test_statistics_stand_beside_chance(done: tuple[Path, dict[str, Made]]) -> None:
    made = done[1]["statistics"]
    assert made.table is not None
    assert made.table.select("network", "dataset", "task").rows() == [
        ("self-supervised", "GTZAN", "genre"),
        ("self-supervised", "Surge", "octave"),
    ]
    assert made.table["chance_coverage"].null_count() == 0
    assert any("no network was given" in one for one in made.commands)


def test_pairs_and_contrast_of_a_comparison(done: tuple[Path, dict[str, Made]]) -> None:
    made = done[1]["within_gtzan"]
    assert made.table is not None and made.table.height == 45
    pair = made.table.filter((pl.col("class") == "classical") & (pl.col("other_class") == "jazz"))
    said = f"named by the paper: mean Jaccard {pair['jaccard'].item():.3g} against"
    assert any(said in one for one in made.commands)


def test_neurons_of_a_pair_are_deactivated(done: tuple[Path, dict[str, Made]]) -> None:
    made, layers = done[1]["ablation_gtzan"], done[1]["ablated_layers"]
    assert made.table is not None and layers.table is not None, made.reason
    assert set(made.table["class"]) == set(GENRES)
    assert {"before", "change", "neighbour_change", "random_change"} <= set(made.table.columns)
    n = layers.table["neurons"].sum()
    assert layers.table["set"].unique().to_list() == ["GTZAN jazz & classical"]
    assert made.commands[0].startswith(
        f"{n} neurons (intersection) of jazz and classical; ablations/selection-"
    )


def test_collections_and_what_is_refused(sounds: Path, tmp_path: Path) -> None:
    gtzan = open_data(f"gtzan:{sounds}")
    assert name_of(gtzan) == "gtzan" and name_of(open_data("sounds:4")) == "sounds"
    assert set(ABLATED) <= set(COLLECTIONS)
    with pytest.raises(UnknownNameError, match=r"unknown collection 'gtzam'.*gtzan"):
        prepare("demo:", gtzan, tmp_path, AapeReproduceConfig(data={"gtzam": "x"}))
    with pytest.raises(InputError, match="gtzan is given twice"):
        prepare("demo:", gtzan, tmp_path, AapeReproduceConfig(data={"gtzan": f"gtzan:{sounds}"}))


@pytest.mark.parametrize("classes", [["anger", "fear", "happiness"], ["ANG", "FEA", "HAP"]])
def test_a_pair_is_found_as_files_and_as_the_loader_spell_it(classes: list[str]) -> None:
    selected = {"classes": pl.DataFrame({"class": classes})}
    assert spelt(selected, ABLATED["crema-d"][1]) == [classes[0], classes[2]]
    with pytest.raises(NotHereError, match=r"no class 'HAP', but ANG"):
        spelt({"classes": pl.DataFrame({"class": ["ANG"]})}, ("ANG", "HAP"))


def test_a_collection_without_splits_is_divided_by_actor(sounds: Path, tmp_path: Path) -> None:
    folder = tmp_path / "AudioWAV"
    folder.mkdir()
    names = [
        f"{actor}_DFA_{emotion}_XX.wav" for actor in range(1001, 1011) for emotion in ("ANG", "HAP", "SAD")
    ]
    for name in names:
        soundfile.write(folder / name, np.full(800, 0.1, np.float32), 16000)
    bench = prepare(
        "demo:", f"gtzan:{sounds}", tmp_path, AapeReproduceConfig(data={"crema-d": f"crema-d:{tmp_path}"})
    )
    assert bench.divided == ("crema-d",) and bench.task("crema-d", "emotion") == "emotion"
    table = bench.clips["crema-d"].table
    assert dict(table.group_by("split").agg(pl.col("group").n_unique()).rows()) == {
        "train": 7,
        "valid": 1,
        "test": 2,
    }
    assert table.group_by("group").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 10
    rows = [
        f"AudioWAV/{name},{name.split('_')[2]},{part}"
        for name, part in zip(names, table["split"], strict=True)
    ]
    (tmp_path / "cremad.csv").write_text("\n".join(["file_name,label,split", *rows]))
    given = AapeReproduceConfig(data={"crema-d": f"evar:{tmp_path / 'cremad.csv'}"})
    bench = prepare("demo:", f"gtzan:{sounds}", tmp_path, given)
    assert not bench.divided
    assert (bench.task("crema-d", "emotion"), bench.task("crema-d", "gender")) == ("label", "gender")
