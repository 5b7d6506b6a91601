"""What an ablation works on: the run, its network and clips, which clips judge, and what is known of the neurons.

Judged are the labelled clips of the config's folds or split. All other clips of the run are the reference: means,
importance and donors come from them, so that nothing of the judged clips enters an intervention.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from otoscope.ablate.config import AblateConfig
from otoscope.ablate.hearing import Hearing
from otoscope.ablate.held_out import Selectors, judging, selectors_of
from otoscope.ablate.interventions import intervention
from otoscope.ablate.lesion import Lesion
from otoscope.ablate.outcome import Labelled, match_classes
from otoscope.ablate.outgoing import outgoing_norms
from otoscope.ablate.places import Place, ablatable, places_of
from otoscope.ablate.probe.folder import Probe
from otoscope.ablate.probe.folder import load as load_probe
from otoscope.ablate.probe.reading import Reader, judged_by, reader
from otoscope.ablate.reference import donors, neuron_means, some_windows
from otoscope.ablate.sets import Request, key
from otoscope.data import reopen
from otoscope.data.clips import Clips
from otoscope.data.select import chosen_rows
from otoscope.errors import EmptyDataError, InputError, ModelError
from otoscope.models.audio_model import AudioModel
from otoscope.models.weights import hash_weights
from otoscope.store.run import Run

logger = logging.getLogger(__name__)

REFERENCE_WINDOWS, DONOR_WINDOWS = 16, 64
"""Windows on which importance is measured, and from which activations are borrowed."""
LAST = "last"
"""Stands for the probe of the run that was asked for last."""
Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bench:
    """What an ablation works on.

    Attributes
    ----------
    run : Run
    model : AudioModel
        Lent, in evaluation mode.
    clips : Clips
        Those of the run.
    places : tuple of Place
    labelled : Labelled
    evaluated, reference : array of int64 (clip,)
        Rows.
    saved : Probe or None
        What judges in the place of the network's head.
    n_selecting : int or None
        How many of the evaluated clips have also selected the neurons; None where no selection was made.
    held_out : bool
        Whether somebody has said which clips judge: by folds or split, a probe's test part, or a selection on others.
    """

    run: Run
    model: AudioModel
    clips: Clips
    places: tuple[Place, ...]
    labelled: Labelled
    evaluated: Rows
    reference: Rows
    saved: Probe | None = None
    n_selecting: int | None = None
    held_out: bool = False

    @property
    def n_neurons(self) -> int:
        """Neurons of the run."""
        return sum(one.n_neurons for one in self.run.layers)

    def request(self, config: AblateConfig) -> Request:
        """Return what a strategy is asked."""
        classes = self.labelled.classes
        allowed = ablatable(self.places, self.n_neurons)
        return Request(self.run, config, classes, config.concepts or classes, allowed)

    def hearing(self, config: AblateConfig) -> Hearing:
        """Return the clips that judge."""
        return Hearing(
            self.model,
            self.clips,
            self.evaluated,
            memory_bytes=config.memory_mb * 2**20,
            workers=config.workers,
        )


def same_weights(run: Run, model: AudioModel) -> str:
    """Return the hash of the network's weights.

    Raises
    ------
    ModelError
        If they are not those that were recorded.
    """
    found, recorded = hash_weights(model), run.manifest["model"]["weights_hash"]
    if found != recorded:
        raise ModelError(
            f"{model.spec or 'the network'} is not the network of {run.root}: its weights' hash begins with "
            f"{found[:8]}, that of {run.manifest['model']['spec']} with {recorded[:8]}"
        )
    return found


def bench_of(run: Run, model: AudioModel, clips: Clips | None, config: AblateConfig) -> Bench:
    """Return what the ablation works on.

    Parameters
    ----------
    run : Run
    model : AudioModel
        Lent, in evaluation mode.
    clips : Clips or None
        None: the run's, opened again.
    config : AblateConfig

    Raises
    ------
    InputError
        If the clips are not those of the run, have several labels each, or classes that the network does not name.
    EmptyDataError
        If no clip is left to judge on, or only the output layer was recorded.
    """
    clips = clips if clips is not None else reopen.reopen(run)
    recorded = run.clips()
    if clips.table["id"].to_list() != recorded["id"].to_list():
        raise InputError(
            f"the {len(clips)} clips of {clips.spec} are not those of {run.root} ({recorded.height} clips): give the "
            "same data, in whole; folds and split of the config choose among them"
        )
    saved = _saved(run, model, config)
    labelled = _labelled(model, clips, config) if saved is None else _labelled_by(saved, clips, config)
    usable = run.usable_rows()
    usable = usable[labelled.targets[usable] >= 0]
    selected = selectors_of(run, config, labelled.classes)
    evaluated = _evaluated(clips, usable, config, saved, selected)
    reference = np.setdiff1d(run.usable_rows(), evaluated)
    places = places_of(model, run, config.layers)
    reference = reference if len(reference) else evaluated
    n_selecting = None if selected is None else len(selected.among(clips.table, evaluated))
    named = saved is not None or config.folds is not None or config.split is not None
    held_out = named or (selected is not None and selected.part)
    return Bench(run, model, clips, places, labelled, evaluated, reference, saved, n_selecting, held_out)


def _saved(run: Run, model: AudioModel, config: AblateConfig) -> Probe | None:
    if config.saved_probe is None:
        return None
    return load_probe(run, None if config.saved_probe == LAST else config.saved_probe, model)


def _labelled_by(saved: Probe, clips: Clips, config: AblateConfig) -> Labelled:
    """Return the classes of a saved probe; clips of others are unlabelled."""
    name = saved.manifest["label_set"]
    if saved.manifest["several"]:
        raise InputError(f"{saved.folder} gives clips several labels: ablation is judged on one a clip")
    if config.label_set not in (None, name):
        raise InputError(f"{saved.folder} reads {name!r}, not {config.label_set!r}")
    labels, targets = clips.label_set(name), clips.targets(name)
    known = {one: at for at, one in enumerate(saved.classes)}
    number = np.array([known.get(one, -1) for one in labels.classes] + [-1], dtype=np.int64)
    groups = clips.table["group"].to_numpy()
    return Labelled(saved.classes, np.arange(len(saved.classes)), number[targets], groups)


def _labelled(model: AudioModel, clips: Clips, config: AblateConfig) -> Labelled:
    labels = clips.label_set(config.label_set)
    targets = clips.targets(labels.name)
    if labels.kind != "single":
        raise InputError(f"label set {labels.name!r} has several classes a clip: ablation needs one a clip")
    if not model.has_logits:
        raise InputError(f"{model.spec} has no classes: ablation is judged on the logits of a classifier")
    logit = match_classes(labels.classes, model.classes, key)
    groups = clips.table["group"].to_numpy()
    return Labelled(labels.classes, logit, np.asarray(targets, dtype=np.int64), groups)


def _evaluated(
    clips: Clips, usable: Rows, config: AblateConfig, saved: Probe | None, selected: Selectors | None
) -> Rows:
    named = config.folds is not None or config.split is not None
    ids = clips.table["id"]
    if saved is not None and not named:
        chosen = np.intersect1d(usable, np.flatnonzero(ids.is_in(saved.part("test")).to_numpy()))
    elif not named:
        if selected is None or not selected.part:
            logger.warning("ablation is judged on all clips, those that the network was trained on included")
        chosen = usable
    else:
        asked = chosen_rows(
            clips.table, folds=config.folds, split=config.split, limit=None, seed=None, spec=clips.spec
        )
        chosen = usable if asked is None else np.intersect1d(usable, asked)
    if saved is not None and (learnt := ids[chosen].is_in(saved.part("train") + saved.part("valid")).sum()):
        raise InputError(
            f"{learnt} of the {len(chosen)} clips to judge on are clips that {saved.folder.name} was trained on: name "
            "its held-out folds or split, or none (its test clips)"
        )
    if not len(chosen):
        raise EmptyDataError(f"no labelled clip of {clips.spec} is left to judge the ablation on")
    return chosen if selected is None else judging(clips.table, chosen, selected, named=named)


def importance(bench: Bench, config: AblateConfig) -> Floats | None:
    """Return the root mean square of each neuron's activation times its outgoing norm, ``(neuron,)``."""
    if config.matching == "rate":
        return None
    windows = some_windows(
        bench.model, bench.clips, bench.reference, REFERENCE_WINDOWS, config.seed, config.workers
    )
    norms = outgoing_norms(bench.model, bench.places, windows, bench.n_neurons, seed=config.seed)
    table = bench.run.neurons()
    square = table["mean"].to_numpy() ** 2 + table["std"].to_numpy() ** 2
    rms = np.sqrt(np.nan_to_num(square, nan=0.0))
    return np.asarray(rms * norms.numpy(), dtype=np.float64)


def lesion_of(bench: Bench, config: AblateConfig, answer: Reader | None = None) -> Lesion:
    """Return what runs the network with neurons ablated as the config says.

    Parameters
    ----------
    bench : Bench
    config : AblateConfig
    answer : callable, optional
        What is answered; the saved probe's logits, or the network's own, where not given.
    """
    how = intervention(config.intervention)
    means: torch.Tensor | None = None
    lend = None
    if how.needs == "means":
        means = means_of(bench, config)
    elif how.needs == "donors":
        bank = some_windows(
            bench.model, bench.clips, bench.reference, DONOR_WINDOWS, config.seed, config.workers
        )
        lend = donors(bank, bench.labelled.groups.tolist(), config.seed)
    return Lesion(
        bench.model,
        bench.places,
        how,
        gain=config.gain,
        means=means,
        donors=lend,
        sets_at_once=config.sets_at_once,
        precision=config.precision,
        answer=answer_of(bench) if answer is None else answer,
    )


def reader_of(bench: Bench) -> Reader:
    """Return what the saved probe reads of the network."""
    return reader(bench.model, bench.run, bench.saved.layer if bench.saved is not None else None)


def answer_of(bench: Bench) -> Reader | None:
    """Return what answers in the place of the network's head; None: the head."""
    return None if bench.saved is None else judged_by(reader_of(bench), bench.saved.fits[0])


def means_of(bench: Bench, config: AblateConfig) -> torch.Tensor:
    """Return the mean of each of the run's neurons over the reference clips, ``(neuron,)``."""
    return neuron_means(bench.run, bench.model, bench.places, bench.clips, bench.reference, config.workers)
