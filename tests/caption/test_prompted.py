"""Captioners that answer a prompt: any function, and Qwen2-Audio; failures stay with their clip."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.caption import open_captioner
from otoscope.caption.prompted import PROMPT, PromptedCaptioner
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.errors import InputError, MissingExtraError, ModelError, UnknownNameError
from otoscope.store import run as runs
from tests.caption import qwen2_checkpoint

COMMON = {"row": pl.Int64, "id": pl.String, "text": pl.String, "status": pl.String, "reason": pl.String}
TABLE = {**COMMON, "prompt_hash": pl.String, "removed_tokens": pl.Int64, "reply": pl.String}

LISTENER = """
import numpy as np

def length(waveform, sample_rate, prompt):
    assert waveform.dtype == np.float32 and waveform.ndim == 1
    return f"{len(waveform) / sample_rate:.2f} s at {sample_rate}. {prompt}"

def picky(waveform, sample_rate, prompt):
    if len(waveform) > 5000:
        raise ValueError("too long for me\\nsecond line")
    return 7 if len(waveform) < 1500 else "a dog barks. " * 9

class Hearing:
    sample_rate = 22050
    def __call__(self, waveform, sample_rate, prompt):
        return f"rate {sample_rate}"

hearing = Hearing()
nothing = 3
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Return four sounds of 0.25, 1, 0.05 and 0.5 s, the last of two channels, and a broken file."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for place, (rate, width, seconds) in enumerate(
        [(8000, 1, 0.25), (8000, 1, 1.0), (8000, 1, 0.05), (44100, 2, 0.5)]
    ):
        soundfile.write(folder / f"{place}.wav", 0.1 * rng.normal(size=(round(rate * seconds), width)), rate)
    (folder / "4.wav").write_bytes(b"not a sound")
    return open_data(f"folder:{folder}")


@pytest.fixture
def listener(tmp_path: Path) -> Path:
    path = tmp_path / "listener.py"
    path.write_text(LISTENER)
    return path


class Echo:
    """Says how many sounds it was given together; groups with a long one fail."""

    id, sample_rate = "echo:1", 8000

    def __init__(self) -> None:
        self.asked: list[int] = []

    def say(self, waveforms, prompt):
        self.asked.append(len(waveforms))
        if any(len(one) >= 8000 for one in waveforms):
            raise RuntimeError("out of memory")
        return [f"heard {len(one)}" for one in waveforms]


def test_any_function(clips: Clips, listener: Path) -> None:
    found = open_captioner(f"py:{listener}:length?sample_rate=8000&prompt=Which%20animal%3F").captions(clips)
    assert dict(found.schema) == TABLE
    assert found["text"].to_list()[:4] == [
        f"{seconds} s at 8000. Which animal?" for seconds in ("0.25", "1.00", "0.05", "0.50")
    ]
    assert found["status"].to_list() == ["ok"] * 4 + ["failed"] and "4.wav" in found["reason"][4]
    default = open_captioner(f"py:{listener}:length").captions(clips, rows=[1], workers=1)
    assert default["text"].to_list() == [f"1.00 s at 16000. {PROMPT}"]
    assert open_captioner(f"py:{listener}:hearing").captions(clips, rows=[0])["text"][0] == "rate 22050"


def test_what_a_function_raises_is_its_clips_failure(clips: Clips, listener: Path) -> None:
    found = open_captioner(f"py:{listener}:picky?sample_rate=8000").captions(clips)
    assert found["status"].to_list() == ["ok", "failed", "failed", "ok", "failed"]
    assert found["reason"].to_list()[1:3] == ["ValueError: too long for me", "expected a text, got int"]
    assert found["text"][0] == "a dog barks." and found["removed_tokens"].to_list()[:2] == [32, None]
    assert found["reply"].to_list()[:2] == ["a dog barks. " * 9, None]
    kept = open_captioner(f"py:{listener}:picky?sample_rate=8000&clean=keep").captions(clips, rows=[0])
    assert kept["text"][0].count("barks") == 9


def test_the_id_holds_source_prompt_rate_and_cleaning(listener: Path) -> None:
    spec = f"py:{listener}:length"
    ids = [
        open_captioner(one).id
        for one in (
            spec,
            f"{spec}?prompt=x",
            f"{spec}?sample_rate=8000",
            f"{spec}?clean=keep",
            f"py:{listener}:picky",
        )
    ]
    assert len(set(ids)) == 5 and all(one.startswith("py-") for one in ids)
    assert open_captioner(spec).id == ids[0]
    listener.write_text(LISTENER + "# changed\n")
    assert open_captioner(spec).id != ids[0]


def test_one_bad_clip_costs_no_other_its_caption(clips: Clips) -> None:
    echo = Echo()
    captioner = PromptedCaptioner("echo", echo, batch_size=3)
    found = captioner.captions(clips)
    assert echo.asked == [3, 1, 1, 1, 1]
    assert found["text"].to_list() == ["heard 2000", None, "heard 400", "heard 4000", None]
    assert found["reason"][1] == "RuntimeError: out of memory"
    assert captioner.id == PromptedCaptioner("echo", echo, batch_size=1).id
    assert captioner.id != PromptedCaptioner("echo", echo, prompt="else").id
    assert captioner.notes(clips)["prompt_hash"] == found["prompt_hash"][0] == captioner.prompt_hash


def test_a_listener_that_forgets_one(clips: Clips) -> None:
    class Forgetful(Echo):
        def say(self, waveforms, prompt):
            return [] if len(waveforms) > 1 else ["  "]

    found = PromptedCaptioner("echo", Forgetful(), batch_size=2).captions(clips)
    assert found["status"].to_list() == ["failed"] * 5 and found["reason"][0] == "the caption is empty"


def test_the_stage_counts_failures(tmp_path: Path, clips: Clips, listener: Path) -> None:
    data = {"spec": clips.spec, "hash": clips.content_hash(), "n_clips": 5, "label_sets": []}
    run = runs.create(tmp_path / "run", {"model": {"spec": "made:"}, "data": data, "layers": [], "seed": 0})
    name = caption(
        run, clips, CaptionConfig(captioner=f"py:{listener}:picky?sample_rate=8000", block=2, workers=0)
    )
    notes = runs.read_stage(run, f"caption-{name}")["notes"]
    assert (notes["clips"], notes["failed"], notes["circular"]) == (5, 3, False)
    assert notes["prompt"] == PROMPT and notes["listener"].startswith("py:listener.py:picky@")
    assert run.table("captions", name)[1].columns == list(TABLE)


@pytest.mark.parametrize(
    ("rest", "kind", "message"),
    [
        ("", InputError, "expected py:NAME_OR_PATH"),
        ("listener", InputError, "expected py:module:function"),
        ("nowhere.py:length", InputError, "there is no file nowhere.py"),
        ("{file}:lenght", UnknownNameError, "unknown function in .*'lenght'.*Did you mean 'length'"),
        ("{file}:nothing", InputError, r"is int; expected \(waveform, sample_rate, prompt\) -> text"),
        ("{file}:length?rate=3", UnknownNameError, "unknown option of py: 'rate'"),
        (
            "{file}:length?sample_rate=0",
            InputError,
            "sample_rate takes a whole number of at least 1, got '0'",
        ),
        ("{file}:length?clean=loop", UnknownNameError, "unknown cleaning 'loop'. Did you mean 'loops'"),
    ],
)
def test_bad_specs(rest: str, kind: type[Exception], message: str, listener: Path) -> None:
    with pytest.raises(kind, match=message):
        open_captioner("py:" + rest.format(file=listener))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers", reason="transformers is not installed")
    return qwen2_checkpoint.write(tmp_path_factory.mktemp("qwen2"))


SHORT = "max_new_tokens=12"


def test_qwen2_audio_equals_transformers(clips: Clips, checkpoint: Path) -> None:
    import transformers

    from otoscope.data.decode import Decoding, batches

    with qwen2_checkpoint.quietly():
        processor = transformers.AutoProcessor.from_pretrained(checkpoint)
        model = transformers.Qwen2AudioForConditionalGeneration.from_pretrained(checkpoint).eval()
    sound = next(iter(batches(clips, Decoding(16000), rows=[1]))).waveforms[0, 0]
    talk = [
        {"role": "user", "content": [{"type": "audio", "audio_url": "x"}, {"type": "text", "text": "What?"}]}
    ]
    text = processor.apply_chat_template(talk, add_generation_prompt=True, tokenize=False)
    assert text.index("<|AUDIO|>") < text.index("What?")
    inputs = processor(text=text, audio=[sound], sampling_rate=16000, return_tensors="pt")
    tokens = model.generate(**inputs, max_new_tokens=12, do_sample=False)[:, inputs["input_ids"].shape[1] :]
    wanted = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    captioner = open_captioner(f"qwen2-audio:{checkpoint}?{SHORT}&prompt=What%3F&clean=keep")
    found = captioner.captions(clips, rows=[1])
    assert found["text"][0] == wanted and wanted
    assert dict(found.schema) == TABLE and captioner.listener.sample_rate == 16000


def test_qwen2_audio_in_batches(clips: Clips, checkpoint: Path) -> None:
    spec = f"qwen2-audio:{checkpoint}?{SHORT}&clean=keep"
    found = [open_captioner(f"{spec}&batch={size}").captions(clips) for size in (1, 4)]
    assert found[0].equals(found[1]) and found[0]["status"].to_list() == ["ok"] * 4 + ["failed"]
    assert found[0]["text"].n_unique() > 1  # it does hear


def test_drawn_answers_follow_seed_and_clip(clips: Clips, checkpoint: Path) -> None:
    import torch

    spec = f"qwen2-audio:{checkpoint}?{SHORT}&clean=keep&temperature=1.5"
    before = torch.get_rng_state()
    first, again, other = (open_captioner(f"{spec}&seed={seed}") for seed in (0, 0, 1))
    whole = first.captions(clips)
    assert torch.equal(torch.get_rng_state(), before)
    assert again.captions(clips, rows=[3])["text"][0] == whole["text"][3]
    assert other.captions(clips)["text"].to_list() != whole["text"].to_list()
    assert first.id == again.id != other.id


def test_qwen2_audio_ids(checkpoint: Path, tmp_path: Path) -> None:
    spec = f"qwen2-audio:{checkpoint}"
    options = ("", "?prompt=x", "?plain=true", "?max_new_tokens=3", "?clean=keep", "?batch=9&device=cpu")
    ids = [open_captioner(spec + one).id for one in options]
    assert len(set(ids[:5])) == 5 and ids[5] == ids[0] and ids[0].startswith("qwen2-audio-")
    other = qwen2_checkpoint.write(tmp_path / checkpoint.name, seed=1)
    assert open_captioner(f"qwen2-audio:{other}").id != ids[0]


def test_qwen2_audio_without_a_conversation(clips: Clips, checkpoint: Path) -> None:
    listener = open_captioner(f"qwen2-audio:{checkpoint}?plain=true").listener
    assert listener._text("Caption:") == "<|audio_bos|><|AUDIO|><|audio_eos|>Caption:"
    refused = open_captioner(f"qwen2-audio:{checkpoint}?prompt=<|AUDIO|>").captions(clips, rows=[0])
    assert "the prompt holds '<|AUDIO|>'" in refused["reason"][0]


def test_checkpoints_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.models import checkpoints

    with pytest.raises(ModelError, match="cannot open qwen2-audio:"):
        open_captioner(f"qwen2-audio:{tmp_path}")
    with pytest.raises(ModelError, match="is a 'whisper' network, not Qwen2-Audio"):
        open_captioner(f"qwen2-audio:{checkpoints.write('whisper', tmp_path)}")
    with pytest.raises(UnknownNameError, match="unknown dtype 'float8'"):
        open_captioner("qwen2-audio:x?dtype=float8")
    with pytest.raises(InputError, match="temperature takes a number of at least 0, got 'hot'"):
        open_captioner("qwen2-audio:x?temperature=hot")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otoscope\[hf\]'"):
        open_captioner("qwen2-audio:any")
