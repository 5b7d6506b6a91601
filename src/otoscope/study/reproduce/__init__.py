"""A published paper's tables and figures, made again on any network and sounds, beside the published numbers.

A new reproduction is a file of published numbers (``study/published/<name>.json``), a file with a function
``(network, clips, out, config) -> (path of the page, list of Made)``, and one line in :data:`REPRODUCTIONS`. Settings
of its own are a class that the function's file calls ``CONFIG``; without it they are
:class:`otoscope.study.reproduce.bench.ReproduceConfig`.
"""

REPRODUCTIONS: dict[str, str] = {
    "and-2024": "otoscope.study.reproduce.and_2024:reproduce",
    "posthoc": "otoscope.study.reproduce.posthoc:reproduce",
    "aape-2026": "otoscope.study.reproduce.aape_2026:reproduce",
    "l2i-2022": "otoscope.study.reproduce.l2i_2022:reproduce",
}
"""Protocol -> function that makes its tables and figures."""
