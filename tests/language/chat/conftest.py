"""What tests of chat models share."""

from __future__ import annotations

import pytest

from otoscope.language.chat import (
    AnswerCache,
    ChatModel,
    Limits,
    Message,
    Question,
    Sampling,
    chat_model,
    parsing,
)

from .fault_server import FaultServer

KEY = "sk-secret-of-the-tests"


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """A key of our own, no server, a cache of our own, no proxy."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OTOSCOPE_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache(tmp_path):
    with AnswerCache(tmp_path / "answers.sqlite") as made:
        yield made


def model_of(server: FaultServer) -> ChatModel:
    return chat_model(f"openai:tiny@{server.url}")


def question(text: str = "Is it loud?", parse=parsing.yes_or_no, **more) -> Question:
    return Question(
        (Message("system", "Say yes or no."), Message("user", text)), parse, Sampling(max_tokens=16), **more
    )


def quick(**more) -> Limits:
    """Limits whose waits do not slow the tests."""
    return Limits(**{"backoff_s": 0.01, "timeout_s": 10.0, **more})
