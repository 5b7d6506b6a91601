"""What the describing stages' flags mean, in plain words beside the number they qualify."""

from __future__ import annotations

MEANINGS: dict[str, str] = {
    "dead": "the activation never varied while describing",
    "undefined": "no concept has a defined score",
    "tied": "equal activations decided which clips were looked at; a seed chose among them",
    "clamped": "fewer clips than the method wants to look at",
    "no-contrast": "every concept scores the same",
    "nothing-in-common": "the clips have nothing in common that could be said",
    "all-removed": "all that could be said is true of the opposite clips, too",
    "failed": "the language model gave no usable answer",
    "same-clips": "described and scored on the same clips: read the score as a ceiling",
    "circular-scorer": "scored by the same captions that described: read the score as a ceiling",
    "circular-captions": "the captions contain the labels: read the score as a ceiling",
    "groups-undeclared": "no group is declared, so every file counts as independent: p and the interval are optimistic",
}
"""Flag -> its meaning; a flag that is not here is shown as it stands."""


def in_words(flags: str | None) -> tuple[str, ...]:
    """Return the meaning of each flag of a ``;``-joined list.

    Examples
    --------
    >>> in_words("tied;made-up")[1]
    'made up'
    """
    names = [one.strip() for one in (flags or "").split(";")]
    return tuple(MEANINGS.get(one, one.replace("-", " ")) for one in names if one)
