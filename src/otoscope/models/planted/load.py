"""Open ``planted:``: read the options, build the AudioModel, and say what is the truth about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from otoscope.audio.windows import ClipLength
from otoscope.errors import InputError, UnknownNameError
from otoscope.models.audio_model import AudioModel
from otoscope.models.geometry import Geometry
from otoscope.models.planted.front_end import HOP, SAMPLE_RATE, TwoSpectrograms
from otoscope.models.planted.network import PlantedNet
from otoscope.models.planted.plan import PlantedNeuron, PlantedOptions, plan
from otoscope.models.planted.rules import RULES
from otoscope.models.planted.words import WORDS

LAYER, CLEAN_LAYER = "neurons", "neurons.rule"

_READERS: dict[str, Callable[[str], Any]] = {
    "seed": int,
    "rules": lambda text: tuple(RULES) if text == "all" else tuple(text.split("+")),
    "strengths": lambda text: tuple(float(one) for one in text.split("+")),
    "pairs": int,
    "distractors": int,
    "projections": int,
    "noise_scale_db": float,
    "floor": float,
}


def parse(rest: str) -> PlantedOptions:
    """Return the options in ``seed=0,strengths=1+0.5,rules=onset+noisy``; what is not named keeps its default.

    Raises
    ------
    UnknownNameError
        For an unknown option or rule.
    InputError
        For a value that cannot be read or used.
    """
    given: dict[str, Any] = {}
    for part in filter(None, rest.replace("&", ",").lstrip("?").split(",")):
        name, equals, text = part.partition("=")
        if name not in _READERS:
            raise UnknownNameError.of("option of planted:", name, _READERS)
        try:
            given[name] = _READERS[name](text) if equals else None
        except ValueError as error:
            raise InputError(f"planted: cannot read {part!r}: {error}") from error
        if given[name] is None:
            raise InputError(
                f"planted: option {name!r} has no value; write for example seed=0,strengths=1+0.5"
            )
    return PlantedOptions(**given)


def load(rest: str = "", device: str = "cpu") -> AudioModel:
    """Return the planted network of ``planted:REST`` on ``device``."""
    return build(parse(rest)).to(device).eval()


def build(options: PlantedOptions | None = None) -> AudioModel:
    """Return the planted network of these options (the defaults where None).

    Examples
    --------
    >>> model = build(PlantedOptions(rules=("onset", "noisy"), strengths=(1.0,), distractors=4))
    >>> truth(model).filter(pl.col("kind") == "single").height
    2
    """
    options = options or PlantedOptions()
    neurons = plan(options)
    model = assemble(neurons, seed=options.seed, noise_scale_db=options.noise_scale_db, floor=options.floor)
    model.config["options"] = asdict(options)
    return model


def assemble(
    neurons: Sequence[PlantedNeuron], *, seed: int = 0, noise_scale_db: float = 1.0, floor: float = 1.0
) -> AudioModel:
    """Return a network whose neurons are exactly ``neurons``, in that order."""
    if not neurons:
        raise InputError("a planted network needs at least one neuron")
    return AudioModel(
        TwoSpectrograms(),
        PlantedNet(neurons, seed, noise_scale_db, floor),
        sample_rate=SAMPLE_RATE,
        clip_length=ClipLength(None),
        spec="planted:",
        declared_layers=(LAYER,),
        geometry_rule=_geometry,
        has_logits=False,
        config={"family": "planted", "neurons": [one.to_json() for one in neurons]},
    )


def truth(model: AudioModel) -> pl.DataFrame:
    """Return what each planted neuron really responds to.

    Parameters
    ----------
    model : AudioModel
        From :func:`load`, :func:`build` or :func:`assemble`.

    Returns
    -------
    DataFrame, one row per neuron of layer ``neurons``, in order
        ``index`` int64; ``layer``; ``kind`` (single, signed, polysemantic, conjunctive, distractor); ``rules`` list of
        str (``noise`` or ``projection`` for a distractor); ``families`` list of str, those of the rules;
        ``strength`` float64; ``signed`` bool; ``high_rules``, ``low_rules`` list of str: what drives each pole;
        ``high_words``, ``low_words`` list of str: descriptions accepted for each pole. They are empty for
        distractors, and at the low pole of unsigned neurons, which only says that the rule is absent. For two rules
        at one pole the words of either are accepted.

    Raises
    ------
    InputError
        If the model is not planted.
    """
    if model.config.get("family") != "planted":
        raise InputError(
            f"only a planted: network has a known truth, got {model.spec or type(model.net).__name__!r}"
        )
    rows = [_row(index, neuron) for index, neuron in enumerate(model.config["neurons"])]
    words = pl.List(pl.String)
    return pl.DataFrame(
        rows,
        schema={
            "index": pl.Int64, "layer": pl.String, "kind": pl.String, "rules": words, "families": words,
            "strength": pl.Float64, "signed": pl.Boolean, "high_rules": words, "low_rules": words,
            "high_words": words, "low_words": words,
        },
        orient="row",
    )  # fmt: skip


def _row(index: int, neuron: dict[str, Any]) -> tuple[Any, ...]:
    kind, rules = neuron["kind"], neuron["rules"]
    planted = [] if kind == "distractor" else rules
    high, low = (rules[:1], rules[1:]) if kind == "signed" else (planted, [])
    families = list(dict.fromkeys(RULES[rule].family for rule in planted))
    words = [list(dict.fromkeys(word for rule in pole for word in WORDS[rule])) for pole in (high, low)]
    return (index, LAYER, kind, rules, families, neuron["strength"], neuron["signed"], high, low, *words)


def _geometry(layer: str, output_shape: tuple[int, ...], n_samples: int) -> Geometry | None:
    if layer not in (LAYER, CLEAN_LAYER) or len(output_shape) != 3:
        return None
    return Geometry("BCT", n_time=output_shape[2], stride_s=HOP / SAMPLE_RATE, offset_s=0.0)
