"""The ablate stage: what breaks without the neurons that a run's tables tie to each concept?

Writes ``ablations/<strategy>-<hash8>/`` (tables, see :mod:`otoscope.ablate.tables`), the hash of the configuration and
of all it reads; its marker is ``stages/ablate-<strategy>-<hash8>.json``. ``stages/ablate.json`` names the ablation
that was asked for last. The network is loaded once, by the caller, and given back as it was lent: neurons are ablated
by hooks while clips are heard. Each clip is decoded once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from otoscope import heap
from otoscope.ablate import by_class, matched, tables
from otoscope.ablate import related as relations
from otoscope.ablate.bench import LAST, Bench, bench_of, importance, lesion_of, same_weights
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.matrix import matrix
from otoscope.ablate.outcome import hear
from otoscope.ablate.places import Place, places_of
from otoscope.ablate.plan import Plan, plan
from otoscope.ablate.probe import folder as probes
from otoscope.ablate.recovery import recovered
from otoscope.ablate.refit import refitted
from otoscope.ablate.selected_sets import path_of
from otoscope.ablate.sets import READS_DESCRIPTIONS, choose, table_name
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.errors import InputError, StageError
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.store import run as runs
from otoscope.store import tables as files
from otoscope.store.hashing import sha256_file, sha256_json
from otoscope.store.run import Run

STAGE, VERSION = "ablate", 1


def ablate(
    run: Run | Path | str,
    model: AudioModel | str,
    clips: Clips | str | None = None,
    config: AblateConfig | Mapping[str, Any] | None = None,
) -> str:
    """Ablate the neurons of each concept and return the name of the folder of tables.

    Parameters
    ----------
    run : Run or path
        Recorded, and described where the strategy reads descriptions.
    model : AudioModel or str
        The recorded network (its weights are checked); given back as it was lent.
    clips : Clips or str, optional
        Only where the run's sounds have moved; else they are opened again.
    config : AblateConfig or dict, optional

    Returns
    -------
    str
        ``<strategy>-<hash8>``, for :func:`tables_of`.

    Raises
    ------
    ModelError
        If the network is not the recorded one.
    InputError
        If clips, classes or concepts do not fit, or no concept has a neuron.
    StageError, UnknownNameError
        If a table or a column does not exist.
    EmptyDataError
        If no clip is left to judge on, or only the output layer was recorded.
    """
    run, model, config = runs.open_run(run), model_of(model), AblateConfig.of(config)
    clips = None if clips is None else clips_of(clips)
    started = time.perf_counter()
    inputs = {
        "record": (runs.read_stage(run, "record") or {}).get("hash"),
        "model": same_weights(run, model),
        "sets": _source_hash(run, config),
        **_probe_hash(run, config),
    }
    name = f"{config.strategy_name}-{runs.hash8([VERSION, config.identity(), inputs])}"
    stage = f"{STAGE}-{name}"
    if not runs.is_done(run, stage, VERSION, config.identity(), inputs):
        with lent(model), heap.kept():
            bench = bench_of(run, model, clips, config)
            written, notes = _ablated(bench, config)
        outputs = _write(run, name, written)
        runs.commit_stage(run, stage, VERSION, config.identity(), inputs, outputs, notes)
        run.log(STAGE, name=name, seconds=time.perf_counter() - started)
    runs.commit_stage(run, STAGE, VERSION, {"name": name}, inputs, [f"ablations/{name}"])
    return name


def tables_of(run: Run, name: str | None = None) -> dict[str, pl.DataFrame]:
    """Return the tables of an ablation by name (``summary``, ``effects``, ...).

    Parameters
    ----------
    run : Run
    name : str or None
        As :func:`ablate` returned it; None: the one that was asked for last.

    Raises
    ------
    StageError
        If there is no such ablation.
    """
    chosen = name or (runs.read_stage(run, STAGE) or {}).get("config", {}).get("name")
    folder = run.root / "ablations" / str(chosen)
    if chosen is None or not folder.is_dir():
        there = sorted(one.name for one in (run.root / "ablations").glob("*"))
        raise StageError(f"{run.root} holds no ablation {chosen or ''}; it has {', '.join(there) or 'none'}")
    return {one.stem: files.read(one) for one in sorted(folder.glob("*.parquet"))}


def _probe_hash(run: Run, config: AblateConfig) -> dict[str, str]:
    """Return the hash of the saved probe that judges; nothing where the network's own head does."""
    if config.saved_probe is None:
        return {}
    saved = probes.load(run, None if config.saved_probe == LAST else config.saved_probe)
    return {"probe": sha256_file(saved.folder / probes.WEIGHTS)}


def _source_hash(run: Run, config: AblateConfig) -> str | None:
    """Return the hash of the table that the sets come from, None where they come from none."""
    if config.strategy_name == "table":
        path = config.strategy.partition(":")[2]
        found = [one for one in (run.root / path, Path(path).expanduser()) if path and one.is_file()]
        return sha256_file(found[0]) if found else None
    if config.strategy_name == "selection":
        triples = path_of(run, config.strategy.partition(":")[2], config.selected_in)
        read = [one for one in (triples, triples.parent / "clips.parquet") if one.is_file()]
        return sha256_json([sha256_file(one) for one in read])
    if config.strategy_name not in READS_DESCRIPTIONS and config.descriptions is None:
        return None
    name, _ = run.table("descriptions", table_name(run, config))
    return sha256_file(run.listing("descriptions")[name])


def _ablated(bench: Bench, config: AblateConfig) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    related = None
    if config.related is not None:  # fixed before anything is ablated
        related = relations.relation(config.related, bench.labelled.classes, config.n_related)
    planned, balance = _planned(bench, config)
    lesion = lesion_of(bench, config)
    hearing = bench.hearing(config)
    outcome = hear(lesion, hearing, planned.masks(), bench.labelled, n_whole=1 + len(planned.sets))
    judged = tables.judge(planned, outcome, bench.labelled, config, related)
    written = {**_judged(judged), "sets": tables.sets(planned, bench.run)}
    if bench.saved is not None:
        written["refit"] = refitted(bench, planned, config) if config.refit else pl.DataFrame()
    elif config.probe:
        place = _probe_place(bench, config)
        written["probe"] = recovered(lesion, hearing, planned, bench.labelled, place, config)
    notes = {
        "summary": written["summary"].to_dicts(),
        "accuracy": float(outcome.measure("accuracy")[0].mean()),
        "clips": len(outcome.rows),
        "groups": len(np.unique(outcome.groups)),
        "group_declared": bench.clips.group_declared,
        "held_out": bench.held_out,
        "clips_that_selected": bench.n_selecting,
        "judge": "network" if bench.saved is None else bench.saved.folder.name,
        "matrix": written["matrix"].to_dicts(),
        "failures": [asdict(one) for one in hearing.failures.values()],
        "layers": [one.layer.name for one in bench.places],
        "sets_heard": len(planned.masks()),
        "sets_share_a_pass": lesion.widens,
        "balance": balance,
    }
    return {name: table for name, table in written.items() if table.width}, notes


def _judged(judged: tables.Judged) -> dict[str, pl.DataFrame]:
    return {
        "summary": tables.summary(judged),
        "effects": tables.effects(judged),
        "classes": by_class.classes(judged),
        "confusion": by_class.confusion(judged),
        "matrix": matrix(judged),
        "random": tables.random(judged),
        "curve": tables.curve(judged),
        "related": tables.related(judged),
    }


def _planned(bench: Bench, config: AblateConfig) -> tuple[Plan, list[dict[str, Any]]]:
    """Return the plan, and how well random sets match each concept's (standard deviations over neurons)."""
    request = bench.request(config)
    sets, allowed = choose(request), request.ablatable
    neurons = bench.run.neurons()
    rate = neurons["share_positive"].fill_null(0).fill_nan(0).to_numpy()
    weight = importance(bench, config) if config.n_random else None
    stratum = matched.strata(bench.places, rate, weight, config.stratum)
    planned = plan(sets, stratum, config, bench.places)
    balance = []
    for one, drawn in zip(planned.sets, planned.drawn, strict=True):
        off = {"concept": one.concept, "rate": matched.imbalance(one.neurons, drawn, rate)}
        if weight is not None:
            ranks = np.log(weight + 1e-12)
            off["importance"] = matched.imbalance(
                one.neurons, drawn, np.where(allowed, ranks, ranks[allowed].mean())
            )
        balance.append(off)
    return planned, balance


def _probe_place(bench: Bench, config: AblateConfig) -> Place:
    if config.probe_layer is None:
        return bench.places[-1]
    found = [one for one in places_of(bench.model, bench.run) if one.layer.name == config.probe_layer]
    if not found:
        names = [one.layer.name for one in places_of(bench.model, bench.run)]
        raise InputError(
            f"probe_layer {config.probe_layer!r} is none of the hidden layers {', '.join(names)}"
        )
    return found[0]


def _write(run: Run, name: str, written: dict[str, pl.DataFrame]) -> list[str]:
    outputs = []
    for one, table in written.items():
        outputs.append(f"ablations/{name}/{one}.parquet")
        files.write(run.root / outputs[-1], table)
    return outputs
