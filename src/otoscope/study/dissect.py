"""Dissect: sounds and a network in, neurons in words out, with scores and a page that plays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from otoscope.caption.stage import CaptionConfig, caption
from otoscope.data import clips_of
from otoscope.data.clips import Clips
from otoscope.describe.config import DescribeConfig
from otoscope.describe.stage import describe
from otoscope.models import model_of
from otoscope.models.audio_model import AudioModel
from otoscope.record.config import RecordConfig
from otoscope.record.stage import record
from otoscope.report.stage import ReportConfig, report
from otoscope.store.place import place
from otoscope.store.run import Run
from otoscope.study.ready import ready


def dissect(
    model: AudioModel | str,
    clips: Clips | str,
    out: Path | str,
    *,
    captioner: str = "acoustic",
    recording: RecordConfig | Mapping[str, Any] | None = None,
    describing: DescribeConfig | Mapping[str, Any] | None = None,
    reporting: ReportConfig | Mapping[str, Any] | None = None,
) -> Run:
    """Record, caption, describe and report; return the run. Stages that are done are not done again.

    Parameters
    ----------
    model : AudioModel or str
        The network, or the text that names it, such as ``demo:``.
    clips : Clips or str
        The probing set, or the text that names it, such as ``sounds:200``.
    out : Path or str
        The run folder.
    captioner : str
        What puts the clips into words that describe (see :data:`otoscope.caption.CAPTIONERS`). Acoustic captions
        are made in any case: their measurements show what a neuron is confounded with.
    recording, describing, reporting : configs or dicts, optional
        Of the three stages, all checked before anything is recorded; the captions named in ``describing`` are
        replaced by the captioner's.

    Raises
    ------
    OtoscopeError
        What :func:`otoscope.study.ready.ready` says before anything is recorded, and what the stages say.
    """
    model, clips = model_of(model), clips_of(clips)
    recording, reporting = RecordConfig.of(recording), ReportConfig.of(reporting)
    describing = DescribeConfig.of(describing)
    ready(clips, captioner, describing, place(out))
    run = record(model, clips, out, recording)
    name = caption(run, clips, CaptionConfig(captioner=captioner))
    if captioner != "acoustic":
        caption(run, clips, CaptionConfig(captioner="acoustic"))
    describe(run, describing.model_copy(update={"captions": name}), clips=clips)
    report(run.root, config=reporting)
    return run
