from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.errors import InputError, NotHereError
from otoscope.models import open_model
from otoscope.registry import load
from otoscope.store import tables
from otoscope.study.reproduce import REPRODUCTIONS
from otoscope.study.reproduce.and_2024 import reproduce
from otoscope.study.reproduce.bench import ReproduceConfig
from otoscope.study.reproduce.exhibits import Exhibit, Made, exhibits, made, markdown

SMALL = ReproduceConfig(
    captions="labels",
    text_encoder="lexical",
    folds=None,
    n_random=0,
    layers=("blocks.3",),
    random_neurons=5,
    shares=(0.05, 0.1),
    shuffles=(20,),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Made]]:
    clips = open_data("sounds:48", seed=3, duration_s=2.0)
    page, found = reproduce(open_model("demo:"), clips, tmp_path_factory.mktemp("and"), SMALL)
    return page, {one.exhibit.id: one for one in found}


#: Columns in which a published table itself leaves cells empty ("not available").
NOT_PRINTED = {"posthoc": {"input_fidelity", "faithfulness"}}


@pytest.mark.parametrize("name", REPRODUCTIONS)
def test_published_numbers_are_tables_with_a_source(name: str) -> None:
    about, shown = exhibits(name)
    makers = load(REPRODUCTIONS[name].partition(":")[0] + ":MAKERS")
    assert about["preset"] == name and len({one.id for one in shown}) == len(shown)
    for one in shown:
        assert one.source and one.ours in makers
        if one.published is not None:
            without = {column.name for column in one.published if column.null_count()}
            assert one.published.height and without <= NOT_PRINTED.get(name, set())


def test_published_numbers_are_the_papers() -> None:
    shown = {one.id: one.published for one in exhibits("and-2024")[1]}
    two = shown["Table 2"]
    assert two is not None
    assert two.filter(network="AST", method="DB").row(0)[2:] == (100.0, 100.0, 1.0)
    four = shown["Table 4"]
    assert four is not None
    printed = four.with_columns((pl.col("remaining_change") - pl.col("ablated_change")).alias("difference"))
    assert ((printed["difference"] - printed["selectivity"]).abs() < 0.0151).all()


def test_what_can_be_made_is_made_and_the_rest_says_why(done: tuple[Path, dict[str, Made]]) -> None:
    page, found = done
    missing = {name: one.reason for name, one in found.items() if one.table is None}
    assert set(missing) == {"Table 3"} and "otoscope rate" in missing["Table 3"]
    text = page.read_text()
    assert all(f"## {name}." in text for name in found)
    for name, one in found.items():
        if one.table is not None:
            assert tables.read(page.parent / f"{one.exhibit.slug}.parquet").equals(one.table), name


def test_output_neurons_are_named_from_label_captions(done: tuple[Path, dict[str, Made]]) -> None:
    seven = done[1]["Table 7"].table
    assert seven is not None
    assert seven["function"].sort().to_list() == ["cos", "cos_cubed", "rank_reorder", "soft_wpmi", "wpmi"]
    by_function = {row["function"]: row for row in seven.iter_rows(named=True)}
    assert by_function["cos_cubed"]["top1_percent"] > 50 > by_function["cos_cubed"]["chance_top1_percent"]
    assert by_function["soft_wpmi"]["top1_percent"] == pytest.approx(
        100 / 24
    )  # as published: always the first names
    best = done[1]["Table 2"].table
    assert best is not None
    assert best["top1_percent"].to_list() == [seven["top1_percent"].max()]


def test_what_was_not_given_is_said_where_a_table_lacks_rows(done: tuple[Path, dict[str, Made]]) -> None:
    four = done[1]["Table 4"]
    assert four.table is not None
    assert four.table["strategy"].to_list() == ["random", "db", "open"]
    assert any("--sound-encoder" in one for one in four.commands)
    assert any("--chat" in one for one in done[1]["Table 2"].commands)
    differences = four.table["remaining_change"] - four.table["ablated_change"]
    assert (differences - four.table["selectivity"]).abs().max() < 1e-6


def test_uninterpretable_shares_rise_with_the_clips_asked_for(done: tuple[Path, dict[str, Made]]) -> None:
    table = done[1]["Figures 11-14"].table
    assert table is not None
    for _, part in table.group_by("layer"):
        shares = part.sort("k_of_5")["uninterpretable_percent"].to_list()
        assert shares == sorted(shares)


def test_curves_start_at_the_untouched_accuracy(done: tuple[Path, dict[str, Made]]) -> None:
    table = done[1]["Figure 4"].table
    assert table is not None
    assert table.filter(share=0.0)["accuracy"].n_unique() == 1
    assert set(table["placement"]) == {"as-published", "index"}


def test_a_failure_is_a_reason_and_a_bug_is_not() -> None:
    one = Exhibit("Table 9", "nothing", None, "nowhere", "nothing")

    def lacks() -> tuple[pl.DataFrame, list[str]]:
        raise NotHereError("a piano is needed")

    def fails() -> tuple[pl.DataFrame, list[str]]:
        raise InputError("the piano has no keys")

    assert made(one, lacks).reason == "a piano is needed"
    assert made(one, fails).reason == "failed: the piano has no keys"
    with pytest.raises(ZeroDivisionError):
        made(one, lambda: (pl.DataFrame({"a": [1 // 0]}), []))


def test_texts_in_the_page_are_escaped() -> None:
    table = pl.DataFrame({"name": ["<script>a|b</script>\nc"], "words": [["x", "y"]], "none": [None]})
    assert list(markdown(table))[2] == "| &lt;script>a\\|b&lt;/script> c | x, y |  |"


def test_without_a_network_the_exhibits_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["reproduce", "and-2024"]) == 0
    assert "Figures 11-14" in capsys.readouterr().out
    assert call(["reproduce", "and-2024", "--model", "demo:"]) == 2
    assert "go together" in capsys.readouterr().err
    assert call(["reproduce", "and-2025"]) == 2
    assert "and-2024" in capsys.readouterr().err
