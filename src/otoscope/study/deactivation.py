"""Per-class accuracy with the neurons that two classes share deactivated: our side of AAPE's published tables.

The published tables have, for each class, the accuracy of a saved linear classifier on test clips after the target
neurons were set to zero, after the "random" ones (each target's next neuron), and the differences from the untouched
network in percentage points. Beside them stand here what matched random sets give, the paired test, and how many clips
the difference is.

Reference: T. Kawamura, D. Niizumi, N. Ono, arXiv 2602.15307, section IV; EVAR's configurations for CREMA-D and GTZAN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from otoscope.ablate import presets
from otoscope.ablate.config import AblateConfig
from otoscope.ablate.sets import JOINT
from otoscope.ablate.stage import ablate, tables_of
from otoscope.data.clips import Clips
from otoscope.models.audio_model import AudioModel
from otoscope.store.run import Run

POINTS = 100.0


def deactivation(
    run: Run,
    model: AudioModel | str,
    shared_by: Sequence[str],
    config: AblateConfig | Mapping[str, Any] | None = None,
    *,
    clips: Clips | None = None,
) -> pl.DataFrame:
    """Return one row a class, as the published tables have it, with controls.

    Parameters
    ----------
    run : Run
        With a selection and a saved probe of one label set.
    model : AudioModel or str
        The recorded network.
    shared_by : sequence of str
        The classes whose shared neurons are deactivated, such as ``("jazz", "classical")``.
    config : AblateConfig or dict, optional
        ``aape-2026`` with neurons of exactly these classes where not given.
    clips : Clips, optional
        Only where the run's sounds have moved.

    Returns
    -------
    polars.DataFrame
        ``class``, ``clips`` (test), ``n_neurons``, ``base``, ``target``, ``target_points``, ``neighbour``,
        ``neighbour_points``, ``random_points`` (mean), ``random_low_points``, ``random_high_points``, ``random_p``,
        ``lost``, ``gained``, ``mcnemar_p``. Accuracies in [0, 1], differences in percentage points.
    """
    chosen = presets.preset("aape-2026") if config is None else AblateConfig.of(config)
    concept = f" {JOINT} ".join(shared_by)
    chosen = chosen.model_copy(update={"concepts": (concept,)})
    tables = tables_of(run, ablate(run, model, clips, chosen))
    judged = tables["classes"].filter(measure="accuracy", concept=concept)
    counts = (
        tables["confusion"]
        .filter(concept=concept)
        .group_by("class")
        .agg(pl.col("before").sum().alias("clips"))
    )
    near = pl.col("neighbour_change").cast(pl.Float64)
    return judged.join(counts, on="class", how="left", maintain_order="left").select(
        "class",
        "clips",
        pl.lit(tables["sets"].height).alias("n_neurons"),
        pl.col("before").alias("base"),
        (pl.col("before") + pl.col("change")).alias("target"),
        (POINTS * pl.col("change")).alias("target_points"),
        (pl.col("before") + near).alias("neighbour"),
        (POINTS * near).alias("neighbour_points"),
        *(
            (POINTS * pl.col(name).cast(pl.Float64)).alias(f"{alias}_points")
            for name, alias in (
                ("random_change", "random"),
                ("random_low", "random_low"),
                ("random_high", "random_high"),
            )
        ),
        "random_p",
        "lost",
        "gained",
        "mcnemar_p",
    )
