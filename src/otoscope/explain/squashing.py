"""What makes probabilities of a network's output, where a config leaves it open: what the network was trained to be.

``model.label_kind``   activation
``multi``              sigmoid, whatever is explained
``single``             softmax, whatever is explained
None (nobody says)     as the config has it: softmax, or with ``auto`` sigmoid for the target ``all-above``
"""

from __future__ import annotations

from typing import TypeVar

from otoscope.models.audio_model import AudioModel
from otoscope.stage_config import StageConfig

Config = TypeVar("Config", bound=StageConfig)


def settled(config: Config, model: AudioModel) -> Config:
    """Return the config with the network's own activation, where it has one and the config leaves it open.

    Parameters
    ----------
    config : StageConfig
        Returned as it is without a field ``activation``, and where that was given (other than as ``auto``).
    model : AudioModel
    """
    given = getattr(config, "activation", None) if "activation" in config.model_fields_set else "auto"
    if model.label_kind is None or "activation" not in type(config).model_fields or given != "auto":
        return config
    wanted = "sigmoid" if model.label_kind == "multi" else "softmax"
    if getattr(config, "activation", None) == wanted:
        return config
    return config.model_copy(update={"activation": wanted})
