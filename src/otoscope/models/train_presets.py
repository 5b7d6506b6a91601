"""Published trainings, as far as they are one training: ``otoscope train ARCH --preset NAME``.

``speechbrain-esc50`` (conv2d, cnn14-speechbrain, focalnet, vit-image)
    The published size of each; Adam, decay 2e-6; a learning rate that rises in a straight line to where the recipes'
    cyclic one is when they end (about 15 % of its nominal peak); DropFreq and DropChunk as published; epoch of best
    validation accuracy; no noise (with WHAM!: ``--set noise=FOLDER --set noise_snr_db=0,0``). Folds as in the recipes
    are ``--valid-folds 4 --test-folds 5``. The recipes begin with weights: CNN14 trained on VGGSound, the others on
    photographs or by PIQ; import them and add ``--from``.
``l2i-2022`` (vgg)
    The second phase: Adam at 1e-4, 4 epochs of all parameters, batches of 32, on from weights (``--from``). The first
    phase is the same with ``--freeze encoder --epochs 10 --set learning_rate=1e-3``. The authors choose no epoch and
    have no validation part.

Where we differ: gradients are clipped at a norm of 5; one-dimensional parameters decay as all others do with Adam.
"""

from __future__ import annotations

from typing import Any

from otoscope.errors import UnknownNameError
from otoscope.models import cnn14_speechbrain, conv2d, focalnet, vgg, vit_image

_PLAIN = {"mixup": 0.0, "time_shift_s": 0.0, "gain_db": 0.0, "masks": 0, "optimiser": "adam"}
_SPEECHBRAIN: dict[str, Any] = {
    **_PLAIN,
    "weight_decay": 2e-6,
    "schedule": "linear",
    "warmup": 0.999,
    "metric": "valid_accuracy",
    "drop_bands": (1, 3),
    "drop_band_width": 0.05,
    "drop_chunks": (1000, 2000),
    "drop_chunk_samples": (1, 5),
    "drop_share": 0.75,
}
#: protocol -> architecture -> settings of a training
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "speechbrain-esc50": {
        "cnn14-speechbrain": {
            **_SPEECHBRAIN,
            "epochs": 200,
            "learning_rate": 3.1e-5,
            "options": cnn14_speechbrain.PUBLISHED,
        },
        "conv2d": {**_SPEECHBRAIN, "epochs": 200, "learning_rate": 4.8e-6, "options": conv2d.PUBLISHED},
        "focalnet": {
            **_SPEECHBRAIN,
            "epochs": 100,
            "batch_size": 16,
            "learning_rate": 3.1e-5,
            "options": focalnet.PUBLISHED,
        },
        "vit-image": {
            **_SPEECHBRAIN,
            "epochs": 100,
            "batch_size": 16,
            "learning_rate": 3.1e-5,
            "options": vit_image.PUBLISHED,
        },
    },
    "l2i-2022": {
        "vgg": {
            **_PLAIN,
            "weight_decay": 0.0,
            "schedule": "constant",
            "epochs": 4,
            "learning_rate": 1e-4,
            "options": vgg.PUBLISHED,
        }
    },
}


def preset(name: str, arch: str) -> dict[str, Any]:
    """Return the settings of a protocol for an architecture.

    Raises
    ------
    UnknownNameError
        If there is no such protocol, or it does not train this architecture.

    Examples
    --------
    >>> preset("speechbrain-esc50", "conv2d")["options"]["width"]
    256
    """
    if name not in PRESETS:
        raise UnknownNameError.of("preset of train", name, PRESETS)
    if arch not in PRESETS[name]:
        raise UnknownNameError.of(f"architecture of {name}", arch, PRESETS[name])
    return dict(PRESETS[name][arch])
