"""Named comparisons of classes: what is asked of pairs, synthetic octaves on a network, and the command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otoscope.cli.main import run as call
from otoscope.data import open_data
from otoscope.data.crema_d import EMOTIONS
from otoscope.errors import InputError, UnknownNameError
from otoscope.models import open_model
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store.run import Run
from otoscope.study.class_sharing import cross_task, octaves_of, within_task
from otoscope.study.class_sharing_studies import CROSS, WITHIN, events, genders, octaves, sets_of

NOTES = "?low=48&high=83&takes=1&duration_s=0.4"
QUICK = {"n_permutations": 60, "n_chance": 2, "n_splits": 0}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    root = tmp_path_factory.mktemp("notes")
    config = RecordConfig(layers=("blocks.1", "blocks.2"), evidence_clips=0)
    organ, pluck = (
        record(open_model("demo:"), open_data(f"notes:{one}{NOTES}"), root / one, config)
        for one in ("organ", "pluck")
    )
    return organ, pluck


def test_octaves_of_two_instruments_share(runs: tuple[Run, Run]) -> None:
    found = cross_task("octave-synthetic", *runs, n_permutations=99, changes=QUICK)
    assert found.statistics["n_classes"].to_list() == [3, 3] and found.statistics["n_selected"].min() > 0
    assert found.pairs.height == 9 and set(found.pairs["class"]) == {"3", "4", "5"}
    asked = {row["contrast"]: row for row in found.contrasts.iter_rows(named=True)}
    assert set(asked) == {"same octave", "same or adjacent octave"}  # the same names are the same octave
    assert asked["same octave"]["inside"] > asked["same octave"]["outside"]
    assert asked["same octave"]["p"] == 0.01
    again = cross_task("octave-synthetic", *runs, n_permutations=99, changes=QUICK)
    assert again.name == found.name


def test_published_rule_with_permuted_labels(runs: tuple[Run, Run]) -> None:
    options = {"n_chance": 2, "n_splits": 0, "top_rate": 0.2}
    found = cross_task(
        "octave-synthetic", *runs, preset="aape-2026", null="labels", n_permutations=19, changes=options
    )
    assert found.statistics["rule"].to_list() == ["published"] * 2
    asked = round(0.2 * found.statistics["n_neurons"][0])  # fewer may be eligible
    assert 0 < found.statistics["n_selected"].min() <= found.statistics["n_selected"].max() <= asked


def test_octaves_from_notes_where_there_is_no_octave(runs: tuple[Run, Run], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(runs[0].root, tmp_path / "notes")
    manifest = json.loads((tmp_path / "notes" / "run.json").read_text(encoding="utf-8"))
    sets = manifest["data"]["label_sets"]
    manifest["data"]["label_sets"] = [one for one in sets if one["name"] == "note"]
    (tmp_path / "notes" / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    from otoscope.store.run import open_run

    bare = open_run(tmp_path / "notes")
    found = cross_task("octave", bare, bare, n_permutations=9, changes=QUICK)
    assert found.statistics["task"].to_list() == ["octave", "octave"]
    with pytest.raises(UnknownNameError, match="genre or label"):
        within_task("gtzan", bare)
    with pytest.raises(UnknownNameError, match=r"unknown study 'octaves'.*octave"):
        cross_task("octaves", bare)


def test_what_is_asked_of_pairs() -> None:
    assert octaves(["1", "2"], ["2", "4"]) == {
        "same octave": (("2", "2"),),
        "same or adjacent octave": (("1", "2"), ("2", "2")),
    }
    named = sets_of(("ang", "hap"), ("dis", "fea", "neu", "sad"))
    emotions = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"]
    (pairs,) = named(emotions, emotions).values()
    assert ("ANG", "HAP") in pairs and len(pairs) == 1 + 6
    assert named(["x"], ["x"]) == {}
    words = list(EMOTIONS.values())
    (pairs,) = WITHIN["cremad"].asked(words, words).values()
    assert ("anger", "happiness") in pairs and len(pairs) == 1 + 6
    assert WITHIN["cremad"].asked(emotions, emotions) == named(emotions, emotions)
    gender = genders(["m|USA", "f|UK"], ["Female", "Male"])
    assert gender == {"same gender": (("m|USA", "Male"), ("f|UK", "Female"))}
    events_found = events(["dog", "rain", "siren"], ["Bark", "Rain", "Laughter"])
    assert events_found == {"same event": (("dog", "Bark"), ("rain", "Rain"))}
    assert octaves_of(["59", "60"]) == {"59": "3", "60": "4"}
    with pytest.raises(InputError, match=r"MIDI numbers from 0 to 127, got the class 'C4'"):
        octaves_of(["C4"])


def test_studies_of_the_paper_are_named() -> None:
    assert {"gtzan", "cremad", "voxforge"} <= set(WITHIN) and {"octave", "events", "gender"} <= set(CROSS)
    assert all(len(one.tasks) == 1 for one in WITHIN.values())
    assert all(len(one.tasks) == 2 and one.about for one in CROSS.values())


def test_the_command(runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["study", "cross-task", "list"]) == 0
    assert "octave-synthetic: Octaves of two synthetic instruments" in capsys.readouterr().out
    quick = ["--set", "n_permutations=60", "--set", "n_chance=2", "--set", "n_splits=0", "--quiet"]
    roots = [str(one.root) for one in runs]
    assert call(["study", "cross-task", "octave-synthetic", *roots, *quick, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["plot"]).is_file() and len(made["pairs"]) == 9 and made["contrasts"]
    assert call(["study", "within-task", "fsdd-digits", roots[0], *quick]) == 2
    assert "unknown label set 'digit'" in capsys.readouterr().err
    assert call(["study", "cross-task", "octave-synthetic", *roots, "x"]) == 2
