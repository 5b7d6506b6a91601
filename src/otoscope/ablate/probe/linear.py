"""Method ``linear``: one linear layer trained by Adam with early stop, as EVAR evaluates representations.

Embeddings are standardised by the training clips. The loss is the mean over clips *and classes* of -y log softmax,
that is cross-entropy / C (several labels: binary cross-entropy); after each epoch the validation clips' accuracy
(several labels: mean average precision) is asked, and the best epoch's weights are kept, the later of tied ones.

Reference: D. Niizumi et al., EVAR, linear evaluation. Weights begin as PyTorch's linear layers do.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from otoscope.ablate.probe.config import ProbeConfig
from otoscope.ablate.probe.fitted import Fitted, Material, standardisation
from otoscope.fit.loop import FitConfig
from otoscope.fit.loop import fit as run_fit
from otoscope.metrics.classification import Floats
from otoscope.metrics.ranking import auprc


def fit(material: Material, config: ProbeConfig, seed: int) -> Fitted:
    """Return the probe.

    Parameters
    ----------
    material : Material
    config : ProbeConfig
    seed : int
        Of initial weights and order.
    """
    mean, scale = standardisation(material.train)
    train, valid = (
        torch.from_numpy(((one - mean) / scale).astype(np.float32))
        for one in (material.train, material.valid)
    )
    layer = _layer(train.shape[1], material.n_classes, seed)
    labels = torch.from_numpy(material.train_labels)
    size = min(config.batch_size, len(train))

    def batches(epoch: int, generator: torch.Generator) -> list[Tensor]:
        order = torch.randperm(len(train), generator=generator)
        return [order[start : start + size] for start in range(0, len(order), size)]

    def loss(chosen: Tensor, generator: torch.Generator) -> Tensor:
        return loss_of(layer(train[chosen]), labels[chosen])

    def validate() -> dict[str, float]:
        return {"valid": validation(layer(valid).numpy(), material)}

    options = FitConfig(
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        schedule="constant",
        clip_norm=None,
        patience=config.patience,
        metric="valid",
        ties="later",
        optimiser="adam",
        seed=seed,
    )
    history = run_fit(layer, batches, loss, validate, options, None, description="probing")
    account = {"best_epoch": history.best_epoch, "epochs": len(history.epochs), **history.best}
    return Fitted(
        mean,
        scale,
        layer.weight.detach().double().numpy(),
        layer.bias.detach().double().numpy(),
        account,
    )


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return cross-entropy divided by the number of classes, or the binary one for several labels.

    Examples
    --------
    >>> float(loss_of(torch.zeros(2, 4), torch.tensor([0, 1]))) * 4 == float(torch.tensor(4.0).log())
    True
    """
    if labels.ndim == 2:
        return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return nn.functional.cross_entropy(logits, labels) / logits.shape[1]


def validation(logits: Floats, material: Material) -> float:
    """Return the validation part's accuracy, or mean average precision over its classes."""
    if material.several:
        return float(np.nanmean(auprc(material.valid_labels, logits)))
    return float((logits.argmax(axis=1) == material.valid_labels).mean())


def _layer(n_in: int, n_out: int, seed: int) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return nn.Linear(n_in, n_out)
