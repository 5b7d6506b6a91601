"""A transformers chat model in this process, on tiny checkpoints made here."""

from __future__ import annotations

import shutil

import pytest

from otoscope.errors import ModelError, PermanentChatError, TransientChatError
from otoscope.language.chat import Message, Question, Sampling, Sound, ask, chat_model, estimate, parsing
from otoscope.language.chat.local import LocalChat, merged
from otoscope.language.chat.model import Reply

from . import tiny

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

TALK = [Message("system", "Be brief."), Message("user", "Rain?")]
GREEDY = Sampling(max_tokens=16)
DRAWN = Sampling(temperature=1.0, top_p=0.9, max_tokens=16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.build(tmp_path_factory.mktemp("chat") / "tiny")


def test_greedy_replies_are_transformers_own(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    local = chat_model(f"hf:{folder}")
    for words in ("Rain?", "a", "What do 5 clips share? é 雨"):
        talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": words}]
        ids = tokenizer.apply_chat_template(
            talk, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**ids, do_sample=False, max_new_tokens=16, temperature=None)
        new = out[0, ids["input_ids"].shape[1] :]
        reply = local.complete([Message("system", "Be brief."), Message("user", words)], GREEDY)
        assert reply.text == tokenizer.decode(new, skip_special_tokens=True).strip()
        assert (reply.prompt_tokens, reply.completion_tokens) == (ids["input_ids"].shape[1], len(new))


def test_draws_repeat_by_seed_and_leave_torch_alone(folder):
    local = LocalChat(str(folder))
    before = torch.random.get_rng_state()
    replies = [local.complete(TALK, Sampling(1.0, 0.9, 16, seed)) for seed in (0, 0, 1, 2)]
    assert replies[0] == replies[1] and len({one.text for one in replies}) == 3
    assert torch.equal(before, torch.random.get_rng_state())
    fresh = {local.complete(TALK, Sampling(1.0, 1.0, 16, None)).text for _ in range(3)}
    assert len(fresh) > 1


def test_draws_follow_softmax_and_top_p():
    from otoscope.language.chat.drawing import next_token

    logits = torch.log(torch.tensor([0.1, 0.5, 0.15, 0.25]))
    generator = torch.Generator().manual_seed(5)

    def shares(sampling):
        drawn = [next_token(logits, sampling, generator) for _ in range(4000)]
        return [drawn.count(one) / 4000 for one in range(4)]

    assert shares(Sampling(temperature=1.0)) == pytest.approx([0.1, 0.5, 0.15, 0.25], abs=0.03)
    assert shares(Sampling(temperature=1.0, top_p=0.7)) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.03)
    assert shares(Sampling(temperature=1.0, top_p=1e-9))[1] == 1.0
    assert shares(Sampling(temperature=0.0))[1] == 1.0
    squared = [0.01, 0.25, 0.0225, 0.0625]
    assert shares(Sampling(temperature=0.5)) == pytest.approx(
        [one / sum(squared) for one in squared], abs=0.03
    )


@pytest.mark.parametrize("template", [tiny.NO_SYSTEM, tiny.DROPS_SYSTEM])
def test_templates_without_a_system_role_get_its_text_in_the_first_message(template, tmp_path):
    from transformers import AutoTokenizer

    path = tiny.build(tmp_path / "tiny", template)
    model = chat_model(f"hf:{path}")
    plain = [Message("user", "Be brief.\n\nRain?")]
    assert model.complete(TALK, GREEDY) == model.complete(plain, GREEDY)
    prompt = "<|user|>Be brief.\n\nRain?<|end|><|assistant|>"
    assert model.count_tokens(TALK) == len(AutoTokenizer.from_pretrained(path)(prompt)["input_ids"])


def test_templates_with_a_system_role_keep_it(folder):
    model = chat_model(f"hf:{folder}")
    assert (
        model.count_tokens(TALK) == model.count_tokens(list(merged(TALK))) + 2 - 2
    )  # one end, one role; one "\n\n"


def test_merging():
    talk = [Message("system", "a"), Message("user", "b"), Message("assistant", "c"), Message("user", "d")]
    assert [(one.role, one.text) for one in merged(talk)] == [
        ("user", "a\n\nb"),
        ("assistant", "c"),
        ("user", "d"),
    ]
    assert merged(talk[1:]) == tuple(talk[1:]) and merged([]) == ()


def test_stops_and_ends(folder):
    model = chat_model(f"hf:{folder}")
    whole = model.complete(TALK, Sampling(max_tokens=40))
    assert whole.completion_tokens == 40 and whole.finish_reason == "length"
    stop = whole.text[4:6]
    stopped = model.complete(TALK, Sampling(max_tokens=40, stop=(stop,)))
    assert stopped.text == whole.text[: whole.text.index(stop)].strip() and stopped.finish_reason == "stop"
    assert stopped.completion_tokens < 40


def test_a_model_that_ends_at_once(folder, tmp_path):
    from transformers import LlamaForCausalLM

    path = shutil.copytree(folder, tmp_path / "silent")
    model = LlamaForCausalLM.from_pretrained(path)
    with torch.no_grad():
        model.lm_head.weight.zero_()  # every token is equally likely, the first one is the end
    model.save_pretrained(path)
    assert chat_model(f"hf:{path}").complete(TALK, GREEDY) == Reply("", 19, 1, "stop")


def test_ids_follow_the_content(folder, tmp_path):
    name = chat_model(f"hf:{folder}").id
    same, other = shutil.copytree(folder, tmp_path / "tiny"), tmp_path / "other" / "tiny"
    assert chat_model(f"hf:{same}").id == name and name.startswith("hf:tiny@")
    assert chat_model(f"hf:{tiny.build(other, seed=1)}").id != name
    (same / "chat_template.jinja").write_text(tiny.DROPS_SYSTEM)
    assert chat_model(f"hf:{same}").id != name


def test_what_it_cannot_take(folder):
    model = chat_model(f"hf:{folder}")
    with pytest.raises(PermanentChatError, match="takes text only, no sound"):
        model.complete([Message("user", "?", (Sound(b""),))], GREEDY)
    with pytest.raises(PermanentChatError, match="of reply do not fit the 1024"):
        model.complete([Message("user", "x" * 1_100)], GREEDY)
    with pytest.raises(TransientChatError, match="had not ended after 1e-09 s"):
        model.with_timeout(1e-9).complete(TALK, GREEDY)


def test_a_template_that_refuses(tmp_path):
    path = tiny.build(tmp_path / "tiny", "{{ raise_exception('never') }}")
    with pytest.raises(PermanentChatError, match="refuses the messages: never"):
        chat_model(f"hf:{path}").complete(TALK, GREEDY)


def test_checkpoints_that_are_no_chat_models(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="has no chat template"):
        chat_model(f"hf:{tiny.build(tmp_path / 'tiny', None)}").complete(TALK, GREEDY)
    with pytest.raises(ModelError, match=r"cannot load the chat model 'nobody/nothing'"):
        chat_model("hf:nobody/nothing").complete(TALK, GREEDY)
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "model.safetensors").unlink()
    asked = [Question(tuple(TALK), parsing.sentence, GREEDY)]
    with pytest.raises(ModelError, match="cannot load the chat model"):
        ask(chat_model(f"hf:{broken}"), asked, cache=None)


def test_a_job_from_several_threads(folder, cache):
    model = chat_model(f"hf:{folder}")
    asked = [Question((Message("user", f"{one}?"),), parsing.sentence, GREEDY) for one in range(6)]
    made = estimate(model, asked, cache=cache)
    assert made.rule == "the model's tokenizer" and made.prompt_tokens == 6 * 5
    answers = ask(model, asked, cache=cache)
    assert [one.text for one in answers] == [model.complete(one.messages, GREEDY).text for one in asked]
    assert sum(one.prompt_tokens for one in answers) == made.prompt_tokens
