"""A job: what is asked, what is paid, what is kept, in threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from otoscope.errors import InputError, PermanentChatError, ReplyError, StoreError, TransientChatError
from otoscope.language.chat import (
    AnswerCache,
    Limits,
    Message,
    Prices,
    Question,
    Reply,
    Sampling,
    Scripted,
    answer_table,
    ask,
    estimate,
    messages_hash,
    parsing,
    spent,
)
from otoscope.language.chat.ask import repaired
from otoscope.language.chat.counting import prompt_tokens
from otoscope.language.chat.pace import Pace

from .conftest import model_of, question, quick
from .fault_server import FaultServer, say


def echo(messages) -> str:
    return f"Yes: {messages[-1].text}"


def test_answers_come_in_the_order_of_the_questions():
    def slow_first(messages):
        time.sleep(0.05 if messages[-1].text == "0" else 0)
        return messages[-1].text

    asked = [question(str(one), parsing.sentence) for one in range(20)]
    assert [one.value for one in ask(Scripted(slow_first), asked, cache=None)] == [
        str(one) for one in range(20)
    ]
    assert ask(Scripted(echo), [], cache=None) == []


def test_equal_questions_are_bought_once_and_parsed_by_each_ones_parser(cache):
    model = Scripted(echo)
    asked = [
        question("?", parsing.yes_or_no),
        question("?", parsing.sentence),
        question("?", parsing.yes_or_no),
    ]
    for kept in (None, cache):
        model.calls = 0
        answers = ask(model, asked, cache=kept, limits=quick(concurrency=3))
        assert [one.value for one in answers] == [True, "Yes: ?", True]
        assert model.calls == 1 and spent(answers).calls == 1 and spent(answers).cached == 2
        assert len({one.key for one in answers}) == 1


def test_an_equal_question_that_failed_is_not_asked_again_in_the_job():
    model = Scripted(lambda messages: TransientChatError("busy"))
    answers = ask(model, [question()] * 5, cache=None, limits=quick(retries=1, concurrency=1))
    assert model.calls == 2 and [one.status for one in answers] == ["failed"] * 5


def test_a_second_job_pays_nothing(cache):
    asked = [question(f"{one}?") for one in range(10)]
    first = ask(Scripted(echo, "echo"), asked, cache=cache)
    model = Scripted(echo, "echo")
    again = ask(model, asked, cache=cache)
    assert model.calls == 0 and spent(again).tokens == 0 and all(one.cached for one in again)
    same = "value", "status", "text", "key", "prompt_tokens", "completion_tokens"
    assert [[getattr(one, name) for name in same] for one in again] == [
        [getattr(one, name) for name in same] for one in first
    ]
    table = [answer_table({"neuron": range(10)}, asked, made) for made in (first, again)]
    assert table[0].equals(table[1])


@pytest.mark.parametrize(
    "other",
    [
        lambda: (Scripted(echo, "other"), question()),
        lambda: (Scripted(echo, "echo"), question("Is it Loud?")),
        lambda: (Scripted(echo, "echo"), Question(question().messages, parsing.yes_or_no, Sampling(seed=1))),
        lambda: (
            Scripted(echo, "echo"),
            Question(question().messages, parsing.yes_or_no, Sampling(temperature=1)),
        ),
    ],
)
def test_model_messages_and_sampling_name_an_answer(other, cache):
    ask(Scripted(echo, "echo"), [question()], cache=cache)
    model, asked = other()
    ask(model, [asked], cache=cache)
    assert model.calls == 1


def test_whole_numbers_and_floats_name_the_same_answer(cache):
    for temperature in (1, 1.0):
        model = Scripted(echo, "echo")
        asked = Question(question().messages, parsing.yes_or_no, Sampling(temperature=temperature, top_p=1))
        ask(model, [asked], cache=cache)
    assert model.calls == 0


def test_an_unusable_reply_is_kept_and_asked_again_by_a_later_job(cache):
    replies = ["maybe", "perhaps", "Yes."]
    model = Scripted(replies, "moody")
    (failed,) = ask(model, [question()], cache=cache)
    assert (
        failed.status == "failed" and failed.calls == 2 and failed.text == "perhaps" and failed.value is None
    )
    assert "unusable" in failed.reason and len(cache) == 2
    (text,) = ask(model, [question(parse=parsing.sentence)], cache=cache)
    assert text.value == "maybe" and text.cached  # it was paid for, and this parser can use it
    (good,) = ask(model, [question()], cache=cache)
    assert good.value is True and good.calls == 1 and not good.repaired
    assert ask(model, [question()], cache=cache)[0].cached and model.calls == 3


def test_a_job_killed_before_the_repair_goes_on_with_it(cache):
    class Killed(BaseException):
        pass

    def die(_):
        raise Killed

    with pytest.raises(Killed):
        ask(Scripted(["maybe", "Yes."], "moody"), [question(parse=die)], cache=cache)
    model = Scripted(["Yes."], "moody")
    (answer,) = ask(model, [question()], cache=cache)
    assert answer.value is True and answer.repaired and model.calls == 1
    assert model.asked[0][-2] == Message("assistant", "maybe")


def test_without_repair_an_unusable_reply_fails_at_once(cache):
    model = Scripted(["maybe", "Yes."])
    (answer,) = ask(model, [question(repair=None)], cache=cache)
    assert answer.status == "failed" and model.calls == 1


def test_a_repair_quotes_reply_and_reason_as_text():
    messages = question().messages
    said = repaired(messages, "{reason}" + "x" * 5_000, "No: {reason}", "it is {odd}")
    assert said[:2] == messages and said[2].role == "assistant" and len(said[2].text) == 2_000
    assert said[3] == Message("user", "No: it is {odd}")


def test_calls_are_a_hard_limit_retries_and_repairs_included(cache):
    for script in (echo, lambda messages: "maybe", lambda messages: TransientChatError("busy")):
        model = Scripted(script)
        asked = [question(f"{one}?") for one in range(20)]
        answers = ask(model, asked, cache=None, limits=quick(max_calls=7, give_up_after=100, concurrency=4))
        assert model.calls == 7 == spent(answers).calls
        assert "the budget of 7 calls is spent" in answers[-1].reason


def test_what_the_budget_left_out_a_later_job_asks(cache):
    asked = [question(f"{one}?") for one in range(10)]
    for done in (4, 8, 10):
        model = Scripted(echo, "echo")
        answers = ask(model, asked, cache=cache, limits=quick(max_calls=4))
        assert [one.status for one in answers].count("ok") == done
    assert model.calls == 2


@pytest.mark.parametrize("concurrency", [1, 4])
def test_tokens_are_a_limit(concurrency):
    model = Scripted(lambda messages: Reply("Yes.", 15, 5))
    asked = [question(f"{one:02d}?") for one in range(50)]
    each = prompt_tokens(model, asked[0].messages) + 16
    limits = quick(max_tokens=200, concurrency=concurrency)
    answers = ask(model, asked, cache=None, limits=limits)
    used = spent(answers).tokens
    assert 200 - each < used <= 200 and used == 20 * model.calls
    assert "the token budget has" in answers[-1].reason


def test_cached_answers_cost_no_budget(cache):
    asked = [question(f"{one}?") for one in range(5)]
    ask(Scripted(echo, "echo"), asked, cache=cache)
    answers = ask(Scripted(echo, "echo"), asked, cache=cache, limits=quick(max_calls=0, max_tokens=0))
    assert all(one.value for one in answers)


def test_the_wait_before_a_retry_is_drawn_from_the_seed(monkeypatch):
    waited = []
    monkeypatch.setattr(Pace, "sleep", lambda _, seconds: waited.append(seconds))

    def waits(seed: int) -> list[float]:
        waited.clear()
        busy = Scripted(lambda messages: TransientChatError("busy"))
        ask(busy, [question()], cache=None, limits=Limits(retries=9, max_wait_s=30, seed=seed))
        return list(waited)

    first, again, other = waits(0), waits(0), waits(1)
    assert first == again != other
    for place, wait in enumerate(first):
        longest = min(2.0**place, 30)
        assert longest / 2 <= wait <= longest
    assert len({wait / 2**place for place, wait in enumerate(first)}) == 9


def test_a_fault_of_ours_ends_the_job_and_its_waits_at_once():
    def script(messages):
        if messages[-1].text == "broken":
            time.sleep(0.1)
            raise MemoryError("ours")
        return TransientChatError("busy", retry_after_s=60)

    asked = [question("broken"), *(question(f"{one}?") for one in range(20))]
    started = time.monotonic()
    with pytest.raises(MemoryError):
        ask(Scripted(script), asked, cache=None, limits=quick(concurrency=2))
    assert time.monotonic() - started < 5 and not [
        one for one in threading.enumerate() if one.name.startswith("ask")
    ]


def test_a_cache_that_cannot_be_written_ends_the_job(cache, monkeypatch):
    def full(*_):
        raise StoreError("disk full")

    monkeypatch.setattr(AnswerCache, "put", full)
    model = Scripted(echo)
    with pytest.raises(StoreError):
        ask(model, [question(f"{one}?") for one in range(200)], cache=cache, limits=quick(concurrency=2))
    assert model.calls < 50


def test_hostile_parsers_and_replies_fail_alone():
    def recurse(text):
        return recurse(text)

    def refuse(text):
        raise ReplyError("never.")

    asked = [
        question(f"{place}?", one) for place, one in enumerate([recurse, refuse, int, parsing.yes_or_no])
    ]
    answers = ask(Scripted(echo), asked, cache=None, limits=quick())
    assert [one.status for one in answers] == ["failed"] * 3 + ["ok"]
    assert "RecursionError" in answers[0].reason and answers[1].reason.endswith("never.")


def test_estimate_is_what_the_job_then_does(cache):
    model = Scripted(echo, "echo")
    asked = [question(f"{one}?") for one in (1, 2, 3, 3, 3)]
    ask(model, asked[:1], cache=cache)
    made = estimate(model, asked, cache=cache, prices=Prices(1.0, 4.0, "EUR"))
    assert (made.questions, made.distinct, made.cached, made.calls, made.calls_at_most) == (5, 3, 1, 2, 4)
    each = 4 + 4 + 4 + 1  # "Say yes or no." is 14 bytes, "2?" 2 bytes, 2 messages
    assert made.prompt_tokens == 2 * each and made.completion_tokens_at_most == 32
    assert made.cost_at_most == pytest.approx((2 * each * 1 + 32 * 4) / 1e6)
    assert model.calls == 1 and "2 calls (5 questions, 3 different, 1 answered already" in str(made)
    assert spent(ask(model, asked, cache=cache)).calls == made.calls
    assert estimate(model, asked, cache=None).cost_at_most is None
    with pytest.raises(InputError, match="prices must be 0 or more"):
        Prices(-1, 0)


def test_sound_counts_by_its_length():
    import io

    import numpy as np
    import soundfile

    from otoscope.language.chat import Sound

    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000 * 2), 16_000, format="WAV")
    model = Scripted(["a"])
    heard = Message("user", "What?", (Sound(buffer.getvalue()),))
    assert prompt_tokens(model, [heard]) == 2 + 4 + 50
    assert prompt_tokens(model, [Message("user", "What?", (Sound(b"x" * 8_000),))]) == 2 + 4 + 50


def test_the_table_of_answers():
    asked = [question("1?"), question("2?", int, repair=None)]
    answers = ask(Scripted(echo), asked, cache=None)
    table = answer_table({"neuron": [7, 8], "layer": ["a", "b"]}, asked, answers)
    assert table.columns[:4] == ["neuron", "layer", "key", "messages"]
    assert table["status"].to_list() == ["ok", "failed"] and table["reason"][0] is None
    assert table["messages"][0] == messages_hash(asked[0].messages)
    assert answer_table({"neuron": []}, [], []).height == 0
    with pytest.raises(InputError, match="column 'neuron' has 1 values for 2 questions"):
        answer_table({"neuron": [7]}, asked, answers)
    with pytest.raises(InputError, match="taken names"):
        answer_table({"text": [7, 8]}, asked, answers)


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"retries": -1}, {"timeout_s": 0}, {"max_calls": -1}])
def test_limits_are_checked(wrong):
    name = next(iter(wrong))
    with pytest.raises(InputError, match=f"{name} must be"):
        Limits(**wrong)


def test_two_processes_buy_an_answer_once(tmp_path):
    code = (
        "import sys\n"
        "from otoscope.language.chat import *\n"
        "from otoscope.language.chat import parsing\n"
        "asked = [Question((Message('user', f'{n}?'),), parsing.yes_or_no) for n in range(12)]\n"
        "with AnswerCache(sys.argv[2]) as cache:\n"
        "    answers = ask(chat_model('openai:tiny', base_url=sys.argv[1]), asked, cache=cache)\n"
        "print(sum(one.value is True for one in answers), spent(answers).calls)\n"
    )

    def slow(asked):
        time.sleep(0.05)
        return say("Yes.")

    with FaultServer(by=slow) as server:
        command = [sys.executable, "-c", code, server.url, str(tmp_path / "answers.sqlite")]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        said = [one.communicate(timeout=60)[0].split() for one in running]
        assert len(server.asked) == 12
    assert [int(one[0]) for one in said] == [12, 12] and sum(int(one[1]) for one in said) == 12


def test_a_killed_process_loses_no_paid_answer_and_blocks_nobody(tmp_path):
    code = (
        "import sys\n"
        "from otoscope.language.chat import *\n"
        "from otoscope.language.chat import parsing\n"
        "asked = [Question((Message('user', f'{n}?'),), parsing.yes_or_no) for n in range(200)]\n"
        "ask(chat_model(sys.argv[1]), asked, cache=AnswerCache(sys.argv[2]), limits=Limits(concurrency=2))\n"
    )

    def slow(asked):
        time.sleep(0.03)
        return say("Yes.")

    path = tmp_path / "answers.sqlite"
    with FaultServer(by=slow) as server:
        spec = f"openai:tiny@{server.url}"
        process = subprocess.Popen([sys.executable, "-c", code, spec, str(path)])
        end = time.monotonic() + 60
        while len(server.asked) < 20 and time.monotonic() < end:
            time.sleep(0.01)
        process.kill()
        process.wait()
        time.sleep(0.2)
        bought = len(server.asked)
        with AnswerCache(path) as cache:
            kept = len(cache)
            assert bought - 2 <= kept <= bought  # at most the two under way are lost
            asked = [Question((Message("user", f"{one}?"),), parsing.yes_or_no) for one in range(30)]
            started = time.monotonic()
            answers = ask(model_of(server), asked, cache=cache)
        assert all(one.value for one in answers) and len(server.asked) == bought + 30 - min(30, kept)
        assert time.monotonic() - started < 10


def test_permanent_faults_of_scripts():
    with pytest.raises(PermanentChatError, match="no rule of the script fits 'what'"):
        Scripted([("rain", "a")]).complete([Message("user", "what")], Sampling())
