"""Which explainers does the post-hoc reproduction train, on what, and from what? Each once a seed, in a folder.

The dictionary of a seed is trained once: it is what ``nmf`` writes, and what L2I reads. A fine-tuned L-MAC goes on
from the L-MAC of its seed. All are trained and chosen on what is not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.data.clips import Clips
from otoscope.explain.recipe import RecipeConfig
from otoscope.explain.train_explainer import configured, split, train_explainer
from otoscope.explain.trained import recipe_of
from otoscope.explain.training_noise import TrainingNoise, training_noise
from otoscope.models.audio_model import AudioModel
from otoscope.study.reproduce.posthoc_config import FINETUNED, PosthocConfig

_OF_NOISE = ("contamination", "contaminants", "snr_db")
PLAIN_DB = 0.0
"""SNR of contaminated training sound where none is given, as the recipes have it."""


@dataclass(frozen=True)
class Workshop:
    """Trains what explains one network.

    Attributes
    ----------
    name : str
        Of the network.
    model : AudioModel
    clips : Clips
        All of them.
    out : Path
        Gets ``explainers/``.
    config : PosthocConfig
    dictionaries : sequence of Path
        Given ones that fit the network: L2I takes them in turn, seed by seed, in place of one of its own.
    """

    name: str
    model: AudioModel
    clips: Clips
    out: Path
    config: PosthocConfig
    dictionaries: Sequence[Path] = ()

    def check(self, training: str) -> None:
        """Raise if the settings of a training are refused; nothing is trained."""
        config = self._configured(training, self._settings(training, self.config.seed))
        split(self.clips, config)
        self._noise(training, config)

    def train(self, training: str, seed: int) -> Path:
        """Return the folder of a training, trained where it is not there."""
        place = self.out / "explainers" / f"{self.name}-{training}-{seed}"
        settings = self._settings(training, seed) | self._rests_on(training, seed)
        config = self._configured(training, settings)
        noise = self._noise(training, config)
        train_explainer(_recipe(training), self.model, self.clips, place, config, contamination=noise)
        return place

    def _rests_on(self, training: str, seed: int) -> dict[str, Any]:
        """Return the setting that names an earlier training, which is made first."""
        own = self.config.train_settings.get(training, {})
        if training == "l2i" and "dictionary" not in own:
            return {"dictionary": str(self._dictionary(seed))}
        if training == FINETUNED and "start_from" not in own:
            return {"start_from": str(self.train("lmac", seed))}
        return {}

    def _dictionary(self, seed: int) -> Path:
        if not self.dictionaries:
            return self.train("nmf", seed)
        return self.dictionaries[self.config.seeds.index(seed) % len(self.dictionaries)]

    def _settings(self, training: str, seed: int) -> dict[str, Any]:
        how = self.config
        given = {"test_folds": how.folds, "valid_folds": how.valid_folds, "seed": seed}
        given |= {"epochs": how.epochs} if how.epochs is not None and training != "nmf" else {}
        given |= {"guidance": "binary"} if training == FINETUNED else {}
        own = how.train_settings.get(training, {})
        return given | {name: value for name, value in own.items() if name not in ("preset", *_OF_NOISE)}

    def _configured(self, training: str, settings: dict[str, Any]) -> RecipeConfig:
        preset = self.config.train_settings.get(training, {}).get("preset")
        return configured(recipe_of(_recipe(training)), settings, preset)

    def _noise(self, training: str, config: RecipeConfig) -> TrainingNoise | None:
        own = self.config.train_settings.get(training, {})
        kind = own.get("contamination")
        if kind is None:
            return None
        snr, drawn = float(own.get("snr_db", PLAIN_DB)), own.get("contaminants")
        heard = split(self.clips, config)["train"]
        return training_noise(kind, snr, self.model.sample_rate, self.clips, drawn, rows=heard)


def _recipe(training: str) -> str:
    return "lmac" if training == FINETUNED else training
