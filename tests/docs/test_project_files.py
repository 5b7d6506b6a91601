"""The glossary has the project's words, the changelog its form, the citation what the format asks for."""

from __future__ import annotations

import re

import pytest

import otoscope
from otoscope.record.pooling import POOLINGS
from otoscope.report.views import VERDICTS
from tests.docs.pages import ROOT

HOUSE = (
    "clip", "waveform", "sample_rate", "n_fft", "hop_length", "n_mels", "frame", "layer", "neuron",
    "activation", "pooling", "concept", "description", "selectivity", "ablation", "relevance", "mask",
    "explanation", "listenable", "faithfulness", "logits", "run", "group",
)  # fmt: skip
FIELD = (
    "pole", "probing set", "held-out score", "control", "FDR", "dead", "silent", "signed", "soft-WPMI",
    "WPMI", "rank reorder", "caption", "captioner", "text encoder", "similarity function", "affinity",
    "margin", "p", "q", "significant", "testable", "interval", "circular", "confound",
    "planted network", "distractor", "recovered", "evidence", "peak", "trace", "histogram", "geometry", "stage",
    "marker", "chat model", "answer", "calibration", "near miss", "open concepts", "closed concepts", "uninterpretable",
    "intervention", "strategy", "matched", "importance", "probe", "dA", "dR", "reproduction", "gist", "clarity",
)  # fmt: skip


@pytest.fixture(scope="module")
def entries() -> dict[str, str]:
    """Return the glossary's words with their definitions."""
    text = (ROOT / "GLOSSARY.md").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for line in re.findall(r"^- (\*\*.+?)(?=^- |^#|\Z)", text, re.MULTILINE | re.DOTALL):
        names, definition = re.match(r"((?:\*\*[^*]+\*\*(?:, )?)+): (.+)", line, re.DOTALL).groups()  # type: ignore[union-attr]
        for name in re.findall(r"\*\*([^*]+)\*\*", names):
            assert name not in found, f"{name} stands twice in the glossary"
            found[name] = definition.strip()
    return found


@pytest.mark.parametrize("word", [*HOUSE, *FIELD])
def test_the_glossary_has_the_word(entries: dict[str, str], word: str) -> None:
    assert entries[word].endswith(".")


def test_the_glossary_has_the_names_of_the_code(entries: dict[str, str]) -> None:
    assert all(name in entries["pooling"] for name in POOLINGS)
    assert all(name in entries["verdict"] for name in VERDICTS)


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    versions = re.findall(r"^## \[([^\]]+)\](?: - \d{4}-\d{2}-\d{2})?$", text, re.MULTILINE)
    assert len(versions) == len(re.findall(r"^## ", text, re.MULTILINE))
    assert versions[0] == "Unreleased"
    assert otoscope.__version__ in text
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_is_complete() -> None:
    yaml = pytest.importorskip("yaml")
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert content["cff-version"] == "1.2.0" and content["type"] == "software"
    assert str(content["version"]) == otoscope.__version__ and content["license"] == "Apache-2.0"
    assert (
        content["title"] and content["message"] and content["authors"] == [{"name": "The Otoscope authors"}]
    )
    papers = {one["title"].split(":")[0]: one for one in content["references"]}
    methods = {"AND", "CLIP-Dissect", "Evaluating Neuron Explanations", "Language-Specific Neurons"}
    methods |= {"What Do Neurons Listen To? A Neuron-level Dissection of a General-purpose Audio Model"}
    methods |= {"Listen to Interpret", "Posthoc Interpretation via Quantization"}
    methods |= {"Listenable Maps for Audio Classifiers"}
    methods |= {"Focal Modulation Networks for Interpretable Sound Classification"}
    networks = {"PANNs", "BEATs", "Masked Modeling Duo"}
    clap = "Large-scale Contrastive Language-Audio Pretraining with Feature Fusion and Keyword-to-Caption Augmentation"
    assert set(papers) == methods | networks | {clap, "ESC"}
    where = {"conference-paper": "collection-title", "article": "journal"}
    for one in papers.values():
        assert one["year"] and one[where[one["type"]]]
        people = [author for author in one["authors"] if "name" not in author]
        assert all(author["family-names"] and author["given-names"] for author in people)
