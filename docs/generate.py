"""Write what is generated in the documents: docs/cli.md, the output shown in README.md, the picture of the report.

    python docs/generate.py [cli] [readme] [picture]

Without a name all three are made. ``readme`` and ``picture`` run the demo into a temporary folder; ``picture`` needs
Chromium and playwright. The tests compare ``docs/cli.md`` and the README with what the commands say.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import typer

from otoscope.cli.command import metavar
from otoscope.cli.main import COMMANDS, USAGE, run
from otoscope.registry import load

ROOT = Path(__file__).parents[1]
CLI_PAGE, README, PICTURE = (
    ROOT / "docs" / "cli.md",
    ROOT / "README.md",
    ROOT / "docs" / "images" / "report.png",
)
CHROMIUM = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
DEMO_BLOCK = re.compile(r"(^```console\n\$ otoscope demo\n).*?(^```$)", re.MULTILINE | re.DOTALL)

_HEAD = """# Commands

Made by `python docs/generate.py cli` from what `--help` says; do not edit.

```text
{usage}
```

MODEL is `demo:`, `planted:`, `hf:NAME`, `beats:FILE`, `panns:FILE`, `py:module:factory`, `untrained:MODEL` (weights
drawn anew), or a folder made by `otoscope train` or `otoscope import-weights`. DATA is `folder:PATH`, `csv:FILE`,
`hub:NAME`, `sounds:N`,
`esc50:PATH` or another collection of [datasets](datasets.md); options follow a question mark, as in
`csv:table.csv?multi=;`. `python -m otoscope` is the same command where no script is installed. stdout holds the result,
stderr progress and warnings. Exit codes: 0 done, 1 the work failed, 2 the call cannot be understood.
"""


def cli_page() -> str:
    """Return the page of all commands."""
    parts = [_HEAD.format(usage=USAGE)]
    for name, function in functions():
        parts.append(_command(name, function))
    return "\n".join(parts)


def functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the name (``data get``) and the function of every command."""
    for name, (target, _) in COMMANDS.items():
        found = load(target)
        if isinstance(found, typer.Typer):
            for one in found.registered_commands:
                function = one.callback
                if function is not None:
                    yield f"{name} {one.name or function.__name__}", function
        else:
            yield name, found


def _command(name: str, function: Callable[..., Any]) -> str:
    given = [_Given.of(one) for one in inspect.signature(function, eval_str=True).parameters.values()]
    arguments = [one for one in given if one.is_argument]
    usage = " ".join(["otoscope", name, "[OPTIONS]", *(one.metavar for one in arguments)])
    lines = [f"## otoscope {name}", "", inspect.getdoc(function) or "", ""]
    lines += ["```text", usage, "```", ""]
    lines += ["| | | Meaning |", "|---|---|---|"]
    lines += [one.row() for one in sorted(given, key=lambda one: not one.is_argument)]
    return "\n".join(lines) + "\n"


class _Given:
    """One argument or option of a command, as its signature says it."""

    def __init__(self, parameter: inspect.Parameter, kind: Any, declared: Any) -> None:
        self.is_argument = isinstance(declared, typer.models.ArgumentInfo)
        decls = (
            declared.default,
            *(declared.param_decls or ()),
        )  # in Annotated the first one stands as default
        named = [one for one in decls if isinstance(one, str) and one.startswith("--")]
        self.option = named[0] if named else "--" + parameter.name.replace("_", "-")
        inner = [one for one in get_args(kind) if one is not type(None)]
        self.many = get_origin(kind) is list or any(get_origin(one) is list for one in inner)
        self.kind = kind
        self.metavar = metavar(parameter)
        self.help = declared.help or ""
        self.default = parameter.default

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> _Given:
        """Return what ``Annotated[kind, typer.Option(...)]`` declares."""
        kind, declared = get_args(parameter.annotation)[:2]
        return cls(parameter, kind, declared)

    def row(self) -> str:
        """Return the line of the table."""
        name = self.metavar if self.is_argument else f"{self.option} {self.metavar}".strip()
        return f"| `{name}` | {self._need()} | {self.help.replace('|', chr(92) + '|')} |"

    def _need(self) -> str:
        if self.default is inspect.Parameter.empty:
            return "needed"
        if self.many:
            return "repeatable"
        return "" if self.default is None or self.kind is bool else f"default `{self.default}`"


def demo_output(folder: Path) -> str:
    """Run the demo in ``folder`` and return what it prints; ``...`` stands for its time and its longer table."""
    out = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        code = run(["demo", "--quiet"])
    if code:
        raise SystemExit(f"the demo ended with exit code {code}")
    timeless = re.sub(r"^\d+ s$", "... s", out.getvalue(), flags=re.MULTILINE)
    return re.sub(r"^kind .*?(?=\n\n)", "...", timeless, flags=re.MULTILINE | re.DOTALL)


def telling_neuron(run: Path) -> tuple[str, int]:
    """Return the layer and index of the best confirmed neuron of the output, whose class the page names beside it."""
    import otoscope

    opened = otoscope.open(run)
    best = (
        opened.descriptions().filter(layer="logits").sort("heldout_pearson", descending=True, nulls_last=True)
    )
    cards = [opened.neuron("logits", index) for index in best["index"].to_list()]
    confirmed = [card.view.index for card in cards if card.view.verdict == "confirmed"]
    return "logits", (confirmed or best["index"].to_list())[0]


def picture(run: Path, out: Path) -> None:
    """Write what a desktop browser shows of one neuron in the report of ``run``."""
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=found, args=CHROMIUM.split())
        view = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        layer, index = telling_neuron(run)
        view.goto(f"{(run / 'report.html').resolve().as_uri()}#neuron/{layer}/{index}")
        view.wait_for_timeout(1500)
        view.screenshot(path=out)
        browser.close()


def main(names: list[str]) -> None:
    """Make the named parts."""
    wanted = names or ["cli", "readme", "picture"]
    if set(wanted) - {"cli", "readme", "picture"}:
        raise SystemExit("usage: python docs/generate.py [cli] [readme] [picture]")
    if "cli" in wanted:
        CLI_PAGE.write_text(cli_page(), encoding="utf-8")
    if {"readme", "picture"} & set(wanted):
        with tempfile.TemporaryDirectory() as folder:
            said = demo_output(Path(folder))
            if "readme" in wanted:
                text = README.read_text(encoding="utf-8")
                README.write_text(DEMO_BLOCK.sub(lambda found: found[1] + said + found[2], text), "utf-8")
            if "picture" in wanted:
                picture(Path(folder) / "otoscope-demo" / "classifier", PICTURE)


if __name__ == "__main__":
    main(sys.argv[1:])
