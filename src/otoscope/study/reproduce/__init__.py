"""A published paper's tables and figures, made again on any network and sounds, beside the published numbers.

A new reproduction is a file of published numbers (``study/published/<name>.json``), a file with a function
``(network, clips, out, config) -> (path of the page, list of Made)``, and one line in :data:`REPRODUCTIONS`.
"""

REPRODUCTIONS: dict[str, str] = {
    "and-2024": "otoscope.study.reproduce.and_2024:reproduce",
}
"""Protocol -> function that makes its tables and figures."""
