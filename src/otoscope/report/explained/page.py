"""The explained clips of a run as a part of its page, or as a page of their own where nothing else was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from otoscope.report import page, payload
from otoscope.report.explained.assets import Assets, collect
from otoscope.report.explained.scores import ScoreTable, score_tables
from otoscope.report.explained.views import CONTROLS, MEASURES, OF_CLIP, ExplainedClip, clips
from otoscope.report.facts import short_name
from otoscope.store.explanations import listing
from otoscope.store.run import Run

SHARE = 0.6
"""Of a page's size that explained clips may take where neurons are on it, too."""
WORDS_BYTES = 16_000
"""About what the words of one explanation take, tables and probabilities included."""
_ALONE = ("explain.js", "explained.js")
_STYLES = ("style.css", "explain.css")


@dataclass(frozen=True)
class ExplainedView:
    """What a page shows of a run's explanations.

    Attributes
    ----------
    title, model : str
    clips : tuple of ExplainedClip
    methods : tuple of str
        By name, in the order of the clips.
    half_khz : float
        Top of the pictures.
    scores : tuple of ScoreTable
        Of sets of clips.
    assets : Assets
    notes : tuple of str
        What the size limit left out.
    """

    title: str
    model: str
    clips: tuple[ExplainedClip, ...]
    methods: tuple[str, ...]
    half_khz: float
    scores: tuple[ScoreTable, ...]
    assets: Assets
    notes: tuple[str, ...]

    @property
    def shown(self) -> frozenset[str]:
        """Measures that stand somewhere on the page."""
        tables = {key for table in self.scores for group in table.groups for key in group.measures}
        return frozenset({*(OF_CLIP if self.clips else ()), *tables})


def explained_view(
    run: Run, room_bytes: float, *, audio: bool, title: str | None = None
) -> ExplainedView | None:
    """Return what a page shows of a run's explanations, None where it has none.

    Parameters
    ----------
    run : Run
    room_bytes : float
        For sounds and pictures.
    audio : bool
        False leaves every sound out.
    title : str, optional
        Of the page; the network's name otherwise.
    """
    found, scores = clips(listing(run.root)), score_tables(run)
    if not found and not scores:
        return None
    assets = collect(found, int(room_bytes), audio=audio)
    model = run.manifest["model"]
    methods = dict.fromkeys(one.method for clip in found for one in clip.explanations)
    n_lost = assets.n_without_sound if audio else 0
    lost = "1 explanation is" if n_lost == 1 else f"{n_lost} explanations are"
    notes = (f"{lost} without sound, to keep the page small; the run folder has all.",) if n_lost else ()
    return ExplainedView(
        title=title or short_name(str(model["spec"])),
        model=short_name(str(model["spec"])),
        clips=found,
        methods=tuple(methods),
        half_khz=model["sample_rate"] / 2000,
        scores=scores,
        assets=assets,
        notes=notes,
    )


def content(view: ExplainedView | None, *, alone: bool) -> dict[str, Any]:
    """Return what the templates of explained clips name."""
    return {"explained": view, "about": MEASURES, "control_names": CONTROLS, "alone": alone}


def render_alone(view: ExplainedView) -> str:
    """Return a page of explained clips only."""
    return page.render(
        "explained.html.j2",
        content(view, alone=True),
        payload.script_json({}),
        scripts=_ALONE,
        styles=_STYLES,
    )
