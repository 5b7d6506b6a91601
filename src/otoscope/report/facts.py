"""What a reader has to know of a run beside its results: what was dissected, and what to be careful about."""

from __future__ import annotations

from typing import Any

import polars as pl

from otoscope import __version__
from otoscope.report.methods import method_of
from otoscope.report.overview_views import Fact
from otoscope.report.reading import RunData
from otoscope.store.run import read_stage


def facts(data: RunData) -> tuple[Fact, ...]:
    """Return what was dissected, line by line."""
    manifest = data.run.manifest
    model, source = manifest["model"], manifest["data"]
    pooling = sorted({one.pooling for one in data.run.layers})
    found = [
        _named("Network", str(model["spec"])),
        Fact("Weights", f"sha256 {str(model['weights_hash'])[:12]}", str(model["weights_hash"])),
        Fact("Hears at", f"{int(model['sample_rate']):,} Hz"),
        _named("Recordings", str(source["spec"])),
        Fact("Data", f"sha256 {str(source['hash'])[:12]}", str(source["hash"])),
        Fact("Pooling over time", ", ".join(pooling)),
        Fact("Seed", str(manifest.get("seed"))),
        *_tables(data),
        *_described_by(data),
        Fact("Captions", ", ".join(data.run.listing("captions")) or "none"),
        Fact("Made with", f"Otoscope {__version__}, run format {manifest['format_version']}"),
    ]
    return tuple(found)


def _named(name: str, spec: str) -> Fact:
    short = short_name(spec)
    return Fact(name, short, spec if short != spec else None)


def short_name(spec: str) -> str:
    """Return a spec without the folders that lead to its last two.

    Examples
    --------
    >>> short_name("esc50:/home/ada/data/esc10"), short_name("hf:MIT/ast-base"), short_name("demo:")
    ('esc50:…/data/esc10', 'hf:MIT/ast-base', 'demo:')
    """
    scheme, found, path = spec.rpartition(":")
    parts = path.split("/")
    return spec if len(parts) < 4 else f"{scheme}{found}…/{'/'.join(parts[-2:])}"


def _tables(data: RunData) -> list[Fact]:
    if data.method is None:
        return [Fact("Descriptions", "none yet")]
    named = [f"{method_of(name).title} ({name})" for name in data.tables]
    also = [Fact("Also described by", "; ".join(named[1:]))] if len(named) > 1 else []
    return [Fact("Descriptions", named[0]), *also]


def _described_by(data: RunData) -> list[Fact]:
    config = (read_stage(data.run, f"describe-{data.method}") or {}).get("config") or {}
    shown = {
        "function": "Similarity",
        "concepts": "Concepts",
        "encoder": "Text encoder",
        "captions": "Described by the captions",
        "score_captions": "Scored by the captions",
    }
    return [Fact(label, _brief(config[key])) for key, label in shown.items() if config.get(key) is not None]


def _brief(value: Any) -> str:
    return f"{len(value):,} in the list" if isinstance(value, list) else str(value)


def cautions(data: RunData, described: pl.DataFrame) -> tuple[str, ...]:
    """Return what a reader must know before trusting the numbers."""
    found = []
    n_failed = data.clips.filter(pl.col("status") != "ok").height
    if n_failed:
        found.append(
            f"{n_failed} of {data.clips.height} clips could not be used; they are listed under Clips."
        )
    if data.run.manifest["data"].get("group_declared") is False:
        found.append(
            "The data declares no groups (recording source, speaker, artist): p-values and intervals treat every "
            "clip as independent and are too optimistic where clips share a source."
        )
    if described.is_empty():
        found.append("This run holds no descriptions yet: neurons are shown by their clips alone.")
    elif described["flags"].fill_null("").str.contains("circular").any():
        found.append(
            "Some descriptions are circular: the captions contain the label, or the scorer is of the describer's "
            "family. Read their scores as a ceiling."
        )
    return tuple(found)
