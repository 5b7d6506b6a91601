"""Dissect: sounds and a network in, neurons in words out, with scores and a page that plays."""

from __future__ import annotations

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
from otoscope.study.ready import ready


def dissect(
    model: AudioModel,
    clips: Clips,
    out: Path | str,
    *,
    captioner: str = "acoustic",
    recording: RecordConfig | None = None,
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
    captioner : str
        What puts the clips into words that describe (see :data:`otoscope.caption.CAPTIONERS`). Acoustic captions
        are made in any case: their measurements show what a neuron is confounded with.
    recording, describing, reporting : configs, optional
        Of the three stages; the captions named in ``describing`` are replaced by the captioner's.

    Raises
    ------
    OtoscopeError
        What :func:`otoscope.study.ready.ready` says before anything is recorded, and what the stages say.
    """
    ready(clips, captioner, describing or DescribeConfig(), Path(out))
    run = record(model, clips, out, recording)
    name = caption(run, clips, CaptionConfig(captioner=captioner))
    if captioner != "acoustic":
        caption(run, clips, CaptionConfig(captioner="acoustic"))
    config = (describing or DescribeConfig()).model_copy(update={"captions": name})
    describe(run, config, clips=clips)
    report(run.root, config=reporting)
    return run
