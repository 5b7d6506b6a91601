"""Scores, nulls, intervals and multiple testing: arrays in, numbers out.

Each module answers one question and reads the same way: the question, the conventions, the definition, a
``validate`` that says what is wrong with the input, the measures, and ``evaluate`` that gives all of them by name.
:data:`METRICS` names the measures; another package adds its own under the entry point group ``otoscope.metrics``.
"""

METRICS: dict[str, str] = {
    "accuracy": "otoscope.metrics.classification:accuracy",
    "average_drop": "otoscope.metrics.faithfulness:average_drop",
    "average_gain": "otoscope.metrics.faithfulness:average_gain",
    "average_increase": "otoscope.metrics.faithfulness:average_increase",
    "auprc": "otoscope.metrics.ranking:auprc",
    "auroc": "otoscope.metrics.ranking:auroc",
    "complexity": "otoscope.metrics.sparsity:complexity",
    "faithfulness": "otoscope.metrics.faithfulness:faithfulness",
    "input_fidelity": "otoscope.metrics.faithfulness:input_fidelity",
    "localisation_auroc": "otoscope.metrics.localisation:localisation_auroc",
    "mask_size": "otoscope.metrics.sparsity:mask_size",
    "mean_cosine": "otoscope.metrics.text_agreement:mean_cosine",
    "mean_reciprocal_rank": "otoscope.metrics.ranking:mean_reciprocal_rank",
    "pearson": "otoscope.metrics.correlation:pearson",
    "sparseness": "otoscope.metrics.sparsity:sparseness",
    "spearman": "otoscope.metrics.correlation:spearman",
    "target_share": "otoscope.metrics.separation:target_share",
    "top_k_fidelity": "otoscope.metrics.faithfulness:top_k_fidelity",
}
"""Measure -> ``"module:function"``."""
