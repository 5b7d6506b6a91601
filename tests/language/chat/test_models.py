"""Which model a spec names, and scripts."""

from __future__ import annotations

import gc
import json
import subprocess
import sys

import pytest

from otoscope.errors import FormatError, InputError, MissingExtraError, PermanentChatError, UnknownNameError
from otoscope.language.chat import CHAT_MODELS, Message, Reply, Sampling, Scripted, chat_model
from otoscope.language.chat.local import AND_2024, AND_2024_SAMPLING

USER = [Message("user", "Is it LOUD?")]


@pytest.mark.parametrize(
    "spec, options, name",
    [
        ("openai:gpt", {}, "openai:gpt"),
        ("openai:org/m:7b", {"base_url": "http://localhost:8000/v1/"}, "openai:org/m:7b@localhost:8000/v1"),
        ("openai:m@https://example.org/v1", {}, "openai:m@example.org/v1"),
        ("openai:m@v2@http://127.0.0.1:9", {}, "openai:m@v2@127.0.0.1:9"),
        ("openai:m", {"base_url": "https://api.openai.com/v1"}, "openai:m"),
    ],
)
def test_names_of_servers_models(spec, options, name):
    assert chat_model(spec, **options).id == name


def test_the_environment_names_a_server(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    assert chat_model("openai:m").id == "openai:m@localhost:1/v1"


@pytest.mark.parametrize(
    "spec, options, said",
    [
        ("openai:", {}, "openai: needs a model"),
        ("openai:@http://a/v1", {}, "openai: needs a model"),
        ("openai:m", {"base_url": "localhost:8000"}, "expected a base_url such as"),
        ("openai:m", {"base_url": "http://user:pass@a/v1"}, "no user, password or query"),
        ("openai:m", {"base_url": "http://a/v1?key=1"}, "no user, password or query"),
        ("openai:m@http://a/v1", {"base_url": "http://b/v1"}, "given twice"),
        ("openai:m", {"device": "cuda"}, "openai: has no device"),
        ("hf:", {}, "hf: needs a model"),
        ("hf:m", {"base_url": "http://a"}, "hf: has no base_url"),
        ("scripted:", {}, "scripted: needs a file"),
        ("scripted:none.json", {}, "cannot read the script none.json"),
        ("scripted:a", {"device": "cpu"}, "scripted: has no device"),
    ],
)
def test_specs_that_are_wrong(spec, options, said):
    with pytest.raises(InputError, match=said):
        chat_model(spec, **options)


def test_openai_needs_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="set OPENAI_API_KEY, or name another server"):
        chat_model("openai:m")


def test_an_unknown_scheme():
    with pytest.raises(UnknownNameError, match=r"unknown chat model 'opnai'\. Did you mean 'openai'"):
        chat_model("opnai:m")
    assert set(CHAT_MODELS) == {"openai", "hf", "scripted"}


def test_the_room_loads_no_sdk_and_a_missing_one_is_named(monkeypatch):
    code = (
        "import sys\n"
        "import otoscope.language.chat, otoscope.language.chat.openai_compatible, otoscope.language.chat.local\n"
        "print([one for one in ('openai', 'httpx', 'httpx2', 'torch', 'transformers') if one in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otoscope\[llm\]'"):
        chat_model("openai:m", base_url="http://localhost:1/v1")


def test_the_published_model():
    assert AND_2024 == "hf:meta-llama/Llama-2-13b-chat-hf"
    assert (AND_2024_SAMPLING.temperature, AND_2024_SAMPLING.top_p, AND_2024_SAMPLING.max_tokens) == (
        1.0,
        1.0,
        1024,
    )


def test_rules_replies_and_functions():
    rules = Scripted({"loud": "Yes.", "": Reply("No.", 1, 2, "length")})
    assert rules.complete(USER, Sampling()) == Reply("Yes.", 3, 1, "stop")
    assert rules.complete([Message("user", "?")], Sampling()) == Reply("No.", 1, 2, "length")
    assert rules.calls == 2 and rules.asked[0] == tuple(USER)
    listed = Scripted(["a", PermanentChatError("b")])
    assert listed.complete(USER, Sampling()).text == "a"
    with pytest.raises(PermanentChatError, match="b"):
        listed.complete(USER, Sampling())
    with pytest.raises(PermanentChatError, match="the script has 2 replies, this is call 3"):
        listed.complete(USER, Sampling())
    assert Scripted(lambda messages: messages[0].text, "echo").complete(USER, Sampling()).text == USER[0].text


def test_ids_of_scripts():
    assert Scripted(["a"]).id == Scripted(["a"]).id != Scripted(["b"]).id
    assert Scripted(["a"], "mine").id == "scripted:mine"


@pytest.mark.parametrize("empty", [[], {}, [("a", "b"), "c"]])
def test_scripts_that_say_nothing(empty):
    with pytest.raises(InputError, match="a script is a function, or rules"):
        Scripted(empty)


def test_a_script_in_a_file(tmp_path):
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"rules": [["loud", "Yes."], ["", "No."]]}))
    model = chat_model(f"scripted:{path}")
    assert model.complete(USER, Sampling()).text == "Yes." and model.id == chat_model(f"scripted:{path}").id
    path.write_text(json.dumps({"replies": ["one", "two"]}))
    assert chat_model(f"scripted:{path}").complete(USER, Sampling()).text == "one"


@pytest.mark.parametrize(
    "content",
    ["[]", "{}", '{"rules": []}', '{"rules": ["a"]}', '{"replies": [1]}', '{"a": 1}', "nothing", "[[["],
)
def test_files_that_are_no_script(content, tmp_path):
    path = tmp_path / "script.json"
    path.write_text(content)
    with pytest.raises(FormatError, match="the script"):
        chat_model(f"scripted:{path}")


def test_connections_are_closed_with_the_model():
    pytest.importorskip("openai")
    model = chat_model("openai:m@http://127.0.0.1:9/v1")
    http = model._client._client
    model = model.with_timeout(1.0)
    gc.collect()
    assert not http.is_closed
    del model
    gc.collect()
    assert http.is_closed
