"""Golden folders are read; every key that is written stands on its page, and the other way round."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from otoscope.errors import FormatError
from otoscope.explain.components import ComponentOcclusion
from otoscope.explain.dictionary import Dictionary
from otoscope.explain.l2i import ListenToInterpret
from otoscope.explain.spectrogram import Spectrogram
from otoscope.explain.trained import open_explainer
from otoscope.models import open_model
from otoscope.store import manifest, tables
from tests.docs.pages import table_names
from tests.explain.make_golden import MODEL, make
from tests.format.pages import PAGES, typed

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def model():
    return open_model(str(MODEL))


@pytest.fixture(scope="module")
def waveform(model) -> torch.Tensor:
    n_samples = round((model.clip_length.length_s or 0.5) * model.sample_rate)
    return 0.1 * torch.sin(2 * torch.pi * 700 * torch.arange(n_samples) / model.sample_rate)[None, None]


def test_the_golden_explainer(model, waveform) -> None:
    found = open_explainer(GOLDEN / "l2i", model)
    assert isinstance(found, ListenToInterpret) and found.dictionary.n_components == 3
    explanation = found.told(threshold=0.0, normaliser="absmax")(model, waveform, 0)
    assert explanation.parts is not None
    assert explanation.parts.relevance[0].tolist() == pytest.approx(RELEVANCE, abs=1e-4)
    copied = found.copied(model, waveform)
    assert copied[0].tolist() == pytest.approx(COPIED, abs=1e-4)


def test_the_golden_dictionary(model, waveform) -> None:
    found = Dictionary.load(GOLDEN / "dictionary", Spectrogram.of(model))
    magnitude = found.spectrogram.spectrum(waveform.mean(1)).abs()
    assert found.encoder is not None
    assert found.activations(magnitude).mean((0, 2)).tolist() == pytest.approx(ACTIVATIONS, abs=1e-4)
    assert isinstance(open_explainer(GOLDEN / "dictionary", model), ComponentOcclusion)


RELEVANCE = [0.089336, -1.0, 0.106704]
COPIED = [-0.666225, -0.077815, 1.044569]
ACTIVATIONS = [0.0, 0.161721, 0.062644]


@pytest.fixture(scope="module")
def now(tmp_path_factory) -> Path:
    """Return what make_golden.py makes with the current code."""
    folder = tmp_path_factory.mktemp("now")
    make(folder)
    return folder


@pytest.mark.parametrize(
    ("page", "file", "folder"),
    [
        ("explainers.md", "explainer.json", "l2i"),
        ("explainers.md", "training.json", "l2i"),
        ("dictionaries.md", "dictionary.json", "dictionary"),
    ],
)
def test_keys_stand_on_their_page(now, page, file, folder) -> None:
    documented = set(table_names(PAGES / page, file))
    assert set(manifest.read(now / folder / file)) == documented
    assert set(manifest.read(GOLDEN / folder / file)) <= documented


def test_what_is_inside_stands_on_the_page(now) -> None:
    text = (PAGES / "explainers.md").read_text()
    content = manifest.read(now / "l2i" / "explainer.json")
    for name in (*content["spectrogram"], *content["net"]):
        assert f"`{name}`" in text, name
    columns = typed("explainers.md", "global_relevance.parquet")
    table = tables.read(now / "l2i" / "global_relevance.parquet")
    assert {name: str(kind) for name, kind in table.schema.items()} == columns


def test_a_newer_dictionary_is_refused(tmp_path) -> None:
    shutil.copytree(GOLDEN / "dictionary", tmp_path / "d")
    content = manifest.read(tmp_path / "d" / "dictionary.json")
    manifest.write(tmp_path / "d" / "dictionary.json", {**content, "format_version": 2})
    with pytest.raises(FormatError, match="a dictionary of format 2"):
        Dictionary.load(tmp_path / "d")


def test_the_page_on_explaining_names_what_there_is() -> None:
    from otoscope.explain import TRAINABLE
    from otoscope.explain.l2i_config import L2IConfig

    text = (PAGES.parent / "explaining.md").read_text()
    part = text.partition("## Training explainers")[2].partition("## Explaining")[0]
    methods = re.findall(r"^\| `(\w+)` \|", part.partition("| Setting |")[0], re.MULTILINE)
    assert set(methods) == set(TRAINABLE)
    settings = re.findall(r"^\| `(\w+)` \|", part.partition("| Setting |")[2], re.MULTILINE)
    assert settings and set(settings) <= set(L2IConfig.model_fields)


def test_golden_arrays_are_finite() -> None:
    from otoscope.store import tensors

    for file in GOLDEN.rglob("*.safetensors"):
        assert all(np.isfinite(one).all() for one in tensors.read(file).values())
