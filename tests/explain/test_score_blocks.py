"""A set scored in blocks: any size of block, clips that are set aside, what is read of other clips, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.audio.write import write
from otoscope.data import open_data
from otoscope.errors import EmptyDataError, InputError, StageError
from otoscope.explain.explanation import explainer
from otoscope.explain.methods import methods
from otoscope.explain.score import score
from otoscope.explain.score_set import ScoreSetConfig, score_explanations, sounds_of
from otoscope.explain.score_set_explaining import Explaining
from otoscope.explain.score_set_files import Files, Summary, merge
from otoscope.explain.score_set_rounds import Whole, compute, counts_of, tables_of
from otoscope.explain.score_set_scoring import _behind, _index
from otoscope.explain.score_set_sounds import SetSounds
from otoscope.explain.score_set_work import SetJob
from otoscope.models import cnn
from otoscope.work import set_aside
from otoscope.work.blocks import Block

HOW = ScoreSetConfig(
    methods=("saliency",),
    controls=("other-same", "other-different", "random-size"),
    removals=("zero", "background"),
    curves=False,
    replicates=10,
    sanity_clips=0,
    block=2,
)


@pytest.fixture(scope="module")
def network():
    return cnn.build(("rain", "siren"), width=4, clip_s=0.5, n_mels=32).eval()


@pytest.fixture(scope="module")
def clips():
    return open_data("sounds:?n=7&kinds=rain,siren&duration_s=0.5")


def job_of(network, clips, folder: Path, how: ScoreSetConfig = HOW) -> SetJob:
    found = tuple(methods(how.methods, (), {}, network))
    return SetJob(network, SetSounds.of(network, clips, how), how, (), Files(folder), found)


def test_a_set_in_blocks_is_the_set_at_once(network, clips, tmp_path: Path) -> None:
    sounds = sounds_of(network, clips, HOW)
    whole = score(network, sounds, {"saliency": explainer("saliency")}, HOW.scoring())
    made = score_explanations(network, clips, tmp_path / "scores", HOW)
    assert made.scores.columns == [*whole.columns, "row", "id", "group"]
    for name, kind in whole.schema.items():
        mine, theirs = made.scores[name], whole[name]
        if kind == pl.Float64:
            assert mine.to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-5, nan_ok=True)
        else:
            assert mine.equals(theirs)
    assert not list((tmp_path / "scores").glob("unfinished*"))
    assert made.methods["seconds_per_clip"][0] > 0 and "seconds_per_clip" not in made.table("methods").columns


def test_a_clip_that_kills_workers_is_left_out_and_counted(network, clips, tmp_path: Path) -> None:
    job = job_of(network, clips, tmp_path)
    for kind, row in (("explained", 3), ("scored", 5)):
        job.files.summaries(kind).mkdir(parents=True)
        set_aside.write(job.files.summaries(kind), {row: "killed its worker 2 times"})
    whole = compute(job, ("saliency",), None)
    assert whole.clips.tolist() == [0, 1, 2, 4, 5, 6]
    table = tables_of(whole)["scores"]
    assert sorted(set(table["row"].to_list())) == [0, 1, 2, 4, 6]
    about = counts_of(whole)
    assert (about["n_clips"], about["n_failed"]) == (5, 2)
    assert [(one["row"], one["stage"]) for one in about["failures"]] == [(3, "worker"), (5, "worker")]


def test_lenders_stand_behind_those_who_borrow() -> None:
    own = np.array([4, 5])
    borrowed = np.array([[7, 5], [-1, 2]])
    among = _behind(own, borrowed)
    assert among.tolist() == [4, 5, 2, 7]
    assert _index(borrowed, among).tolist() == [[3, 1], [-1, 2]]


def test_summaries_of_neighbours_are_joined(tmp_path: Path) -> None:
    for name, value in (("left", 1.0), ("right", 2.0)):
        Summary({"x": np.array([value]), "none": np.zeros((0, 2))}).write(tmp_path / name)
    merge(tmp_path / "left", tmp_path / "right", tmp_path / "both")
    both = Summary.read(tmp_path / "both")
    assert both.arrays["x"].tolist() == [1, 2] and both.arrays["none"].shape == (0, 2)


def test_one_clip_is_tried_alone_and_nothing_is_kept(network, clips, tmp_path: Path) -> None:
    job = job_of(network, clips, tmp_path)
    Explaining(job).try_alone(1)
    assert not list(tmp_path.rglob("*.*"))
    assert [one.failed for one in Explaining(job).compute([Block(0, 0, 2)], {1: "why"})] == [1]


def test_a_set_that_cannot_be_scored_is_refused_and_leaves_nothing(network, tmp_path: Path) -> None:
    folder = tmp_path / "sounds" / "rain"
    folder.mkdir(parents=True)
    (folder / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(
        EmptyDataError, match=r"none of the 1 clips of folder:.* can be heard: rain/broken\.wav"
    ):
        score_explanations(network, f"folder:{tmp_path / 'sounds'}", tmp_path / "a", HOW)
    assert not list((tmp_path / "a").iterdir())
    clips = "sounds:?n=3&kinds=rain,siren&duration_s=0.5"
    with pytest.raises(EmptyDataError, match=r"no clip has a class to explain with target 'all-above:0\.99"):
        score_explanations(network, clips, tmp_path / "a", {**dict(HOW), "target": "all-above:0.999"})
    with pytest.raises(InputError, match="workers belong to the engine 'ray'"):
        score_explanations(network, clips, tmp_path / "a", HOW, engine={"workers": 2})


def test_a_clip_that_goes_away_between_rounds_stops_the_set(network, tmp_path: Path) -> None:
    folder = tmp_path / "sounds" / "rain"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        write(folder / f"{name}.wav", 0.1 * np.ones((1, 8000), np.float32), 16000)
    clips = open_data(f"folder:{tmp_path / 'sounds'}")
    job = job_of(network, clips, tmp_path / "parts")
    list(Explaining(job).compute([Block(0, 0, 2)], {}))
    heard = Summary.read(tmp_path / "parts" / "explained" / "0-0.safetensors")
    assert Whole(job, ("saliency",), heard).cases.clips.tolist() == [0, 1]
    (folder / "b.wav").unlink()
    with pytest.raises(StageError, match=r"rain/b\.wav could be read when it was explained"):
        job.sounds.all_of(network, heard.arrays["clips"])
