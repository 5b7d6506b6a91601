"""FocalNet on spectrograms as pictures: the architecture ``focalnet``.

Four stages of blocks, each after a patch embedding that halves the sides (the first divides them by four); in a block
every position mixes its query with a *modulator*, a gated sum of depthwise convolutions of growing reach and the
picture's mean. The embedding is the mean of the last stage's map, before the final norm. See
:mod:`otoscope.models.pictures` for what goes in.

Published: width 128, depths 2, 2, 18, 2, a side of 224, cosine head without scale, levels by the signed maximum,
backbone of microsoft/focalnet-base trained on photographs (87 million parameters). The default is a CPU's.

Reference: J. Yang, C. Li, X. Dai, J. Gao (2022), Focal modulation networks, NeurIPS.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from otoscope.errors import InputError
from otoscope.models import pictures
from otoscope.models.audio_model import AudioModel
from otoscope.models.conv2d import heads_needed
from otoscope.models.huggingface import transformers

#: options of the published network
PUBLISHED = {"width": 128, "depths": "2,2,18,2", "side": 224, "scale": "none", "level": "max"}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 60, "learning_rate": 5e-4, "weight_decay": 0.05}


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 24,
    depths: str | Sequence[int] = "1,1,2,1",
    side: int = 128,
    layerscale: bool = False,
    head: str = "cosine",
    scale: str = "learnt",
    level: str = "none",
    sample_rate: int = 16000,
    clip_s: float | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained FocalNet.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names; 0: an encoder, whose output is the embedding.
    width : int
        Neurons of the first stage; the next have 2, 4 and 8 times as many. Published 128.
    depths : str or sequence of int
        Blocks of each stage, four numbers; published ``2,2,18,2``.
    side : int
        Of the picture; published 224. 32 or more.
    layerscale : bool
        Whether each branch has learnt gains, as some released weights do.
    head : {"linear", "cosine"}
    scale : {"learnt", "none"}
        Of a cosine head.
    level : {"none", "peak", "max"}
        See :mod:`otoscope.models.log_magnitude`.
    sample_rate : int
        In hertz.
    clip_s : float, optional
        Seconds that one forward pass takes; None: clips as they are.
    dropout : float
        In [0, 1).
    seed : int
        Of the initial weights.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    """
    count = heads_needed("focalnet", width, classes, n_classes)
    blocks = _numbers(depths)
    if len(blocks) != 4 or min(blocks) < 1 or side < 32:
        raise InputError(
            f"a focalnet needs blocks for four stages and a side of at least 32, got {depths!r}, {side}"
        )
    library = transformers()

    def backbone() -> nn.Module:
        config = library.FocalNetConfig(
            image_size=side,
            embed_dim=width,
            depths=blocks,
            hidden_dropout_prob=dropout,
            use_layerscale=layerscale,
        )
        made: nn.Module = library.FocalNetModel(config, add_pooling_layer=False)
        return made

    options = {"width": width, "depths": ",".join(map(str, blocks)), "layerscale": layerscale}
    return pictures.make(
        "focalnet",
        classes,
        count,
        backbone,
        8 * width,
        {"n_classes": n_classes, **options, "side": side, "head": head, "scale": scale, "level": level},
        {"sample_rate": sample_rate, "clip_s": clip_s, "dropout": dropout, "seed": seed},
    )


def _numbers(depths: str | Sequence[int]) -> list[int]:
    parts = depths.split(",") if isinstance(depths, str) else depths
    try:
        return [int(one) for one in parts]
    except ValueError:
        raise InputError(f"depths are whole numbers such as 2,2,18,2, got {depths!r}") from None
