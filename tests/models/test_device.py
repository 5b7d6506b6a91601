"""A device that cannot be used here is refused in one sentence, before anything is loaded, wherever one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from otoscope.data import open_data
from otoscope.errors import InputError
from otoscope.language import text_encoder, text_sound_encoder
from otoscope.language.chat import chat_model
from otoscope.language.in_context import token_encoder
from otoscope.models import open_model
from otoscope.models.device import checked_device, usable
from otoscope.models.train import train

NO_CARD = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a card")


def test_every_usable_device_can_be_used() -> None:
    assert usable()[0] == "cpu"
    assert [checked_device(one) for one in usable()] == list(usable())


def test_what_is_no_device() -> None:
    with pytest.raises(InputError, match=r"^there is no device 'foo'. Usable here: cpu"):
        checked_device("foo")
    with pytest.raises(InputError, match=r"^a device is a text such as 'cpu', got int 3$"):
        checked_device(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["meta", "xla", "hpu", "cuda:99"])
def test_a_device_that_torch_knows_and_cannot_use(name: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_device(name)
    said = str(caught.value)
    assert said.startswith(f"the device '{name}' cannot be used here: ")
    assert said.endswith(f". Usable here: {', '.join(usable())}")
    assert "\n" not in said and len(said) < 250


@NO_CARD
def test_a_card_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"^the device 'cuda' cannot be used here: .*. Usable here: cpu"):
        checked_device("cuda")


@pytest.mark.parametrize(
    "use",
    [
        lambda out: open_model("demo:", "foo"),
        lambda out: train("cnn", open_data("sounds:20"), out, device="foo"),
        lambda out: text_encoder("lexical", "foo"),
        lambda out: text_sound_encoder("clap:nowhere", "foo"),
        lambda out: token_encoder("nowhere", "foo"),
        lambda out: chat_model("hf:nowhere", device="foo"),
    ],
    ids=["open_model", "train", "text_encoder", "text_sound_encoder", "token_encoder", "chat_model"],
)
def test_all_that_take_a_device_check_it(use, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^there is no device 'foo'"):
        use(tmp_path / "out")
    assert not (tmp_path / "out").exists()
