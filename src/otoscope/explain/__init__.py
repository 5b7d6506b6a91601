"""Which part of this recording made the network decide so? Masks on the spectrogram, as sound, with scores.

An explainer is called ``explain(model, waveform, target)`` and gives a mask over the linear spectrogram and, where it
has them, parts (:mod:`otoscope.explain.explanation`). :mod:`otoscope.explain.listen` is the one place that turns a mask
into sound, :mod:`otoscope.explain.train_explainer` trains those of :data:`TRAINABLE` on a classifier's hidden maps,
:mod:`otoscope.explain.windows` explains sounds of any length, and :mod:`otoscope.explain.score` measures
explainers beside :data:`CONTROLS` under each of :data:`REMOVALS`.
"""

from otoscope.callable_room import callable_room

EXPLAINERS: dict[str, str] = {
    "amt": "otoscope.explain.amt:ActivationMap",
    "saliency": "otoscope.explain.gradients:Saliency",
    "integrated-gradients": "otoscope.explain.gradients:IntegratedGradients",
    "smooth-grad": "otoscope.explain.gradients:SmoothGrad",
    "grad-cam": "otoscope.explain.grad_cam:GradCam",
    "occlusion": "otoscope.explain.occlusion:Occlusion",
    "nmf-occlusion": "otoscope.explain.components:ComponentOcclusion",
}
"""Explainer -> factory ``(**options)`` of a callable ``(model, waveform, target) -> Explanation``."""

TRAINABLE: dict[str, str] = {
    "l2i": "otoscope.explain.l2i:RECIPE",
    "nmf": "otoscope.explain.nmf_recipe:RECIPE",
    "lmac": "otoscope.explain.lmac:RECIPE",
    "piq": "otoscope.explain.piq:RECIPE",
}
"""What is trained -> its recipe, an :class:`otoscope.explain.recipe.Recipe`; trained explainers are folders."""

CONTROLS: dict[str, str] = {
    "random-size": "otoscope.explain.controls:random_size",
    "random-energy": "otoscope.explain.controls:random_energy",
    "random-smooth": "otoscope.explain.controls:random_smooth",
    "random-matched": "otoscope.explain.controls:random_matched",
    "loudest": "otoscope.explain.controls:loudest",
    "rolled": "otoscope.explain.controls:rolled",
    "other-same": "otoscope.explain.controls:other_same",
    "other-different": "otoscope.explain.controls:other_different",
    "all-pass": "otoscope.explain.controls:all_pass",
}
"""Control -> function ``(Case, generator) -> mask``: what stands beside an explainer in every table."""

REMOVALS: dict[str, str] = {
    "zero": "otoscope.explain.removal:silence",
    "noise-floor": "otoscope.explain.removal:noise_floor",
    "background": "otoscope.explain.removal:background",
}
"""Removal operator -> function ``(spectrum, background, generator) -> spectrum`` put where something was removed."""

callable_room(__name__, "otoscope.explain.stage:explain")
