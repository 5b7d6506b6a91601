"""The rating page: what it hides, what comes back, and every way in which a file can be wrong."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from otoscope.errors import EmptyDataError, FormatError, InputError, StageError, UnknownNameError
from otoscope.report.rate import RateConfig, RatePage, rate, read_ratings
from otoscope.report.rating.answers import Answer, unblinded
from otoscope.store import tables
from tests.report.conftest import METHOD, SMALL, make_sounds, write_run
from tests.report.test_report import content

OTHER = "tab-55555555"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two tables of descriptions that agree on every third neuron."""
    root = write_run(tmp_path_factory.mktemp("rate") / "run", SMALL, make_sounds(12), failed=())
    table = tables.read(root / "descriptions" / f"{METHOD}.parquet")
    other = table.with_columns(
        concept=pl.when(pl.col("neuron") % 3 == 0)
        .then("concept")
        .otherwise(pl.lit("a far ") + pl.col("concept"))
    )
    tables.write(root / "descriptions" / f"{OTHER}.parquet", other)
    return root


@pytest.fixture(scope="module")
def made(run: Path) -> RatePage:
    return rate(run, config=RateConfig(neurons=8, clips=3, layers=("blocks.0", "blocks.1")))


def saved(made: RatePage, path: Path, rater: str = "Ada", rating: int = 4, **changed: object) -> Path:
    items = [
        {"item": one["item"], "text": "a hum", "ratings": [rating] * len(one["options"])}
        for one in content(made.path)["items"]
    ]
    whole = {"format": "otoscope-ratings", "version": 1, "page": made.name, "rater": rater, "items": items}
    path.write_text(json.dumps(whole | changed), encoding="utf-8")
    return path


def test_the_page_tells_nothing_of_methods_neurons_or_clips(made: RatePage, run: Path) -> None:
    text = made.path.read_text(encoding="utf-8")
    ids = tables.read(run / "clips.parquet")["id"].to_list()
    for secret in (METHOD, OTHER, "blocks.", "control", "seed", '"neuron"', *ids[2:]):
        assert secret not in content_text(text), secret
    assert "window.pwned=1</script>" not in text
    assert set(content(made.path)) == {"page", "own_words", "seconds", "items"}
    assert all(set(one) == {"item", "clips", "options"} for one in content(made.path)["items"])


def content_text(page: str) -> str:
    """Return the data of the page and its visible text, without style and script."""
    start = page.index('<script type="application/json"')
    return page[page.index("<body>") : page.index("<script>(() =>")] if start else ""


def test_the_key_puts_methods_and_controls_behind_every_line(made: RatePage) -> None:
    key = tables.read(made.key)
    assert key["item"].n_unique() == made.n_items == 8
    for (_item,), lines in key.group_by("item"):
        assert sorted(lines.select("table", "control").rows()) == sorted(
            [(METHOD, False), (METHOD, True), (OTHER, False), (OTHER, True)]
        )
        own, control = lines.filter(control=False), lines.filter(control=True)
        assert (own["donor"] == own["neuron"]).all() and (control["donor"] != control["neuron"]).all()
        assert lines["text"].n_unique() == lines["option"].n_unique(), "a text is asked once"
        assert sorted(set(lines["option"])) == list(range(lines["option"].n_unique()))
    assert set(key["layer"]) == {"blocks.0", "blocks.1"}
    shown = content(made.path)["items"]
    for one in shown:
        lines = key.filter(item=one["item"]).sort("option")
        assert one["options"] == lines["text"].unique(maintain_order=True).to_list()
        assert len(one["clips"]) == 3
    merged = key.group_by("item", "option").len()
    assert (merged["len"] > 1).any(), "the same words by two methods are one line"


def test_order_depends_on_the_seed_alone(run: Path, made: RatePage) -> None:
    again = rate(run, config=RateConfig(neurons=8, clips=3, layers=("blocks.0", "blocks.1")))
    other = rate(run, config=RateConfig(neurons=8, clips=3, layers=("blocks.0", "blocks.1"), seed=1))
    assert again.path.read_bytes() == made.path.read_bytes() and other.name != made.name
    positions = tables.read(rate(run, config=RateConfig(neurons=30, controls=False)).key)
    first = positions.filter(option=0)["table"].value_counts()
    assert first.height == 2, "no method always stands first"
    with pytest.raises(UnknownNameError, match=made.name):
        read_ratings(run, [])


def test_low_poles_show_the_clips_that_answer_to_them(run: Path) -> None:
    page = rate(run, config=RateConfig(neurons=40, layers=("blocks.1",), clips=2, own_words=False))
    key = tables.read(page.key)
    low = key.filter(pole="low").row(0, named=True)
    item = next(one for one in content(page.path)["items"] if one["item"] == low["item"])
    from otoscope.store.run import open_run

    rows = open_run(run).evidence("blocks.1")["bottom_rows"][low["index"]][:2].tolist()
    assert [clip[0] for clip in item["clips"]] == rows
    peak = max(
        item["clips"][0][2], key="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".index
    )
    assert peak in "0123456789+/", "up is the response, also at the low pole"


def test_answers_come_back_with_what_stood_behind_them(made: RatePage, run: Path, tmp_path: Path) -> None:
    files = [saved(made, tmp_path / "ada.json"), saved(made, tmp_path / "bo.json", "Bo", 2)]
    found = read_ratings(run, files, name=made.name)
    assert found.ratings.height == 2 * tables.read(made.key).height
    assert set(found.ratings.filter(rater="Bo")["rating"]) == {2}
    assert found.texts.height == 16 and set(found.texts["own_words"]) == {"a hum"}
    assert {"table", "control", "layer", "pole", "text"} <= set(found.ratings.columns)


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"page": "00000000"}, InputError, "page '00000000'"),
        ({"version": 2}, FormatError, "version 1"),
        ({"items": [{"item": 0, "ratings": [6]}]}, FormatError, "1 to 5"),
        ({"items": [{"item": 0, "ratings": [True]}]}, FormatError, "1 to 5"),
        ({"items": [{"item": 99, "ratings": [1]}]}, InputError, "item 99"),
        ({"items": [{"item": 0, "ratings": [1] * 9}]}, InputError, "9 ratings"),
        ({"items": 7}, FormatError, "not what a rating page saves"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(made, run, tmp_path, changed, error, said) -> None:
    with pytest.raises(error, match=said):
        read_ratings(run, [saved(made, tmp_path / "a.json", **changed)], name=made.name)


def test_a_file_twice_no_file_no_json_no_page(
    made: RatePage, run: Path, small_run: Path, tmp_path: Path
) -> None:
    one = saved(made, tmp_path / "a.json")
    with pytest.raises(InputError, match="twice"):
        read_ratings(run, [one, one], name=made.name)
    with pytest.raises(InputError, match=r"no .*b\.json"):
        read_ratings(run, [tmp_path / "b.json"], name=made.name)
    for name, text in (("c.json", "{"), ("d.json", "[]"), ("e.csv", ""), ("f.csv", "page,item\nx,y\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(FormatError):
            read_ratings(run, [tmp_path / name], name=made.name)
    with pytest.raises(StageError, match="no rating page"):
        read_ratings(small_run, [one])


def test_unanswered_lines_and_empty_words_are_left_out(made: RatePage) -> None:
    key = tables.read(made.key)
    found = unblinded([Answer("Ada", 0, (None, 3), "  "), Answer("Ada", 1, (), "hiss")], key)
    assert set(found.ratings["option"]) == {1} and found.texts["own_words"].to_list() == ["hiss"]


def test_what_cannot_be_rated_is_said(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="raise max_mb"):
        rate(run, config=RateConfig(max_mb=0.21))
    with pytest.raises(UnknownNameError, match="blocks"):
        rate(run, config=RateConfig(layers=("block.7",)))
    with pytest.raises(UnknownNameError, match="db-soft"):
        rate(run, config=RateConfig(tables=("icl",)))
    empty = write_run(tmp_path / "run", SMALL[:1], make_sounds(6), failed=())
    path = empty / "descriptions" / f"{METHOD}.parquet"
    tables.write(path, tables.read(path).with_columns(concept=pl.lit(None, dtype=pl.String)))
    with pytest.raises(EmptyDataError, match="described in all"):
        rate(empty)
    path.unlink()
    with pytest.raises(StageError, match="describe first"):
        rate(empty)
