"""Write the recorded network out without the neurons of a concept (``otoscope ablate RUN --write DIR``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from otoscope.ablate import checkpoint
from otoscope.ablate.bench import bench_of, means_of, same_weights
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.interventions import intervention
from otoscope.ablate.reference import some_windows
from otoscope.ablate.sets import choose
from otoscope.data.clips import Clips
from otoscope.models.audio_model import AudioModel
from otoscope.record.hooks import lent
from otoscope.store.run import Run

_COMPARED = 4


def write_ablated(
    run: Run, model: AudioModel, out: Path | str, config: AblateConfig, clips: Clips | None = None
) -> dict[str, Any]:
    """Write the network with the neurons of all the config's concepts ablated in its weights.

    Parameters
    ----------
    run : Run
    model : AudioModel
        The recorded network; not touched.
    out : path
        New or empty folder.
    config : AblateConfig
        Its ``concepts`` (empty: all classes), strategy and intervention (``zero``, ``mean`` or ``gain``).
    clips : Clips, optional
        Only where the run's sounds have moved.

    Returns
    -------
    dict
        What ``ablation.json`` says.

    Raises
    ------
    ModelError
        If the network is not the recorded one, a layer cannot be edited, or it has no format to be written in.
    InputError
        If the folder is not empty, no neuron is found, or the intervention depends on the clip.
    """
    same_weights(run, model)
    with lent(model):
        bench = bench_of(run, model, clips, config)
        sets = choose(bench.request(config))
        needs = intervention(config.intervention).needs
        means = means_of(bench, config) if needs == "means" else None
        windows = some_windows(model, bench.clips, bench.reference, _COMPARED, config.seed, config.workers)
        return checkpoint.write(
            model,
            bench.places,
            np.unique(np.concatenate([one.neurons for one in sets])),
            config.intervention,
            out,
            windows=windows,
            n_neurons=bench.n_neurons,
            gain=config.gain,
            means=means,
            account={
                "strategy": config.strategy,
                "concepts": [one.concept for one in sets if len(one.neurons)],
            },
        )
