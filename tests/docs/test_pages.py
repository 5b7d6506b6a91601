"""Every page: links lead somewhere, lines fit, examples run, and what it names exists."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

from otoscope.cli.main import COMMANDS
from otoscope.data import DATASETS
from otoscope.data.events import FORMATS
from otoscope.data.official import DOWNLOADS
from otoscope.data.sonyc_ust import POLICIES
from tests.docs.pages import PAGES, ROOT, blocks, links, prose, table_names

OUTSIDE = {"keepachangelog.com", "semver.org"}
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@EACH
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if target.startswith("https://"):
            assert target.split("/")[2] in OUTSIDE
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(file), f"{page.name} links to {target}"


@EACH
def test_lines_fit(page: Path) -> None:
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        made = page.name == "cli.md" and line.startswith("| ")  # a row is one line, however long its help
        assert made or len(line) <= 120, f"{page.name}:{number}"


@EACH
def test_python_examples_run(page: Path) -> None:
    examples = "".join(one.text for one in blocks(page, "python") if one.text.startswith(">>>"))
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)
    found = doctest.DocTestRunner().run(test)
    assert found.failed == 0


@EACH
def test_names_of_the_package_exist(page: Path) -> None:
    for name in sorted(set(re.findall(r"`(otoscope(?:\.\w+)+)`", prose(page)))):
        assert exists(name), f"{page.name} names {name}"


def exists(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        place, _, last = name.rpartition(".")
        return hasattr(importlib.import_module(place), last)
    return True


@EACH
def test_named_commands_exist(page: Path) -> None:
    for name in re.findall(r"`otoscope ([a-z]\S*?)[ `]", prose(page)):
        assert name in COMMANDS, f"{page.name} names otoscope {name}"


def test_statistics_page_names_what_there_is() -> None:
    from otoscope.describe import SIMILARITIES
    from otoscope.metrics.multiple_testing import NULLS

    page = ROOT / "docs" / "statistics.md"
    assert set(NULLS) <= set(table_names(page, "p: could the best of many concepts fit this well by chance?"))
    assert set(table_names(page)) >= set(SIMILARITIES)


def test_statistics_page_gives_the_defaults() -> None:
    from otoscope.describe.config import DescribeConfig

    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| (\S+) \|", text.split("## Choices and their defaults")[1], re.MULTILINE
    )
    assert len(rows) >= 10
    for name, value in rows:
        assert str(DescribeConfig.model_fields[name].default) == value, name


def test_statistics_page_gives_the_verdicts() -> None:
    from otoscope.report.views import VERDICTS

    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    table = text.split("| Verdict | if |")[1].split("\n\n")[0]
    assert re.findall(r"^\| (\w+) \|", table, re.MULTILINE) == list(VERDICTS)


def test_every_collection_and_format_of_events_is_documented() -> None:
    page = ROOT / "docs" / "datasets.md"
    assert set(table_names(page, "What they hold")) == set(DATASETS)
    assert set(table_names(page, "Events: what sounds when")) == set(FORMATS)
    assert set(table_names(page, "Votes of SONYC-UST")) - {"policy"} == set(POLICIES)
    got = {name for row in page.read_text().splitlines() for name in re.findall(r"\| `([\w-]+)` \|$", row)}
    assert set(DOWNLOADS) <= got
