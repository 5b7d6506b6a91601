"""``otoscope COMMAND ...``: find the command's file, run it, turn errors into sentences and exit codes.

Exit codes: 0 done, 1 the work failed, 2 the call cannot be understood. stdout holds the result, stderr everything
else. A command's module is imported only when it is called, so that help is instant.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from otoscope import __version__

#: command -> (module:function, what it does)
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": (
        "otoscope.cli.demo:demo",
        "the main job on built-in sounds and networks, offline, within a minute",
    ),
    "train": ("otoscope.cli.train:train", "train a classifier on a collection of sounds"),
    "train-explainer": (
        "otoscope.cli.train_explainer:train_explainer",
        "train what explains a classifier's decisions, on its hidden layers",
    ),
    "layers": (
        "otoscope.cli.layers:layers",
        "show a network's layers: shapes, neurons, where they lie in time",
    ),
    "doctor": (
        "otoscope.cli.doctor:doctor",
        "check a network and sounds before recording; estimate the cost",
    ),
    "dissect": ("otoscope.cli.dissect:dissect", "record, caption, describe and report in one go"),
    "record": ("otoscope.cli.record:record", "run a network over sounds and keep what its neurons do"),
    "merge": ("otoscope.cli.merge:merge", "make one run of recordings of different clips"),
    "caption": ("otoscope.cli.caption:caption", "put the sounds of a run into words"),
    "describe": ("otoscope.cli.describe:describe", "put the neurons of a run into words, with scores"),
    "select": ("otoscope.cli.select:select", "find the neurons of each class, beside what chance selects"),
    "share": ("otoscope.cli.select:share", "say which classes share neurons, within a task or between two"),
    "probe": ("otoscope.cli.probe:probe", "train a linear probe on a frozen network, beside chance"),
    "ablate": ("otoscope.cli.ablate:ablate", "remove a concept's neurons and measure what breaks"),
    "explain": (
        "otoscope.cli.explain:explain",
        "write what made the network decide so, as sound with scores",
    ),
    "score-explanations": (
        "otoscope.cli.score_explanations:score_explanations",
        "measure explanations of many clips beside every control",
    ),
    "rate": ("otoscope.cli.rate:rate", "let people rate descriptions, blinded, and read their answers"),
    "compare": ("otoscope.cli.compare:compare", "put runs side by side on the clips they share"),
    "report": ("otoscope.cli.report:report", "write a run as one page that plays"),
    "export": ("otoscope.cli.export:export", "write a run's tables as json, csv or parquet"),
    "study": ("otoscope.cli.study:study", "measure the descriptions against known truth"),
    "reproduce": (
        "otoscope.cli.reproduce:reproduce",
        "make a paper's tables and figures, beside the published numbers",
    ),
    "import-weights": (
        "otoscope.cli.import_weights:import_weights",
        "convert released weights and results to ours",
    ),
    "data": ("otoscope.cli.data:data", "download and look at collections of sounds"),
}

USAGE = "Usage: otoscope COMMAND [OPTIONS]   |   otoscope COMMAND --help   |   otoscope --version"


def help_text() -> str:
    """Return what ``otoscope --help`` prints."""
    width = max(len(name) for name in COMMANDS)
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, text) in COMMANDS.items())
    return (
        f"Otoscope {__version__}: look inside networks that listen.\n\n{USAGE}\n\nCommands:\n{rows}\n\n"
        "MODEL is demo:, planted:, hf:NAME, beats:FILE, panns:FILE, m2d:FILE, py:module:factory, untrained:MODEL, or\n"
        "     a folder made by train.\n"
        "DATA is folder:PATH, csv:FILE, tar:FILES, parquet:FILES, hub:NAME, evar:FILE, mix:DATA, contaminated:DATA,\n"
        "     sounds:N, notes:INSTRUMENT, or a published collection where it lies: esc50:, esc10:, urbansound8k:,\n"
        "     gtzan:, fsdd:, speech-commands:, voxceleb1:, voxforge:, crema-d:, nsynth:, surge:, gise51:, fsd50k:,\n"
        "     sonyc-ust:PATH; otoscope data list says what each takes.\n"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    torch's threads are told to sleep while they wait, unless OMP_WAIT_POLICY says otherwise: a thread that waits by
    spinning takes the core from the processes that decode sound, and from whatever else runs on the machine. A hub
    that does not answer is said once, by our own error, and not retry by retry, unless HF_HUB_VERBOSITY says otherwise.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run one command; return the exit code."""
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        sys.stdout.write(help_text())
        return 0
    if name in ("--version", "-V"):
        sys.stdout.write(f"otoscope {__version__}\n")
        return 0
    if name not in COMMANDS:
        from otoscope.errors import UnknownNameError

        sys.stderr.write(f"otoscope: {UnknownNameError.of('command', name, COMMANDS)}\n{USAGE}\n")
        return 2
    from otoscope.cli.call import call

    return call(name, COMMANDS[name][0], arguments[1:])
