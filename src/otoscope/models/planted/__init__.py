"""Networks whose neurons' meaning is known, to check any description method against the truth.

``planted:`` opens the default network; options follow the colon, separated by commas::

    planted:seed=0,rules=all,strengths=1+0.6+0.3,pairs=4,distractors=24,projections=8,noise_scale_db=1

Every rule of ``rules`` is planted alone, in signed pairs of opposites, in polysemantic (either) and conjunctive
(both) pairs, once per strength, among distractors that follow no rule. A strength is the correlation with the rule
over synthetic clips; the rest is noise that is a fixed function of the clip. On other sound a rule may vary less and
its neuron be noisier: layer ``neurons.rule`` holds the same neurons without noise, to correlate with.

The layer is ``neurons``, one frame every 10 ms; :func:`truth` is the table of what was planted. Rules see two power
spectrograms and nothing else; the accepted words (``words.py``) are ordinary English, written without sight of any
captioner or concept set.
"""

from __future__ import annotations

from otoscope.models.planted.load import assemble, build, load, parse, truth
from otoscope.models.planted.plan import PlantedNeuron, PlantedOptions, plan

__all__ = ["PlantedNeuron", "PlantedOptions", "assemble", "build", "load", "parse", "plan", "truth"]
