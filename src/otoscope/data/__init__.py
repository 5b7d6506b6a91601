"""Recordings as a table that streams sound.

:func:`open_data` turns ``scheme:rest`` into :class:`otoscope.data.clips.Clips`; one file per dataset layout.
A new layout is one file with a ``load(rest, **options)`` plus one line in :data:`DATASETS`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otoscope.errors import InputError
from otoscope.registry import lookup

if TYPE_CHECKING:
    from otoscope.data.clips import Clips

DATASETS: dict[str, str] = {
    "esc50": "otoscope.data.esc50:load",
    "esc10": "otoscope.data.esc50:load_esc10",
    "urbansound8k": "otoscope.data.urbansound8k:load",
    "gtzan": "otoscope.data.gtzan:load",
    "fsdd": "otoscope.data.fsdd:load",
    "speech-commands": "otoscope.data.speech_commands:load",
    "voxceleb1": "otoscope.data.voxceleb1:load",
    "voxforge": "otoscope.data.voxforge:load",
    "crema-d": "otoscope.data.crema_d:load",
    "nsynth": "otoscope.data.nsynth:load",
    "surge": "otoscope.data.surge:load",
    "gise51": "otoscope.data.gise51:load",
    "fsd50k": "otoscope.data.fsd50k:load",
    "sonyc-ust": "otoscope.data.sonyc_ust:load",
    "folder": "otoscope.data.folder:load",
    "csv": "otoscope.data.csv:load",
    "evar": "otoscope.data.evar:load",
    "tar": "otoscope.data.tar:load",
    "parquet": "otoscope.data.parquet:load",
    "hub": "otoscope.data.hub:load",
    "mix": "otoscope.data.mixture:load",
    "contaminated": "otoscope.data.contaminated:load",
    "sounds": "otoscope.data.sounds:load",
    "notes": "otoscope.data.notes:load",
}
"""DATA scheme -> loader; the first line of a loader's docstring is its line in the help."""


def clips_of(given: Clips | str) -> Clips:
    """Return the clips that a function was given: as they are, or opened where their spec was given.

    Raises
    ------
    InputError
        If it is neither; and as :func:`open_data`.
    """
    from otoscope.data.clips import Clips

    if isinstance(given, Clips):
        return given
    if isinstance(given, str):
        return open_data(given)
    raise InputError(
        f"sounds are Clips, or a text that names them such as 'folder:PATH'; got a {type(given).__name__}"
    )


def open_data(spec: str, **options: Any) -> Clips:
    """Return the clips that ``spec`` names; no sound is read yet.

    Parameters
    ----------
    spec : str
        ``scheme:rest`` or ``scheme:rest?option=value&option=value``: ``esc50:PATH``, ``esc10:PATH``,
        ``urbansound8k:PATH``, ``gtzan:PATH``, ``fsdd:PATH``, ``folder:PATH``, ``csv:FILE?multi=;``,
        ``hub:NAME:SPLIT``, ``sounds:400``. An option's text is converted to the type of the loader's default. Every
        collection takes ``derive`` (:mod:`otoscope.data.derive`) and ``events`` (:mod:`otoscope.data.additions`).
    **options
        The same options as keyword arguments; these win over those in ``spec``.

    Returns
    -------
    Clips
        One row a clip.

    Raises
    ------
    InputError
        If ``spec`` has no scheme, or is no text.
    UnknownNameError
        If the scheme or an option is unknown.
    DataLayoutError, EmptyDataError
        If what lies there is not laid out as the scheme expects, or holds no clip.

    Examples
    --------
    >>> clips = open_data("sounds:12", seed=3)
    >>> len(clips), clips.label_sets[0].name
    (12, 'label')
    """
    from otoscope.data.additions import added, taken_apart
    from otoscope.data.spec import parse, typed_options, written

    if not isinstance(spec, str):
        raise InputError(f"DATA is a text such as 'folder:PATH', got {type(spec).__name__} {spec!r}")
    parsed = parse(spec, DATASETS)
    loader = lookup(DATASETS, parsed.scheme, room="data", kind="dataset")
    parsed, options, additions = taken_apart(parsed, options, loader)
    chosen = typed_options(parsed, loader, options)
    clips: Clips = loader(parsed.rest, **chosen)
    spec = written(parsed, {**chosen, **additions})
    return added(replace(clips, name=parsed.scheme, spec=spec), additions)
