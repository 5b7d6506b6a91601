"""Describing by sound: planted vectors are found, noise is not, clips and words are encoded once."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.decode import Decoding, batches
from otoscope.describe import SIMILARITIES
from otoscope.describe.config import DescribeConfig, TabConfig
from otoscope.describe.presets import preset
from otoscope.describe.stage import config_type, describe
from otoscope.errors import InputError, StageError, UnknownNameError
from otoscope.models import open_model
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.store import run as runs
from otoscope.store.run import Run

FAST = {"permutations": 20, "replicates": 20}


class Ears:
    """Hears the label of a sound: its vector lies near that of the label's name; ``noise`` makes it random."""

    sample_rate = 16000

    def __init__(self, clips: Clips | None = None, noise: bool = False) -> None:
        self.id = f"ears:{'noise' if noise else 'true'}"
        self.texts: list[str] = []
        self.n_sounds = 0
        self._labels = {}
        if clips is not None and not noise:
            for batch in batches(clips, Decoding(self.sample_rate), batch_size=1):
                self._labels[self._key(batch.waveforms[0, 0])] = clips.table["label"][int(batch.rows[0])]

    @staticmethod
    def _key(waveform: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(waveform).tobytes()).digest()

    @staticmethod
    def _vector(content: bytes) -> np.ndarray:
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()[:8], "big"))
        return rng.normal(size=64)

    @staticmethod
    def _unit(rows: list[np.ndarray]) -> np.ndarray:
        found = np.stack(rows)
        return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)

    def encode(self, texts):
        self.texts += texts
        return self._unit([self._vector(text.encode()) for text in texts])

    def encode_sounds(self, waveforms):
        self.n_sounds += len(waveforms)
        rows = []
        for one in waveforms:
            own = self._vector(self._key(one))
            label = self._labels.get(self._key(one))
            rows.append(own if label is None else 2 * self._vector(label.encode()) + own)
        return self._unit(rows)


@pytest.fixture(scope="module")
def clips() -> Clips:
    return open_data("sounds:?n=96&duration_s=0.5")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> Run:
    made = record(
        open_model("demo:"), clips, tmp_path_factory.mktemp("tab") / "run", RecordConfig(layers=("logits",))
    )
    caption(made, clips, CaptionConfig(captioner="labels"))
    return made


@pytest.fixture
def run(recorded: Run, tmp_path: Path) -> Run:
    shutil.copytree(recorded.root, tmp_path / "run")
    return Run(tmp_path / "run")


def test_a_table_like_that_of_captions(run: Run, clips: Clips) -> None:
    ears = Ears(clips)
    name = describe(
        run, TabConfig(concepts="labels", score_captions="labels", **FAST), method="tab", encoder=ears
    )
    by_captions = describe(run, DescribeConfig(concepts="labels", captions="labels", **FAST))
    table, other = (run.table("descriptions", one)[1] for one in (name, by_captions))
    assert name.startswith("tab-") and table.schema == other.schema
    assert set(table["flags"].str.split(";").explode()) & {"circular-scorer", "circular-captions"} == set()
    marker = runs.read_stage(run, f"describe-{name}")
    assert marker["config"]["encoder"] == "ears:true" and marker["config"]["score_captions"].startswith(
        "labels-"
    )
    assert marker["notes"]["n_describe"] + marker["notes"]["n_score"] == 96
    assert config_type("tab") is TabConfig


@pytest.mark.parametrize("function", SIMILARITIES)
def test_output_neurons_get_their_names(run: Run, clips: Clips, function: str) -> None:
    config = TabConfig(concepts="labels", function=function, same_clips=True, poles="high", **FAST)
    table = run.table("descriptions", describe(run, config, method="tab", encoder=Ears(clips)))[1]
    classes = run.manifest["model"]["classes"]
    right = np.mean([row["concept"] == classes[row["index"]] for row in table.to_dicts()])
    assert right > (0.4 if function == "cos" else 0.6), right  # chance: 1 in 24; cos does not centre


def test_vectors_without_meaning_are_not_significant(run: Run) -> None:
    config = TabConfig(concepts="labels+sounds", score_captions="labels", permutations=100, replicates=20)
    table = run.table("descriptions", describe(run, config, method="tab", encoder=Ears(noise=True)))[1]
    assert (table["q"] <= 0.05).sum() <= 0.05 * table.height
    assert abs(table["heldout_pearson"].median()) < 0.15


def test_clips_and_words_are_encoded_once(run: Run, clips: Clips) -> None:
    ears = [Ears(clips) for _ in SIMILARITIES]
    for function, one in zip(SIMILARITIES, ears):
        describe(run, TabConfig(concepts="labels", function=function, **FAST), method="tab", encoder=one)
    assert sum(one.n_sounds for one in ears) == 96
    assert sum(len(one.texts) for one in ears) == 24
    scored = Ears(clips)  # and for captions that are scored by it
    describe(run, TabConfig(concepts="labels", seed=1, **FAST), method="tab", encoder=scored)
    assert scored.n_sounds == 0 and scored.texts == []


def test_who_scores_is_flagged(run: Run, clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    def flags(config, method: str, **tools) -> list[str]:
        return run.table("descriptions", describe(run, config, method=method, **tools))[1]["flags"].to_list()

    own = flags(TabConfig(concepts="labels", **FAST), "tab", encoder=Ears(clips))
    assert all("circular-scorer" in one for one in own)
    read = flags(TabConfig(concepts="labels", score_captions="labels", **FAST), "tab", encoder=Ears(clips))
    assert not any("circular-scorer" in one for one in read)
    monkeypatch.setattr("otoscope.describe.db.text_sound_encoder", lambda spec, device: Ears(clips))
    heard = DescribeConfig(captions="labels", concepts="labels", score_encoder="ears:", **FAST)
    assert not any("circular-scorer" in one for one in flags(heard, "db"))
    name = describe(run, heard)
    marker = runs.read_stage(run, f"describe-{name}")
    assert marker["config"]["score_encoder"] == "ears:true"
    table, same = (
        run.table("descriptions", one)[1]
        for one in (name, describe(run, heard.model_copy(update={"score_encoder": None})))
    )
    assert table["concept"].to_list() == same["concept"].to_list()
    assert table["heldout_pearson"].to_list() != same["heldout_pearson"].to_list()
    with pytest.raises(ValueError, match="either score_captions or score_encoder scores, not both"):
        DescribeConfig(score_captions="x", score_encoder="clap:x")


def test_names_as_written_or_as_spoken(run: Run, clips: Clips, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("sea_waves\nheavy_rain\n")
    for spelling, wanted in (
        ("spoken", ["heavy rain", "sea waves"]),
        ("written", ["heavy_rain", "sea_waves"]),
    ):
        ears = Ears(clips)
        config = TabConfig(concepts=f"file:{words}", spelling=spelling, permutations=0, replicates=2)
        table = run.table("descriptions", describe(run, config, method="tab", encoder=ears))[1]
        assert sorted(ears.texts) == wanted
        assert set(table["concept"]) <= {"sea_waves", "heavy_rain"}


def test_the_published_preset(run: Run, clips: Clips) -> None:
    config = preset("and-2024", "tab", **FAST)
    assert config.encoder.endswith("?int16=true") and config.spelling == "written"
    assert (config.affinity, config.marginal, config.poles, config.same_clips) == (
        "cosine",
        "layer",
        "high",
        True,
    )
    table = run.table("descriptions", describe(run, config, method="tab", encoder=Ears(clips)))[1]
    assert set(table["n_describe"]) == {96} and set(table["pole"]) == {"high"}
    assert table["flags"].str.contains("same-clips").all()


def test_what_is_missing_is_said(run: Run, clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown table of captions 'titles'"):
        describe(run, TabConfig(score_captions="titles"), method="tab", encoder=Ears(clips))
    with pytest.raises(UnknownNameError, match="unknown encoder of texts and sounds 'lexical'"):
        describe(run, TabConfig(encoder="lexical"), method="tab")
    with pytest.raises(InputError, match="'tab' takes a TabConfig as config, got a DescribeConfig"):
        describe(run, DescribeConfig(), method="tab")
    with pytest.raises(StageError, match=r"is not what .* was recorded on"):
        describe(run, TabConfig(**FAST), method="tab", encoder=Ears(clips), clips=clips.take([0, 1, 2]))


def test_real_recordings_through_clap(test_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    from tests.language.checkpoints import write_clap

    clips = open_data(f"esc50:{test_data / 'esc10'}").select(limit=40)
    made = record(open_model("demo:"), clips, tmp_path / "run", RecordConfig(layers=("logits",)))
    caption(made, clips, CaptionConfig(captioner="titles"))
    spec = f"clap:{write_clap(tmp_path / 'clap')}"
    config = TabConfig(encoder=spec, concepts="labels+sounds", score_captions="titles", **FAST)
    table = made.table("descriptions", describe(made, config, method="tab"))[1]
    assert table["concept"].null_count() == 0 and (table["n_describe"] + table["n_score"] == 40).all()
    (kept,) = (made.root / "embeddings").glob("sounds-clap-*.parquet")
    assert pl.read_parquet(kept)["status"].to_list() == ["ok"] * 40

    noise = config.model_copy(update={"permutations": 100})
    unfounded = made.table("descriptions", describe(made, noise, method="tab", encoder=Ears(noise=True)))[1]
    assert (unfounded["q"] <= 0.05).sum() <= 2
