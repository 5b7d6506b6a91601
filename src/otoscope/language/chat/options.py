"""What a user may say about a chat model besides its name."""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.errors import InputError


@dataclass(frozen=True)
class ChatOptions:
    """Options of :func:`otoscope.language.chat.chat_model`; each is None where it was not given.

    Attributes
    ----------
    base_url : str or None
        Where an OpenAI-compatible server listens, up to and including ``/v1``.
    device : str or None
        A torch device for a local model.
    """

    base_url: str | None = None
    device: str | None = None

    def refuse(self, scheme: str, *names: str) -> None:
        """Raise for an option that the scheme has no use for.

        Raises
        ------
        InputError
            If one of ``names`` was given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(f"{scheme}: has no {name}, got {name}={getattr(self, name)!r}: leave it out")
