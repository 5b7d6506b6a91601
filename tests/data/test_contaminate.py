"""Contaminants: what is drawn, at which level, and that it never changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.data.contaminate import Contaminator, contaminate
from otoscope.errors import EmptyDataError, InputError, UnknownNameError

WAVE = np.random.default_rng(0).standard_normal((2, 4000)).astype(np.float32)
ROWS = "path,label,group\nd1.wav,dog,g1\nd2.wav,dog,g2\nc1.wav,cat,g1\nc2.wav,cat,g3\nb1.wav,bee,g4\n"


@pytest.fixture
def pets(tmp_path: Path, tone) -> Clips:
    """Return five tones of 0.5, 0.6 ... s, each with its own pitch."""
    for index, name in enumerate(("d1", "d2", "c1", "c2", "b1")):
        tone(tmp_path / f"{name}.wav", seconds=0.5 + 0.1 * index, hz=300.0 + 100 * index)
    (tmp_path / "pets.csv").write_text(ROWS)
    return open_data(f"csv:{tmp_path / 'pets.csv'}")


def snr_db(waveform: np.ndarray, added: np.ndarray) -> float:
    return float(10 * np.log10(np.square(waveform, dtype=float).sum() / np.square(added, dtype=float).sum()))


@pytest.mark.parametrize("wanted", [-10.0, 0.0, 12.0])
@pytest.mark.parametrize("kind", ["white", "clip", "speech", "noise"])
def test_the_ratio_is_the_one_asked_for(kind: str, wanted: float, pets: Clips) -> None:
    clips = None if kind == "white" else pets
    made = contaminate(WAVE, kind, wanted, "d1.wav", 3, sample_rate=8000, clips=clips)
    assert snr_db(WAVE, made.added) == pytest.approx(wanted, abs=1e-3)
    np.testing.assert_allclose(made.waveform, WAVE + made.added, atol=1e-5)
    assert made.waveform.dtype == np.float32 and made.waveform.shape == WAVE.shape
    np.testing.assert_allclose(made.added[0], made.added[1], atol=1e-5)


def test_what_is_drawn_depends_on_seed_and_id_alone(pets: Clips) -> None:
    at = Contaminator("clip", 8000, pets, seed=5)
    quiet, loud = at(WAVE, "d1.wav", 20.0), at(WAVE, "d1.wav", 0.0)
    assert quiet.source == loud.source
    np.testing.assert_allclose(quiet.added * 10, loud.added, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(
        Contaminator("clip", 8000, pets, seed=5)(WAVE, "d1.wav", 0.0).waveform, loud.waveform
    )
    sources = {Contaminator("clip", 8000, pets, seed=seed)(WAVE, "d1.wav", 0.0).source for seed in range(30)}
    assert sources == {"c2.wav", "b1.wav"}  # c1 shares its group, d2 its class
    waves = [contaminate(WAVE, "white", 0.0, one, sample_rate=8000).waveform for one in ("a", "b")]
    assert not np.allclose(*waves)


def test_multi_label_clips_share_no_class(tmp_path: Path, tone) -> None:
    for name in "abc":
        tone(tmp_path / f"{name}.wav")
    (tmp_path / "t.csv").write_text("path,label\na.wav,x;y\nb.wav,y\nc.wav,z\n")
    clips = open_data(f"csv:{tmp_path / 't.csv'}", multi=";")
    assert {Contaminator("clip", 8000, clips, seed=s)(WAVE, "a.wav", 0.0).source for s in range(8)} == {
        "c.wav"
    }


def test_short_sounds_repeat_or_lie_somewhere(tmp_path: Path, tone) -> None:
    tone(tmp_path / "x" / "short.wav", seconds=0.1)
    clips = open_data(f"folder:{tmp_path}")
    whole = contaminate(WAVE, "speech", 0.0, "any", sample_rate=8000, clips=clips).added[0]
    np.testing.assert_allclose(whole[:800], whole[800:1600], atol=1e-6)
    (tmp_path / "t.csv").write_text("path,label\nx/short.wav,x\nq.wav,y\n")
    listed = open_data(f"csv:{tmp_path / 't.csv'}")
    alone = contaminate(WAVE, "clip", 0.0, "q.wav", sample_rate=8000, clips=listed).added[0]
    assert 700 < np.count_nonzero(np.abs(alone) > 1e-5) <= 800


def test_what_cannot_be_added_is_counted(tmp_path: Path, tone) -> None:
    tone(tmp_path / "x" / "silent.wav", level=0.0)
    (tmp_path / "x" / "broken.wav").write_text("no sound")
    clips = open_data(f"folder:{tmp_path}")
    with pytest.raises(EmptyDataError, match="2 sounds were tried, none can be read and heard"):
        contaminate(WAVE, "noise", 0.0, "a", sample_rate=8000, clips=clips)
    tone(tmp_path / "x" / "good.wav")
    clips = open_data(f"folder:{tmp_path}")
    made = [contaminate(WAVE, "noise", 0.0, "a", seed, sample_rate=8000, clips=clips) for seed in range(12)]
    assert {one.source for one in made} == {"x/good.wav"}
    reasons = {
        failure.reason.partition(": ")[-1][:13] or failure.reason for one in made for failure in one.skipped
    }
    assert "digital silence" in {f.reason for one in made for f in one.skipped} and len(reasons) == 2


def test_what_is_refused(pets: Clips) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown contaminant 'wite'. Did you mean 'white'"):
        Contaminator("wite", 8000)
    with pytest.raises(InputError, match="'white' needs no clips"):
        Contaminator("white", 8000, pets)
    with pytest.raises(InputError, match="is drawn from clips"):
        Contaminator("speech", 8000)
    with pytest.raises(InputError, match=r"holds no clip 'z.wav'"):
        Contaminator("clip", 8000, pets)(WAVE, "z.wav", 0.0)
    with pytest.raises(InputError, match="digital silence"):
        Contaminator("white", 8000)(np.zeros((1, 8), np.float32), "a", 0.0)
    with pytest.raises(EmptyDataError, match="no clip of another class and another group"):
        Contaminator("clip", 8000, pets.take([0, 1]))(WAVE, "d1.wav", 0.0)


@pytest.mark.real
def test_real_clips_get_another_class_and_source(test_data: Path) -> None:
    clips = open_data(f"esc10:{test_data / 'esc10'}")
    at = Contaminator("clip", 16000, clips)
    for row in range(0, 400, 57):
        record = clips.record(row)
        added = at(WAVE, record["id"], 0.0)
        other = clips.table.filter(id=added.source)
        assert other["category"][0] != record["category"] and other["group"][0] != record["group"]
