"""What further methods say: their views by hand, and where they stand on the page."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from otoscope.report.descriptions import layer_table
from otoscope.report.fitting import Dropped, fit_records
from otoscope.report.flags import MEANINGS, in_words
from otoscope.report.gathering import gather
from otoscope.report.methods import METHODS, in_order, method_of
from otoscope.report.neurons import neuron_view, read_layer
from otoscope.report.notebook import open_run
from otoscope.report.payload import script_json
from otoscope.report.reading import SCORES, complete, read_run
from otoscope.report.said import Candidates, Chips, Facts, Sentences
from otoscope.report.stage import ReportConfig, report
from tests.report.conftest import EVIL, METHOD, ODD, OPEN, SUMMARY
from tests.report.test_report import content


def test_every_method_of_the_table_has_a_view() -> None:
    for name in METHODS:
        said = method_of(f"{name}-00000000").said({"pole": "high"})
        assert said.words == "", "a row with nothing in it says nothing"


def test_closed_concepts_are_spoken_and_repairs_are_told() -> None:
    row = {"concept": "crying_baby", "top_concepts": ["crying_baby", "sea_waves"], "top_scores": [0.5]}
    said = method_of("db-1").said(row)
    assert said.words == "crying baby"
    assert isinstance(said.blocks[0], Candidates)
    assert [(one.concept, one.score) for one in said.blocks[0].candidates] == [("sea waves", None)]
    replied = {"proposed": ["wave", "dog"], "repaired": [True, False], "repair_cosine": [0.71, None]}
    told = method_of("icl-1").said(row | replied).blocks[-1]
    assert isinstance(told, Facts) and len(told.pairs) == 1
    assert "crying baby" in told.pairs[0][1] and "0.71" in told.pairs[0][1]


def test_removed_sentences_share_a_number_with_what_they_resemble() -> None:
    def sentence(text: str, status: str, cosine: float | None = None, matched: str | None = None) -> dict:
        return {"text": text, "status": status, "cosine": cosine, "matched": matched, "evidence": None}

    own = [
        sentence("a", "removed", 0.9, "y"),
        sentence("b", "kept", 0.2, "x"),
        sentence("c", "removed", 0.8, "x"),
        sentence("d", "removed", 0.7, "y"),
    ]
    low = [sentence("x", "matched"), sentence("y", "matched"), sentence("z", "kept")]
    row = {"pole": "low", "summary": "b", "sentences": own, "low_sentences": low, "threshold": 0.6}
    mine, opposite = method_of("summary-1").said(row).blocks
    assert isinstance(mine, Sentences) and isinstance(opposite, Sentences)
    assert [one.pair for one in mine.sentences] == [0, None, 1, 0]
    assert [one.pair for one in opposite.sentences] == [1, 0, None]
    assert [one.cosine for one in mine.sentences] == [0.9, 0.2, 0.8, 0.7]
    assert "least active" in mine.title and "most active" in opposite.title and "0.6" in mine.note


def test_open_concepts_keep_their_reasons() -> None:
    row = {
        "open_concepts": ["loud"],
        "adjectives": ["loud", "red", "odd"],
        "unjudged": ["odd"],
        "verbs": ["bark", "bark"],
    }
    said = method_of("open-1").said(row)
    adjectives, verbs = said.blocks
    assert isinstance(adjectives, Chips) and isinstance(verbs, Chips)
    assert [(one.text, one.kept) for one in adjectives.chips] == [
        ("loud", True),
        ("red", False),
        ("odd", False),
    ]
    assert adjectives.chips[2].reason == "no usable answer" and len(verbs.chips) == 1
    assert said.words == "loud"


def test_an_unknown_method_is_shown_column_by_column(said_run: Path) -> None:
    said = layer_table(ODD, read_run(said_run).tables[ODD], "blocks.1").views(3, 0.05)[0].said
    assert said.words == "a guess"
    assert said.blocks == (Facts("Also in the table", (("mood", "calm"), ("weight", "0.25"))),)


def test_tables_stand_in_the_order_of_the_methods_after_the_one_of_the_page(said_run: Path) -> None:
    assert in_order([ODD, OPEN, METHOD, SUMMARY]) == [METHOD, SUMMARY, OPEN, ODD]
    assert list(read_run(said_run).tables) == [METHOD, SUMMARY, OPEN, ODD]
    assert list(read_run(said_run, "summary").tables) == [SUMMARY, METHOD, OPEN, ODD]


def test_what_a_table_lacks_is_null_and_untested_is_no_verdict(said_run: Path) -> None:
    table = complete(pl.DataFrame({"neuron": [0], "layer": ["a"], "index": [0], "flags": ["tied"]}))
    assert set(SCORES) <= set(table.columns) and table["pole"].to_list() == ["high"]
    view = layer_table("odd-1", table.with_columns(text=pl.lit("x")), "a").views(0, 0.05)[0]
    assert view.verdict == "untestable" and view.heldout is None and view.flags == (MEANINGS["tied"],)
    gone = complete(table.with_columns(flags=pl.lit("dead;tied")))
    assert gone.is_empty(), "of a dead neuron nothing is said"
    assert in_words(None) == () and in_words("a-b") == ("a b",)


def test_the_page_holds_what_every_method_says(said_run: Path, tmp_path: Path) -> None:
    made = report(said_run, config=ReportConfig(plots="svg"), out=tmp_path / "report.html")
    data = content(made.path)
    assert [one[0] for one in data["tables"]] == [METHOD, SUMMARY, OPEN, ODD]
    one = next(n for n in data["neurons"] if len(n["o"]))
    kinds = [block[0] for said in one["o"] for block in said[-1]]
    assert kinds == ["sentences", "sentences", "chips", "chips", "facts"]
    text = made.path.read_text(encoding="utf-8")
    assert "window.pwned=1</script>" not in text and EVIL not in text
    assert len(data["bars"]) == 4 and len(data["bars"][0]) == 3
    assert any("adjectives" in path.name for path in made.plots)
    view = neuron_view(read_layer(read_run(said_run), "blocks.1"), _row(said_run), alpha=0.05, n_clips=1)
    assert {said.table for said in view.others} == {SUMMARY, OPEN, ODD}


def test_a_page_may_be_about_another_table(said_run: Path, tmp_path: Path) -> None:
    made = report(said_run, config=ReportConfig(descriptions="open"), out=tmp_path / "report.html")
    data = content(made.path)
    assert data["tables"][0][0] == OPEN
    assert sum(bool(one["d"]) for one in data["neurons"]) == 1
    assert open_run(said_run).descriptions().columns == open_run(said_run).descriptions("db").columns


def test_further_methods_go_before_neurons_where_room_is_short(said_run: Path) -> None:
    records = list(gather(read_run(said_run), alpha=0.05, n_clips=6, n_best=1).records.values())
    lean = [one | {"t": one["t"][:1], "b": one["b"][:1], "o": []} for one in records]
    room = sum(len(script_json(one).encode()) + 1 for one in lean)
    kept, dropped = fit_records(records, 2 * room)
    assert kept == lean and (dropped.n_others, dropped.n_ranks, dropped.n_neurons) == (3, 5, 0)
    few, dropped = fit_records(records, room // 3)
    assert len(script_json(few).encode()) <= 0.8 * (room // 3) + 2
    assert 0 < dropped.n_neurons == len(records) - len(few) and dropped.n_others == 3
    assert few == lean[: len(few)], "whoever stays keeps the first clip"
    everything, dropped = fit_records(records, 10**9)
    assert everything == records and dropped == Dropped()


def _row(root: Path) -> dict:
    return pl.read_parquet(root / "neurons.parquet").filter(layer="blocks.1", index=3).row(0, named=True)
