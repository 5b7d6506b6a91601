"""A vision transformer on spectrograms as pictures: the architecture ``vit-image``.

Patches, a class token before them, learnt positions, pre-norm blocks. The embedding is the mean over all tokens after
the final norm, class token included, as published. See :mod:`otoscope.models.pictures` for what goes in. (The
transformer of M2D, which hears log-mel frames and not a picture, is :mod:`otoscope.models.vit`.)

Published: width 768, 12 blocks of 12 heads, a side of 224, cosine head without scale, levels by the signed maximum,
backbone of google/vit-base-patch16-224 trained on photographs (86 million parameters). The default is a CPU's.

Reference: A. Dosovitskiy et al. (2021), An image is worth 16x16 words: transformers for image recognition at scale,
ICLR.
"""

from __future__ import annotations

from torch import nn

from otoscope.errors import InputError
from otoscope.models import pictures
from otoscope.models.audio_model import AudioModel
from otoscope.models.conv2d import heads_needed
from otoscope.models.huggingface import transformers

#: options of the published network
PUBLISHED = {"width": 768, "depth": 12, "attention_heads": 12, "side": 224, "scale": "none", "level": "max"}
#: what :mod:`otoscope.models.train` takes for this network where its config does not say otherwise
RECIPE = {"epochs": 60, "learning_rate": 5e-4, "weight_decay": 0.05}


def build(
    classes: tuple[str, ...],
    *,
    n_classes: int | None = None,
    width: int = 96,
    depth: int = 4,
    attention_heads: int = 4,
    patch: int = 16,
    side: int = 128,
    head: str = "cosine",
    scale: str = "learnt",
    level: str = "none",
    sample_rate: int = 16000,
    clip_s: float | None = None,
    dropout: float = 0.0,
    seed: int = 0,
) -> AudioModel:
    """Return an untrained ViT for pictures.

    Parameters
    ----------
    classes : tuple of str
        Names of the output neurons.
    n_classes : int, optional
        Output neurons where they have no names; 0: an encoder, whose output is the embedding.
    width : int
        Neurons of a token; its MLPs have 4 times as many. Published 768.
    depth, attention_heads : int
        Blocks, and attention heads in each; published 12 and 12.
    patch : int
        Side of a patch.
    side : int
        Of the picture; published 224.
    head, scale, level, sample_rate, clip_s, dropout, seed
        As in :func:`otoscope.models.focalnet.build`.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    """
    count = heads_needed("vit-image", width, classes, n_classes)
    if min(depth, attention_heads, patch) < 1 or width % attention_heads or side % patch:
        raise InputError(
            f"a vit-image needs a width that its heads divide and a side that its patch divides; got width {width}, "
            f"{attention_heads} heads, depth {depth}, side {side}, patch {patch}"
        )
    library = transformers()

    def backbone() -> nn.Module:
        config = library.ViTConfig(
            image_size=side,
            patch_size=patch,
            hidden_size=width,
            num_hidden_layers=depth,
            num_attention_heads=attention_heads,
            intermediate_size=4 * width,
            hidden_dropout_prob=dropout,
        )
        made: nn.Module = library.ViTModel(config, add_pooling_layer=False)
        return made

    options = {"width": width, "depth": depth, "attention_heads": attention_heads, "patch": patch}
    return pictures.make(
        "vit-image",
        classes,
        count,
        backbone,
        width,
        {"n_classes": n_classes, **options, "side": side, "head": head, "scale": scale, "level": level},
        {"sample_rate": sample_rate, "clip_s": clip_s, "dropout": dropout, "seed": seed},
    )
