"""Which of a few learnt vectors is each position of a map nearest to? Vector quantisation, with codes of classes.

With the map z ``(clip, neuron, row, column)``, K codes e_k and the codes A_c that class c may use,

    k* = argmin over k in A_c of |z - e_k|^2,     q = e_k*
    codebook loss    mean (q - sg z)^2            moves codes to what they stand for (sg: no gradient)
    commitment loss  mean (z - sg q)^2            keeps the map near its codes

The decoder hears q; its gradient goes to z unchanged (straight through).

*Codes of classes.* The first K - N_s codes are divided evenly: code i belongs to class round(linspace(-0.5, C - 0.51,
K - N_s)_i), half to even. The last N_s are shared: every class may use them, in training and afterwards.

*Dead codes.* A code that no position has used for some batches can be set to a position of the present batch, of a clip
whose class may use it (:meth:`Quantiser.revive`).

References: A. van den Oord, O. Vinyals, K. Kavukcuoglu (2017), Neural discrete representation learning, NeurIPS;
C. Subakan et al. (PIQ), Posthoc interpretation via quantization, whose division into classes this is. *Where we
differ*: in SpeechBrain's recipe shared codes are forbidden in training and allowed afterwards, so they are used while
they are still random (``shared="forbidden-in-training"``), and a class that owns no code silently gets the first one
of another class, which is refused here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from otoscope.errors import InputError, UnknownNameError

Shared = Literal["allowed", "forbidden-in-training"]


def owners(n_codes: int, n_classes: int, n_shared: int = 0) -> Tensor:
    """Return the class that owns each code, int64 ``(code,)``; -1: shared.

    Parameters
    ----------
    n_codes, n_classes : int
        K and C.
    n_shared : int
        N_s, the last codes.

    Raises
    ------
    InputError
        If a class would own no code.

    Examples
    --------
    >>> owners(7, 2, n_shared=3).tolist()
    [0, 0, 1, 1, -1, -1, -1]
    """
    own = n_codes - n_shared
    if n_classes < 1 or n_shared < 0 or own < n_classes:
        raise InputError(
            f"{n_codes} codes of which {n_shared} are shared leave {own} for {n_classes} classes; each needs at least "
            "one of its own"
        )
    places = torch.linspace(-0.5, n_classes - 0.51, own).round().long()
    places = places.clamp(0, n_classes - 1)  # -0.5 rounds to -0
    return torch.cat([places, places.new_full((n_shared,), -1)])


def allowed(owner: Tensor, labels: Tensor, shared: bool = True) -> Tensor:
    """Return which codes each clip may use, bool ``(clip, code)``.

    Parameters
    ----------
    owner : Tensor, shape (code,)
        Of :func:`owners`.
    labels : Tensor, shape (clip,)
        Class of each clip.
    shared : bool
        Whether it may use shared codes.
    """
    mine = owner[None] == labels[:, None]
    return mine | (owner[None] == -1) if shared else mine


@dataclass(frozen=True)
class Quantised:
    """A map in codes.

    Attributes
    ----------
    indices : Tensor int64, shape (clip, row, column)
        Nearest allowed code of each position.
    codes : Tensor, shape (clip, neuron, row, column)
        Those codes; gradients reach the codebook.
    passed : Tensor, same shape
        The same values; gradients reach the map.
    codebook_loss, commitment_loss : Tensor ()
        Lower is better; equal in value.
    """

    indices: Tensor
    codes: Tensor
    passed: Tensor
    codebook_loss: Tensor
    commitment_loss: Tensor


def quantise(maps: Tensor, codebook: Tensor, usable: Tensor | None = None) -> Quantised:
    """Return a map in codes.

    Parameters
    ----------
    maps : Tensor, shape (clip, neuron, row, column)
        z.
    codebook : Tensor, shape (code, neuron)
        e.
    usable : Tensor of bool, shape (clip, code), optional
        Codes that each clip may use, at least one; None: all.

    Notes
    -----
    Cost O(clip row column code neuron).
    """
    indices = nearest(maps.detach(), codebook.detach(), usable)
    codes = functional.embedding(indices, codebook).movedim(3, 1)  # (clip, neuron, row, column)
    passed = codes.detach() + (maps - maps.detach())
    codebook_loss = functional.mse_loss(codes, maps.detach())
    commitment_loss = functional.mse_loss(maps, codes.detach())
    return Quantised(indices, codes, passed, codebook_loss, commitment_loss)


def nearest(maps: Tensor, codebook: Tensor, usable: Tensor | None = None) -> Tensor:
    """Return the index of each position's nearest usable code, ``(clip, row, column)``; see :func:`quantise`."""
    clips, neurons, rows, columns = maps.shape
    flat = maps.permute(0, 2, 3, 1).reshape(clips, rows * columns, neurons)
    distance = codebook.square().sum(1) - 2 * flat @ codebook.T  # |z|^2 is the same for all codes
    if usable is not None:
        if not bool(usable.any(1).all()):
            raise InputError("a clip may use no code at all: give its class one")
        distance = distance.masked_fill(~usable[:, None], torch.inf)
    return distance.argmin(2).reshape(clips, rows, columns)


class Quantiser(nn.Module):
    """A codebook divided among classes.

    Parameters
    ----------
    n_codes : int
        K.
    n_neurons : int
        Length of a code.
    n_classes : int
        C.
    n_shared : int
        N_s.
    shared : {"allowed", "forbidden-in-training"}
        See the module; the second is as published.
    """

    owner: Tensor
    idle: Tensor

    def __init__(
        self, n_codes: int, n_neurons: int, n_classes: int, n_shared: int = 0, shared: str = "allowed"
    ) -> None:
        super().__init__()
        if shared not in get_args(Shared):
            raise UnknownNameError.of("rule for shared codes", shared, get_args(Shared))
        self.embedding = nn.Embedding(n_codes, n_neurons)
        nn.init.uniform_(self.embedding.weight, -1 / n_codes, 1 / n_codes)
        self.shared = shared
        self.register_buffer("owner", owners(n_codes, n_classes, n_shared), persistent=False)
        self.register_buffer("idle", torch.zeros(n_codes, dtype=torch.long), persistent=False)

    def usable(self, labels: Tensor) -> Tensor:
        """Return which codes clips of these classes may use now, bool ``(clip, code)``."""
        return allowed(self.owner, labels, self.shared == "allowed" or not self.training)

    def forward(self, maps: Tensor, labels: Tensor) -> Quantised:
        """Return maps ``(clip, neuron, row, column)`` in codes of the clips' classes ``(clip,)``."""
        return quantise(maps, self.embedding.weight, self.usable(labels))

    def forget_idle(self) -> None:
        """Begin to count idle batches anew."""
        self.idle.zero_()

    @torch.no_grad()
    def revive(
        self, maps: Tensor, labels: Tensor, found: Quantised, patience: int, generator: torch.Generator
    ) -> int:
        """Set each code that no batch has used for ``patience`` batches to a position of this batch.

        Parameters
        ----------
        maps : Tensor, shape (clip, neuron, row, column)
            Of this batch, before quantisation.
        labels : Tensor, shape (clip,)
        found : Quantised
            Of these maps.
        patience : int
            Batches, at least 1.
        generator : torch.Generator
            On the CPU.

        Returns
        -------
        int
            How many codes were set; a dead code whose class is not in the batch waits.
        """
        self.idle += 1
        self.idle[torch.unique(found.indices)] = 0
        candidates = self.usable(labels)
        flat = maps.permute(0, 2, 3, 1).flatten(1, 2)  # (clip, position, neuron)
        dead = ((self.idle >= patience) & candidates.any(0)).nonzero()[:, 0].tolist()
        for code in dead:
            clips = candidates[:, code].nonzero()[:, 0]
            clip = clips[int(torch.randint(len(clips), (), generator=generator))]
            place = int(torch.randint(flat.shape[1], (), generator=generator))
            self.embedding.weight[code] = flat[clip, place]
            self.idle[code] = 0
        return len(dead)
