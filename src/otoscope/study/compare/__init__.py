"""How do two networks, two layers or two checkpoints differ in what their neurons do on the same clips?

Start at :mod:`otoscope.study.compare.stage`. Runs are aligned by clip (:mod:`otoscope.study.compare.sides`); then
class-selective neurons (``selected``), layers and single neurons (``layers``), probes (``probed``) and descriptions
(``described``) stand side by side, each beside what two halves of one run give and what permuted clips give.
"""
