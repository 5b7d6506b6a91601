"""Which explainers are asked for: by name with options, or trained ones by their folder.

``lmac,amt`` with a folder of a trained L-MAC gives both. A folder whose method is not among the names is an error; with
no names at all the folders' methods are meant. Options are keyed ``method.option``: ``grad-cam.layer``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otoscope.errors import InputError, UnknownNameError
from otoscope.explain import EXPLAINERS, TRAINABLE
from otoscope.explain.dictionary import MANIFEST as DICTIONARY
from otoscope.explain.explanation import Explainer, explainer
from otoscope.explain.recipe import Recipe
from otoscope.explain.trained import open_explainer, read_explainer, recipe_of
from otoscope.models.audio_model import AudioModel
from otoscope.registry import known
from otoscope.store import manifest
from otoscope.store.hashing import sha256_json

OCCLUSION = "nmf-occlusion"
"""What explains with a folder that holds nothing but a dictionary."""


@dataclass(frozen=True)
class Method:
    """An explainer, and what tells it apart.

    Attributes
    ----------
    name : str
        In tables: ``amt``, ``lmac``, ``lmac-finetuned`` ...
    explainer : Explainer
    identity : dict
        JSON-able: name, options, and the hash of what was learnt.
    training_s : float or None
        Seconds that its training took, where that is known.
    """

    name: str
    explainer: Explainer
    identity: dict[str, Any]
    training_s: float | None = None


def methods(
    names: Sequence[str],
    folders: Sequence[Path | str],
    options: Mapping[str, Any],
    model: AudioModel,
) -> list[Method]:
    """Return the explainers, in the order of the names; one method may have several folders.

    Parameters
    ----------
    names : sequence of str
        Methods; empty: those of the folders.
    folders : sequence of path
        Written by ``otoscope train-explainer``, or dictionaries.
    options : mapping of str to value
        By ``method.option``.
    model : AudioModel
        The classifier; trained explainers of another one are refused.

    Raises
    ------
    UnknownNameError
        If a method is unknown, or an option names none of the methods.
    InputError
        If a method has to be trained and no folder is given, or a folder fits no method.
    """
    held: dict[str, list[Path]] = {}
    for folder in folders:
        held.setdefault(method_of(Path(folder)), []).append(Path(folder))
    wanted = list(names) or list(held)
    if not wanted:
        raise InputError(
            f"name a method (--method {', '.join(known(EXPLAINERS, 'explainers'))}) or --explainer DIR"
        )
    unused = [name for name in held if name not in wanted]
    if unused:
        raise InputError(
            f"{held[unused[0]][0]} is an explainer by {unused[0]}, which is not among {', '.join(wanted)}"
        )
    own = _options(options, wanted)
    found: list[Method] = []
    for name in wanted:
        found += [_trained(folder, name, model, own[name]) for folder in held.get(name, ())] or [
            _untrained(name, own[name], model)
        ]
    return found


def method_of(folder: Path) -> str:
    """Return the method of a folder."""
    return OCCLUSION if (folder / DICTIONARY).is_file() else str(read_explainer(folder)["method"])


def variant_of(folder: Path) -> str:
    """Return the name of a folder's method in tables: ``lmac-finetuned`` is ``lmac`` that went on from another."""
    return OCCLUSION if (folder / DICTIONARY).is_file() else _variant(read_explainer(folder))


def _variant(content: dict[str, Any]) -> str:
    recipe = recipe_of(content["method"])
    return recipe.variant(content) if isinstance(recipe, Recipe) else str(content["method"])


def _trained(folder: Path, name: str, model: AudioModel, options: dict[str, Any]) -> Method:
    made = open_explainer(folder, model, **options)
    content = manifest.read(folder / DICTIONARY) if name == OCCLUSION else read_explainer(folder)
    identity = {"name": name, "options": options, "trained": sha256_json(content)}
    account = folder / "training.json"
    seconds = manifest.read(account).get("seconds") if account.is_file() else None
    called = name if name == OCCLUSION else _variant(content)
    return Method(called, made, identity, None if seconds is None else float(seconds))


def _untrained(name: str, options: dict[str, Any], model: AudioModel) -> Method:
    if name not in known(EXPLAINERS, "explainers") and name in known(TRAINABLE, "trainable_explainers"):
        raise InputError(
            f"{name} is trained: give its folder (--explainer DIR; otoscope train-explainer makes one)"
        )
    if name == OCCLUSION:  # a dictionary is told apart by its content, not by where it lies
        place = options.pop("dictionary", None)
        if not isinstance(place, str | Path):
            raise InputError(f"{name} needs a dictionary: give its folder (--explainer DIR)")
        return _trained(Path(place), name, model, options)
    return Method(name, explainer(name, **options), {"name": name, "options": options, "trained": None})


def _options(options: Mapping[str, Any], wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {name: {} for name in wanted}
    for key, value in options.items():
        name, dot, option = key.rpartition(".")
        if not dot or name not in own:
            raise UnknownNameError.of("option", key, [f"{one}.OPTION" for one in wanted])
        own[name][option] = value
    return own
