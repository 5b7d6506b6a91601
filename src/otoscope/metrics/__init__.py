"""Scores, nulls, intervals and multiple testing: arrays in, numbers out.

Each module answers one question and reads the same way: the question, the conventions, the definition, a
``validate`` that says what is wrong with the input, the measures, and ``evaluate`` that gives all of them by name.
:data:`METRICS` names the measures; another package adds its own under the entry point group ``otoscope.metrics``.
"""

METRICS: dict[str, str] = {
    "accuracy": "otoscope.metrics.classification:accuracy",
    "auprc": "otoscope.metrics.ranking:auprc",
    "auroc": "otoscope.metrics.ranking:auroc",
    "mean_cosine": "otoscope.metrics.text_agreement:mean_cosine",
    "mean_reciprocal_rank": "otoscope.metrics.ranking:mean_reciprocal_rank",
    "pearson": "otoscope.metrics.correlation:pearson",
    "spearman": "otoscope.metrics.correlation:spearman",
}
"""Measure -> ``"module:function"``."""
