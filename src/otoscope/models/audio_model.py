"""What is a network that listens? A front end, a net, and what both need to be told.

``front_end(waveform) -> features`` and ``net(features) -> logits``, with the sample rate, the class
names and the length of sound that the network takes. Layers are the modules of ``unwrap(model.net)``:
wrappers (``torch.compile``, data parallel, our adapters) never show in a layer's name. The name
``logits`` is reserved for the model's output.

A front end may offer more than ``forward``:

* ``description`` (a JSON-able mapping): what it computes; part of the weights hash.
* ``magnitude(waveform) -> (clip, channel, frequency, frame)`` and ``from_magnitude(magnitude) -> features``:
  the two halves of ``forward``, so that a mask on the magnitude spectrogram can re-enter the network.
  ``stft_settings`` are the :class:`otoscope.audio.stft.StftSettings` of the complex spectrogram behind it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, cast

from torch import Tensor, nn

from otoscope.models.geometry import Geometry

if TYPE_CHECKING:
    from otoscope.audio.windows import ClipLength

#: Name of the model's output among its layers.
LOGITS = "logits"

#: ``(layer, output shape, samples of the input waveform) -> Geometry``, None where nothing is declared.
GeometryRule = Callable[[str, tuple[int, ...], int], Geometry | None]


def undeclared(layer: str, output_shape: tuple[int, ...], n_samples: int) -> Geometry | None:
    """Return None: the rule of a network that declares nothing."""
    return None


class Adapter(nn.Module):
    """A net around another one that only translates its input or output; layers are those of ``inner``."""

    inner: nn.Module


def unwrap(module: nn.Module) -> nn.Module:
    """Return the module inside ``torch.compile``, (Distributed)DataParallel and our adapters.

    Examples
    --------
    >>> unwrap(nn.DataParallel(nn.Linear(2, 1)))
    Linear(in_features=2, out_features=1, bias=True)
    """
    while True:
        if isinstance(module, Adapter):
            module = module.inner
        elif isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            module = cast(nn.Module, module.module)
        elif isinstance(compiled := getattr(module, "_orig_mod", None), nn.Module):
            module = compiled
        else:
            return module


class AudioModel(nn.Module):
    """A front end and a net with named layers.

    Parameters
    ----------
    front_end : nn.Module
        Waveform ``(clip, channel, time)`` to features (a tensor, or a tuple of the net's arguments).
        Called with a second argument ``lengths`` where ``takes_lengths``.
    net : nn.Module
        Features to logits ``(clip, class)``.
    sample_rate : int
        Hz of the waveforms that the front end takes.
    classes : tuple of str
        Names of the output neurons; empty where they have none.
    clip_length : ClipLength
        What the network takes: whole clips, or pieces of a fixed length.
    spec : str
        How the model was opened (``"demo:"``, a folder, ``"hf:..."``).
    differentiable : bool
        Whether gradients reach the waveform.
    declared_layers : tuple of str
        Glob patterns over ``unwrap(net).named_modules()``: what ``*`` means. ``logits`` is always added.
        Empty: every leaf with parameters or an activation.
    geometry_rule : callable
        ``(layer, output_shape, n_samples) -> Geometry | None``.
    has_logits : bool
        False for an encoder without a head: the output is then the mean of its last hidden state over
        the positions that hold sound, a vector without class names.
    takes_lengths : bool
        Whether the front end can be told how many samples of each padded waveform are sound.
    config : dict
        JSON-able description of the architecture and of how it was made; kept with the weights.
    label_kind : {"single", "multi"} or None
        What the outputs were trained to be: logits of a softmax over the classes, one class a clip; or of a sigmoid
        each, several labels a clip. None where nobody says.
    """

    def __init__(
        self,
        front_end: nn.Module,
        net: nn.Module,
        *,
        sample_rate: int,
        classes: tuple[str, ...] = (),
        clip_length: ClipLength,
        spec: str = "",
        differentiable: bool = True,
        declared_layers: tuple[str, ...] = (),
        geometry_rule: GeometryRule = undeclared,
        has_logits: bool = True,
        takes_lengths: bool = False,
        config: dict[str, Any] | None = None,
        label_kind: Literal["single", "multi"] | None = None,
    ) -> None:
        super().__init__()
        self.front_end, self.net = front_end, net
        self.sample_rate, self.classes, self.clip_length = sample_rate, tuple(classes), clip_length
        self.spec, self.differentiable = spec, differentiable
        self.declared_layers, self.geometry_rule = declared_layers, geometry_rule
        self.has_logits, self.takes_lengths = has_logits, takes_lengths
        self.config: dict[str, Any] = dict(config or {})
        self.label_kind = label_kind

    def forward(self, waveform: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits ``(clip, class)`` of waveforms ``(clip, channel, time)`` at ``sample_rate``.

        Parameters
        ----------
        waveform : Tensor
            ``(clip, channel, time)``, float32.
        lengths : Tensor, optional
            Samples of each waveform that are sound and not padding, ``(clip,)``. Networks that take no
            lengths ignore it.
        """
        features = self.features(waveform, lengths)
        logits = self.net(*features) if isinstance(features, tuple) else self.net(features)
        return cast(Tensor, logits)

    def features(self, waveform: Tensor, lengths: Tensor | None = None) -> Any:
        """Return what the net takes for these waveforms; parameters as in :meth:`forward`."""
        if self.takes_lengths:
            return self.front_end(waveform, lengths)
        return self.front_end(waveform)

    def geometry(self, layer: str, output_shape: tuple[int, ...], n_samples: int) -> Geometry | None:
        """Return where the positions of a layer's output lie, None where the network does not declare it.

        Parameters
        ----------
        layer : str
            Path of the module in ``unwrap(net).named_modules()``, with or without a selector, or
            ``logits``.
        output_shape : tuple of int
            Shape of the (selected) output.
        n_samples : int
            Samples of the waveform that went in.
        """
        if layer == LOGITS:
            return Geometry.vector(n_samples / self.sample_rate) if len(output_shape) == 2 else None
        return self.geometry_rule(layer, tuple(output_shape), n_samples)
