"""Dissect: sounds and a network in, neurons in words out, with scores and a page that plays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data.clips import Clips
from otoscope.describe.config import DescribeConfig
from otoscope.describe.stage import describe
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.report.stage import ReportConfig, report
from otoscope.store.run import Run


def dissect(
    model: AudioModel,
    clips: Clips,
    out: Path | str,
    *,
    recording: RecordConfig | None = None,
    captioners: Sequence[str] = ("acoustic",),
    describing: DescribeConfig | None = None,
    reporting: ReportConfig | None = None,
) -> Run:
    """Record, caption, describe and report; return the run. Stages that are done are not done again.

    Parameters
    ----------
    model : AudioModel
        The network.
    clips : Clips
        The probing set.
    out : Path or str
        The run folder.
    recording, describing, reporting : configs, optional
        Of the three stages.
    captioners : sequence of str
        What puts the clips into words; the first describes the neurons, unless ``describing`` names another.
    """
    run = record(model, clips, out, recording)
    names = [caption(run, clips, CaptionConfig(captioner=spec)) for spec in dict.fromkeys((*captioners, "acoustic"))]
    config = describing or DescribeConfig(captions=names[0])
    describe(run, config)
    report(run.root, config=reporting)
    return run
