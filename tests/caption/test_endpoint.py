"""Captions by a chat model that takes sound: what is sent, what is stored, what fails, what is paid."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import polars as pl
import pytest
import soundfile

from otoscope.caption import open_captioner
from otoscope.caption.endpoint import Asking, EndpointCaptioner
from otoscope.caption.prompted import PROMPT
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.errors import InputError, ModelError, TransientChatError, UnknownNameError
from otoscope.language.chat import AnswerCache, Limits, Prices, Sampling, Scripted
from otoscope.store import run as runs

from ..language.chat.fault_server import FaultServer, error, say


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("OTOSCOPE_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def heard(asked: dict) -> tuple[np.ndarray, int] | None:
    """Return waveform and rate of the sound in a request, None where there is none."""
    content = asked["messages"][-1]["content"]
    if isinstance(content, str):
        return None
    assert content[0]["input_audio"]["format"] == "wav"
    return soundfile.read(io.BytesIO(base64.b64decode(content[0]["input_audio"]["data"])))


def listening(asked: dict):
    """A server with ears: it says what it measures, and counts 25 tokens a second."""
    sound = heard(asked)
    if sound is None:
        return say("ok", usage={"prompt_tokens": 20, "completion_tokens": 1})
    waveform, rate = sound
    power = np.abs(np.fft.rfft(waveform)) ** 2
    peak = np.fft.rfftfreq(len(waveform), 1 / rate)[power.argmax()]
    text = "Silence." if power.sum() < 1e-6 else f"Its peak lies at {peak:.0f} Hz."
    tokens = 20 + round(25 * len(waveform) / rate)
    return say(text, usage={"prompt_tokens": tokens, "completion_tokens": 5})


def test_each_clip_is_heard_and_paid_once(clips):
    with FaultServer(by=listening) as server:
        spec = f"chat:openai:ears@{server.url}?sample_rate=8000"
        made = open_captioner(spec)
        table = made.captions(clips)
        assert len(server.asked) == 4 + 1  # the clips that decode, and the prompt alone
        rates = {sound[1] for one in server.asked if (sound := heard(one)) is not None}
        assert rates == {8000}
        again = open_captioner(spec).captions(clips)
        part = open_captioner(spec).captions(clips, rows=[2, 0])
        assert len(server.asked) == 5
    more = ["prompt_hash", "removed_tokens", "reply", "key", "prompt_tokens", "completion_tokens"]
    assert table.columns == ["row", "id", "text", "status", "reason", *more]
    assert (
        table["key"].null_count() == table["reply"].null_count() == 1 and table["completion_tokens"][0] == 5
    )
    assert table["text"][0] == "Its peak lies at 440 Hz." and table["text"][3] == "Silence."
    assert table["status"].to_list() == ["ok"] * 4 + ["failed"] and table["reason"][4]
    assert again.equals(table) and part.equals(table[[2, 0]])
    assert table["prompt_hash"].n_unique() == 1 and table["prompt_hash"][0] == made.prompt_hash
    assert made.id.startswith("chat-") and len(made.id) == 13 and made.circular is False
    assert json.dumps(dict(made.notes(clips))) and made.notes(clips)["prompt"] == PROMPT


def test_what_is_sent(clips):
    with FaultServer(by=listening) as server:
        spec = f"chat:openai:ears@{server.url}?prompt=What%20is%20it%3F&longest_s=0.5&max_tokens=9&seed=3"
        open_captioner(spec).captions(clips, rows=[0])
        asked = server.asked[0]
    assert asked["messages"][0]["content"][1] == {"type": "text", "text": "What is it?"}
    assert (asked["max_tokens"], asked["seed"], asked["temperature"]) == (9, 3, 0)
    waveform, rate = heard(asked)
    assert (waveform.shape, rate) == ((8000,), 16_000)


def test_a_server_without_ears_is_refused_before_the_rest_is_paid(clips):
    with FaultServer(say("A dog.")) as server:
        with pytest.raises(
            ModelError, match="does not hear: it counts 11 tokens of prompt with a sound and 11 without"
        ):
            open_captioner(f"chat:openai:deaf@{server.url}").captions(clips)
        assert len(server.asked) == 2
        table = open_captioner(f"chat:openai:deaf@{server.url}?deaf=allow").captions(clips)
        assert len(server.asked) == 2 + 3
    assert table["status"].to_list() == ["ok"] * 4 + ["failed"]


def test_one_bad_reply_costs_one_caption_and_a_later_run_asks_again(clips):
    def fault(asked):
        sound = heard(asked)
        return (
            error(400, "refused")
            if broken and sound is not None and len(sound[0]) > 25_000
            else listening(asked)
        )

    broken = True
    with FaultServer(by=fault) as server:
        spec = f"chat:openai:ears@{server.url}"
        first = open_captioner(spec).captions(clips)
        assert first["status"].to_list() == ["ok", "ok", "failed", "ok", "failed"]
        assert "answered 400" in first["reason"][2]
        before, broken = len(server.asked), False
        second = open_captioner(spec).captions(clips)
        assert len(server.asked) == before + 1
    assert second["status"].to_list() == ["ok"] * 4 + ["failed"]


def test_looping_captions_are_cleaned_and_the_reply_is_kept(clips, tmp_path):
    loop = "a dog barks " * 40
    tables = {}
    for how in ("loops", "and-2024", "keep"):
        with AnswerCache(tmp_path / "answers.sqlite") as cache:
            made = EndpointCaptioner(Scripted({"": loop}), Asking(cleaning=how), cache=cache)
            tables[how] = made.captions(clips, rows=[0])
    assert tables["loops"]["text"][0] == "a dog barks" and tables["loops"]["removed_tokens"][0] == 117
    assert all(one["reply"][0].strip() == loop.strip() for one in tables.values())
    assert tables["keep"]["text"][0] == loop.strip() == tables["and-2024"]["text"][0]


def test_the_budget_is_of_all_portions_together(clips):
    model = Scripted({"": "A sound."})
    made = EndpointCaptioner(model, limits=Limits(max_calls=3, concurrency=1), check_hearing=False)
    texts = [made.captions(clips, rows=[row])["text"][0] for row in range(4)]
    assert texts == ["A sound."] * 3 + [None] and model.calls == 3
    reason = made.captions(clips, rows=[3])["reason"][0]
    assert "budget of 3 calls is spent" in reason


def test_what_captions_would_cost(clips, tmp_path):
    with AnswerCache(tmp_path / "answers.sqlite") as cache:
        made = EndpointCaptioner(Scripted({"": "A sound."}), cache=cache, check_hearing=False)
        before = made.estimate(clips, prices=Prices(1.0, 1.0))
        assert (before.calls, before.cached, before.completion_tokens_at_most) == (4, 0, 4 * 128)
        seconds = 1.5 + 1.5 + 1.6 + 1.0
        assert before.prompt_tokens == pytest.approx(seconds * 25 + 4 * (4 + len(PROMPT) / 4), abs=8)
        assert before.cost_at_most == pytest.approx((before.prompt_tokens + 512) / 1e6)
        made.captions(clips, rows=[0, 1])
        after = made.estimate(clips)
        assert (after.calls, after.cached, after.cost_at_most) == (2, 2, None)


def test_a_server_that_is_gone_is_a_failure_of_every_clip(clips):
    model = Scripted(lambda messages: TransientChatError("busy"))
    limits = Limits(retries=0, give_up_after=2, concurrency=1)
    table = EndpointCaptioner(model, limits=limits).captions(clips)
    assert table["status"].to_list() == ["failed"] * 5 and model.calls == 2
    assert table["text"].null_count() == 5 and table["removed_tokens"].null_count() == 5


def test_hostile_replies_are_stored_as_they_are(clips):
    attack = "<script>alert(1)</script> ../../etc/passwd {prompt} \u202e"
    table = EndpointCaptioner(Scripted({"": attack})).captions(clips, rows=[0])
    assert table["text"][0] == attack and table.schema["text"] == pl.String


def test_the_stage_asks_again_where_clips_failed(clips, tmp_path):
    data = {"spec": clips.spec, "hash": clips.content_hash(), "n_clips": len(clips)}
    run = runs.create(tmp_path / "run", {"model": {"spec": "none:"}, "data": data, "layers": [], "seed": 0})
    with FaultServer(by=listening) as server:
        spec = f"chat:openai:ears@{server.url}?concurrency=1&max_calls="
        name = caption(run, clips, CaptionConfig(captioner=f"{spec}3", workers=0))
        first = run.table("captions", name)[1]
        assert (
            first["status"].to_list() == ["ok", "ok", "failed", "failed", "failed"] and len(server.asked) == 3
        )
        assert "budget of 3 calls" in first["reason"][2]
        assert caption(run, clips, CaptionConfig(captioner=f"{spec}9", workers=0, block=2)) == name
        assert len(server.asked) == 5
        assert run.table("captions", name)[1]["status"].to_list() == ["ok"] * 4 + ["failed"]


@pytest.mark.parametrize(
    "change",
    [
        Asking(prompt="Another?"),
        Asking(sample_rate=8000),
        Asking(longest_s=5),
        Asking(sampling=Sampling(max_tokens=64)),
        Asking(sampling=Sampling(max_tokens=128, seed=1)),
        Asking(cleaning="keep"),
    ],
)
def test_what_decides_the_texts_decides_the_id(change):
    model = Scripted({"": "a"})
    assert EndpointCaptioner(model, change).id != EndpointCaptioner(model).id
    assert EndpointCaptioner(model, limits=Limits(concurrency=1)).id == EndpointCaptioner(model).id
    assert EndpointCaptioner(Scripted({"": "b"})).id != EndpointCaptioner(model).id


@pytest.mark.parametrize(
    "spec, wrong, said",
    [
        ("chat:", InputError, "expected chat:NAME_OR_PATH"),
        ("chat:openai:m@http://a/v1?promt=a", UnknownNameError, "unknown option of chat: 'promt'"),
        ("chat:openai:m@http://a/v1?longest_s=0", InputError, "longest_s takes a number of seconds above 0"),
        ("chat:openai:m@http://a/v1?longest_s=x", InputError, "longest_s takes a number of seconds above 0"),
        ("chat:openai:m@http://a/v1?deaf=yes", InputError, "deaf takes refuse or allow"),
        (
            "chat:openai:m@http://a/v1?concurrency=0",
            InputError,
            "concurrency takes a whole number of at least 1",
        ),
        ("chat:opnai:m", UnknownNameError, "unknown chat model 'opnai'"),
    ],
)
def test_specs_that_are_wrong(spec, wrong, said):
    with pytest.raises(wrong, match=said):
        open_captioner(spec)
