"""Tables of descriptions, answers, interpretability, ablations, ratings and reproductions stand on their pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.export import write_ablated
from otoscope.ablate.ordered import OrderedConfig, ablate_ordered
from otoscope.ablate.stage import ablate, tables_of
from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import open_data
from otoscope.data.clips import Clips
from otoscope.describe.config import DescribeConfig, TabConfig
from otoscope.describe.free_text import UNIDENTIFIED
from otoscope.describe.icl import IclConfig
from otoscope.describe.interpret import InterpretConfig, interpret
from otoscope.describe.open_concepts import OpenConfig
from otoscope.describe.stage import describe
from otoscope.describe.summary import SummaryConfig
from otoscope.language.chat import Message, Scripted
from otoscope.models import open_model
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.report.rate import RateConfig, rate, read_ratings
from otoscope.store import manifest, tables
from otoscope.store.run import Run
from otoscope.study.reproduce.and_2024 import reproduce
from otoscope.study.reproduce.bench import ReproduceConfig
from tests.docs.pages import table_names
from tests.format.pages import PAGES, Ears, keys, same, section, typed, without_maps

DATA = "sounds:?n=36&kinds=rain,siren,clicks&duration_s=0.5"
FAST = {"replicates": 20}


def says(messages: tuple[Message, ...]) -> str:
    """Return a reply to any question of the describing methods; high and low clips give different ones."""
    asked = messages[-1].text
    if "adjective" in asked:
        return "Yes, it can."
    if any("Answer:" in one.text for one in messages):
        return "It fits.\nAnswer: drizzle"
    return "Rain is loud here." if len(asked) % 2 else "A quiet siren wails. Sure, here you are."


@pytest.fixture(scope="module")
def clips() -> Clips:
    return open_data(DATA)


@pytest.fixture(scope="module")
def model() -> AudioModel:
    return open_model("demo:")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTOSCOPE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, clips: Clips, model: AudioModel, cache: Path) -> Run:
    """Return a run that is described by every method, where there is a choice with a chat model and without."""
    root = tmp_path_factory.mktemp("methods") / "run"
    run = record(model, clips, root, RecordConfig(layers=("blocks.0", "logits"), top_k=3))
    captions = caption(run, clips, CaptionConfig(captioner="acoustic"))
    describe(run, DescribeConfig(captions=captions, concepts="labels", permutations=20, **FAST))
    scored = TabConfig(concepts="labels", score_captions=captions, permutations=20, **FAST)
    describe(run, scored, method="tab", encoder=Ears(), clips=clips)
    describe(run, SummaryConfig(captions=captions, **FAST), method="summary")
    summary = SummaryConfig(captions=captions, layers=("logits",), **FAST)
    name = describe(run, summary, method="summary", chat=Scripted(says))
    for chat in (None, Scripted(says)):
        describe(run, IclConfig(summary=name, concepts="labels", top=1), method="icl", chat=chat)
        describe(run, OpenConfig(summary=name), method="open", chat=chat)
    interpret(run, InterpretConfig(captions=captions, n_clusters=None, draws=50, permutations=20))
    return run


def of(run: Run, method: str) -> dict[str, pl.DataFrame]:
    """Return the tables of descriptions of a method by name."""
    names = [name for name in run.listing("descriptions") if name.startswith(f"{method}-")]
    assert names
    return {name: run.table("descriptions", name)[1] for name in names}


@pytest.mark.parametrize("method", ["icl", "open"])
def test_descriptions(run: Run, method: str) -> None:
    for table in of(run, method).values():
        same(table, typed("descriptions.md", f"{method}-HASH"))


def test_summaries_by_contrast_have_their_control(run: Run) -> None:
    columns = typed("descriptions.md", "summary-HASH")
    seen = set()
    for name, table in of(run, "summary").items():
        asked = manifest.read(run.root / "stages" / f"describe-{name}.json")["config"]["chat"] is not None
        same(table, {one: kind for one, kind in columns.items() if one != "shuffled_pearson" or not asked})
        seen.add(asked)
    assert seen == {True, False}


def test_tab_has_the_columns_of_db(run: Run) -> None:
    for method in ("db", "tab"):
        for table in of(run, method).values():
            same(table, typed("descriptions.md", "db-HASH, tab-HASH"))


def test_fields_of_sentences(run: Run) -> None:
    text = section("descriptions.md", "summary-HASH")
    fields = re.findall(r"^\| `(\w+)` \|", text.split("Fields of `sentences`:")[1], re.MULTILINE)
    low = re.findall(r"`(\w+)`", text.split("`low_sentences` has")[1].split(".")[0])
    stated = {"kept", "matched", "boilerplate", "short"}
    for table in of(run, "summary").values():
        assert [one.name for one in table.schema["sentences"].inner.fields] == fields  # type: ignore[attr-defined]
        assert {one.name for one in table.schema["low_sentences"].inner.fields} == set(low) - stated  # type: ignore[attr-defined]
        said = table["low_sentences"].explode().drop_nulls().struct.field("status")
        assert set(said) <= stated


def test_words_of_status_source_and_flags(run: Run) -> None:
    page = (PAGES / "descriptions.md").read_text(encoding="utf-8")
    known = {
        *table_names(PAGES / "descriptions.md", "Flags"),
        *table_names(PAGES / "descriptions.md", "Further flags of free text"),
    }
    given: set[str] = set()
    for method in ("summary", "icl", "open"):
        for table in of(run, method).values():
            assert set(table["status"]) <= {"ok", "empty", "failed"}
            for source in set(table["source"]):
                assert f"`{source}`" in page
            given |= {one for flags in table["flags"] for one in flags.split(";") if one}
    assert given and given <= known


def test_markers(run: Run) -> None:
    """Their notes stand on the page; their config holds every option of the method and what the page adds."""
    kinds: dict[str, Any] = {
        "describe-summary": SummaryConfig, "describe-icl": IclConfig, "describe-open": OpenConfig,
        "interpret": InterpretConfig,
    }  # fmt: skip
    for kind, config in kinds.items():
        named = without_maps(re.findall(r"^\| `([^`]+)` \|", section("run.md", f"{kind}-HASH"), re.MULTILINE))
        found: set[str] = set()
        for path in (run.root / "stages").glob(f"{kind}-*.json"):
            marker = manifest.read(path)
            found |= set(keys({one: marker[one] for one in ("inputs", "notes")}, ("notes.silhouettes",)))
            own = {one.removeprefix("config.") for one in named if one.startswith("config.")}
            assert set(marker["config"]) == (set(config.model_fields) - set(UNIDENTIFIED)) | own
        assert found == {one for one in named if not one.startswith("config.")}, kind


def test_answers(run: Run) -> None:
    roles = set()
    for path in (run.root / "answers").iterdir():
        assert path.stem.removeprefix("describe-") in run.listing("descriptions")
        table = tables.read(path)
        same(table, typed("answers.md", "answers/describe-METHOD-HASH.parquet"))
        roles |= {(one, path.stem.split("-")[1]) for one in table["role"]}
    text = (PAGES / "answers.md").read_text(encoding="utf-8")
    assert roles == set(re.findall(r"^\| `(\w+)` \| (summary|icl|open) \|", text, re.MULTILINE))


def test_interpretability(run: Run) -> None:
    found = {path.name.split("-")[0]: path for path in (run.root / "interpretability").iterdir()}
    assert set(found) == {"neurons", "layers"}
    for name, path in found.items():
        same(tables.read(path), typed("interpretability.md", f"interpretability/{name}-HASH.parquet"))


def test_embeddings(run: Run) -> None:
    found = {path.name.split("-")[0]: path for path in (run.root / "embeddings").iterdir()}
    assert set(found) == {"texts", "sounds"}
    for name, path in found.items():
        assert path.stem.split("-")[1] == "ears"
        same(tables.read(path), typed("embeddings.md", f"{name}-SCHEME-HASH"))


@pytest.fixture(scope="module")
def ablated(run: Run, clips: Clips, model: AudioModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    related = tmp_path_factory.mktemp("related") / "related.json"
    related.write_text('{"rain": ["clicks"], "siren": ["rain"], "clicks": ["siren"]}')
    config = AblateConfig(
        related=f"file:{related}", n_random=9, probe_folds=2, probe_random=1, top_n=1, **FAST
    )
    return ablate(run, model, clips, config)


def test_ablations(run: Run, ablated: str) -> None:
    found = tables_of(run, ablated)
    text = section("ablations.md", "ablations/STRATEGY-HASH/", 2)
    assert re.findall(r"^### (\w+)\.parquet", text, re.MULTILINE) == [
        *(
            "summary",
            "effects",
            "classes",
            "confusion",
            "matrix",
            "random",
            "curve",
            "related",
            "sets",
            "probe",
        ),
        "refit",  # of saved probes: test_probe_tables
    ]
    for name, table in found.items():
        same(table, typed("ablations.md", f"{name}.parquet"))


def test_ordered_ablations(run: Run, clips: Clips, model: AudioModel) -> None:
    config = OrderedConfig(shares=(0.5,), seeds=(1, 2), **FAST)
    path = run.root / "ablations" / ablate_ordered(run, model, clips, config) / "accuracy.parquet"
    same(tables.read(path), typed("ablations.md", "ablations/ordered-HASH/accuracy.parquet"))


def test_markers_of_ablations(run: Run, ablated: str) -> None:
    ordered = next((run.root / "stages").glob("ablate-ordered-*.json"))
    cases = {
        "ablate-NAME": (run.root / "stages" / f"ablate-{ablated}.json", AblateConfig),
        "ablate-ordered-HASH": (ordered, OrderedConfig),
    }
    for heading, (path, config) in cases.items():
        marker = manifest.read(path)
        named = set(re.findall(r"^\| `([^`]+)` \|", section("run.md", heading), re.MULTILINE))
        rows = {one: 0 for one in ("summary", "matrix") if one in marker["notes"]}
        inside = {"inputs": marker["inputs"], "notes": {**marker["notes"], **rows}}
        assert set(keys(inside)) == named - {"inputs.probe"}
        assert set(marker["config"]) == set(config.model_fields) - {"sets_at_once", "memory_mb", "workers"}
    marker = manifest.read(run.root / "stages" / "ablate.json")
    named = set(re.findall(r"^\| `([^`]+)` \|", section("run.md", "ablate"), re.MULTILINE))
    assert set(keys({one: marker[one] for one in ("config", "inputs")})) == named


def test_ablated_network(run: Run, clips: Clips, model: AudioModel, tmp_path: Path) -> None:
    config = AblateConfig(top_n=1, intervention="zero")
    write_ablated(run, model, tmp_path / "without", config, clips)
    written = manifest.read(tmp_path / "without" / "ablation.json")
    assert set(keys(written, ("neurons",))) == without_maps(
        table_names(PAGES / "ablations.md", "ablation.json")
    )


def test_ratings(run: Run, tmp_path: Path) -> None:
    made = rate(run.root, config=RateConfig(tables=("db",), neurons=2, clips=2))
    same(tables.read(made.key), typed("ratings.md", "key.parquet"))
    named = table_names(PAGES / "ratings.md", "What a rater saves")
    saved = {
        "format": "otoscope-ratings", "version": 1, "page": made.name, "rater": "Ada",
        "items": [{"item": 0, "text": "a hum", "ratings": [4, None]}],
    }  # fmt: skip
    assert set(keys(saved)) == set(named)
    manifest.write(tmp_path / "ada.json", saved)
    columns = ["page", "rater", "item", "option", "rating", "text"]
    assert (
        re.findall(r"`(\w+)`", section("ratings.md", "What a rater saves").split("CSV holds")[1])[:6]
        == columns
    )
    rows = [(made.name, "Bo", 0, "", "", "'=a hum"), (made.name, "Bo", 0, 1, 4, "")]
    lines = [",".join(map(str, row)) for row in (columns, *rows)]
    (tmp_path / "bo.csv").write_text("\n".join(lines) + "\n")
    found = read_ratings(run.root, [tmp_path / "ada.json", tmp_path / "bo.csv"], name=made.name)
    assert found.ratings.select("rater", "option", "rating").unique().sort("rater").rows() == [
        ("Ada", 0, 4),
        ("Bo", 1, 4),
    ]
    assert found.texts["own_words"].to_list() == ["a hum", "=a hum"]


LIKE = (
    "loud",
    "quiet",
    "bright",
    "dull",
    "sharp",
    "soft",
    "harsh",
    "steady",
    "rough",
    "smooth",
    "shrill",
    "deep",
)


def test_reproduction(model: AudioModel, clips: Clips, tmp_path: Path, cache: Path) -> None:
    named = zip(clips.table["id"], clips.table["label"])
    said = [f"{one},A {LIKE[place % 12]} {label} is heard." for place, (one, label) in enumerate(named)]
    (tmp_path / "said.csv").write_text("\n".join(["id,text", *said]) + "\n")
    small = ReproduceConfig(
        captions=f"file:{tmp_path / 'said.csv'}",
        text_encoder="lexical",
        folds=None,
        n_random=9,
        layers=("blocks.0",),
        random_neurons=3,
    )
    _, found = reproduce(model, clips, tmp_path / "out", small)
    text = (PAGES / "reproduction.md").read_text(encoding="utf-8").split("## Columns of and-2024")[1]
    parts = dict(re.findall(r"^### ([^\n]+)\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
    named = {file: part for title, part in parts.items() for file in title.split(", ")}
    assert set(named) == {f"{one.exhibit.slug}.parquet" for one in found}
    for path in (tmp_path / "out").glob("*.parquet"):
        first = re.findall(r"^\| (`[^|]+) \|", named[path.name], re.MULTILINE)
        assert tables.read(path).columns == [one for row in first for one in re.findall(r"`(\w+)`", row)]
    made = {one.exhibit.slug for one in found if one.table is not None}
    assert {"table-1", "table-4", "figure-3", "figure-4", "figure-6", "figure-10", "figures-11-14"} <= made


CAPTIONED: dict[str, Callable[[Path], str]] = {
    "py": lambda folder: f"py:{folder / 'hears.py'}:hears",
    "chat": lambda folder: f"chat:scripted:{folder / 'said.json'}",
}


@pytest.mark.parametrize("scheme", CAPTIONED)
def test_prompted_captions(run: Run, clips: Clips, tmp_path: Path, scheme: str) -> None:
    (tmp_path / "hears.py").write_text("def hears(waveform, rate, prompt):\n    return 'a sound'\n")
    (tmp_path / "said.json").write_text('{"rules": [["", "A dog barks."]]}')
    name = caption(run, clips, CaptionConfig(captioner=CAPTIONED[scheme](tmp_path)))
    heading = "Further columns of `qwen2-audio` and `py`" if scheme == "py" else "Further columns of `chat`"
    common = typed("captions.md", "Columns of every captioner")
    same(run.table("captions", name)[1], common | typed("captions.md", heading))
    marker = manifest.read(run.root / "stages" / f"caption-{name}.json")
    named = set(re.findall(r"^\| `([^`]+)` \|", section("run.md", "caption-NAME"), re.MULTILINE))
    inside = {one: marker[one] for one in ("config", "inputs", "notes")}
    assert set(keys(inside)) <= named
