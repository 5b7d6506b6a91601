"""Servers that are not ours: ``transformers serve`` with a tiny checkpoint, llama.cpp's where it is on PATH.

The tiny checkpoint has random weights, so its words are noise: what is tested is that noise comes through whole, is
counted, cached and repeated, and that whatever needs a form (yes or no, JSON, a choice) is a counted failure. The
server ignores any demand for structured output; so do we. llama.cpp's server needs a model file: name one in
``OTOSCOPE_TEST_GGUF``.
"""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import soundfile
from pydantic import BaseModel

from otoscope.audio.write import encode
from otoscope.caption import open_captioner
from otoscope.caption.prompted import PROMPT
from otoscope.data import open_data
from otoscope.data.decode import Decoding, batches
from otoscope.errors import ModelError
from otoscope.language.chat import (
    Limits,
    Message,
    Question,
    Sampling,
    Scripted,
    Sound,
    ask,
    chat_model,
    estimate,
    parsing,
    spent,
)
from otoscope.language.chat.local import LocalChat

from ...caption import qwen2_checkpoint
from . import tiny

GREEDY = Sampling(max_tokens=24)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _transformers(folder: Path, port: int) -> list[str]:
    program = Path(sys.executable).with_name("transformers")
    if not program.exists():
        pytest.skip("transformers is not installed as a command")
    return [str(program), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]


def _llama_cpp(folder: Path, port: int) -> list[str]:
    program, model = shutil.which("llama-server"), os.environ.get("OTOSCOPE_TEST_GGUF")
    if program is None or model is None:
        pytest.skip("llama.cpp: llama-server is not on PATH, or OTOSCOPE_TEST_GGUF names no model")
    return [program, "--host", "127.0.0.1", "--port", str(port), "--model", model]


def _wait(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            time.sleep(0.2)
        except OSError:
            time.sleep(0.2)
    lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    pytest.skip(f"the server did not start: {lines[-1]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    pytest.importorskip("transformers")
    return tiny.build(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="module", params=[_transformers, _llama_cpp], ids=["transformers serve", "llama.cpp"])
def model(request, folder, tmp_path_factory):
    """A chat model behind a server that was started for these tests."""
    port, log = _free_port(), tmp_path_factory.mktemp("server") / "log.txt"
    command = request.param(folder, port)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_PROXY": "127.0.0.1"}
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, log)
            yield chat_model(f"openai:{folder}", base_url=f"http://127.0.0.1:{port}/v1")
        finally:
            process.terminate()


def test_noise_comes_through_and_repeats(model):
    said = [
        model.complete([Message("system", "Be brief."), Message("user", "Rain?")], GREEDY) for _ in range(2)
    ]
    assert said[0] == said[1]
    assert 0 < said[0].completion_tokens <= 24 and said[0].prompt_tokens > 5
    assert said[0].finish_reason in {"stop", "length"}


def test_the_local_model_says_the_same(model, folder, request):
    if "llama.cpp" in request.node.name:
        pytest.skip("llama.cpp serves another checkpoint")
    local = LocalChat(str(folder))
    for words in ("Rain?", "What do these sounds have in common?", "é ü 雨"):
        messages = [Message("system", "Be brief."), Message("user", words)]
        served, own = model.complete(messages, GREEDY), local.complete(messages, GREEDY)
        assert served.text.strip() == own.text and served.prompt_tokens == own.prompt_tokens
        assert served.completion_tokens == own.completion_tokens and served.finish_reason == own.finish_reason


def test_a_job_is_paid_once_and_noise_fails_where_a_form_is_needed(model, cache):
    class Words(BaseModel):
        words: list[str]

    parsers = [parsing.sentence, parsing.yes_or_no, parsing.choice(["rain", "dog"]), parsing.json_as(Words)]
    questions = [
        Question((Message("user", f"Question {place}: which sound? Reply with JSON."),), parse, GREEDY)
        for place in range(3)
        for parse in parsers
    ]
    limits = Limits(concurrency=3, timeout_s=30)
    assert estimate(model, questions, cache=cache).calls == 3  # the parser is not part of a question's name
    first = ask(model, questions, cache=cache, limits=limits)
    for place, answer in enumerate(first):
        assert answer.status == ("ok" if place % 4 == 0 else "failed"), answer
        assert answer.text and (answer.value is None) == (place % 4 != 0)
    again = ask(model, questions[::4], cache=cache, limits=limits)
    assert [one.value for one in again] == [one.value for one in first[::4]]
    assert spent(again).calls == 0 and spent(again).cached == 3


def test_a_model_without_ears_ignores_sound_and_its_token_count_tells(model, request):
    if "llama.cpp" in request.node.name:
        pytest.skip("llama.cpp refuses sound where its model has no ears")
    heard = model.complete([Message("user", "What is it?", (Sound(b"RIFF", "wav"),))], GREEDY)
    assert heard == model.complete([Message("user", "What is it?")], GREEDY)


def test_a_model_that_is_not_there(model, request, tmp_path):
    if "llama.cpp" in request.node.name:
        pytest.skip("llama.cpp serves its model under any name")
    where = model.id.partition("@")[2]
    missing = chat_model(f"openai:{tmp_path / 'none'}@http://{where}")
    (answer,) = ask(
        missing, [Question((Message("user", "?"),), parsing.sentence)], cache=None, limits=Limits(retries=0)
    )
    assert answer.status == "failed" and answer.reason


def test_captions_of_a_server_with_ears_are_those_of_the_network_itself(model, request, tmp_path):
    if "llama.cpp" in request.node.name:
        pytest.skip("llama.cpp serves another checkpoint")
    path, where = qwen2_checkpoint.write(tmp_path / "qwen2"), model.id.partition("@")[2]
    clips = open_data("sounds:6", seed=1)
    served = open_captioner(
        f"chat:openai:{path}@http://{where}?max_tokens=12&longest_s=1.5&clean=keep"
    ).captions(clips)
    short = [Sound(encode(one, 16_000, "wav")) for one in _waveforms(clips)]
    own = open_captioner(f"qwen2-audio:{path}?max_new_tokens=12&clean=keep")
    said = own.listener.say(
        [soundfile.read(io.BytesIO(one.data), dtype="float32")[0] for one in short], PROMPT
    )
    assert served["text"].to_list() == said and len(set(said)) > 1
    deaf = open_captioner(f"chat:openai:{model.id.partition('openai:')[2].partition('@')[0]}@http://{where}")
    with pytest.raises(ModelError, match="answers but does not hear"):
        deaf.captions(clips)


def _waveforms(clips):
    for batch in batches(clips, Decoding(16_000), batch_size=1):
        yield batch.waveforms[0, :, :24_000]


def test_the_scripted_model_is_a_stand_in(model):
    questions = [Question((Message("user", f"{one}?"),), parsing.sentence, GREEDY) for one in range(3)]
    for asked in (model, Scripted({"": "Rain falls."})):
        answers = ask(asked, questions, cache=None)
        assert [one.status for one in answers] == ["ok"] * 3 and spent(answers).calls == 3
