"""The first round of a set that is scored: what is explained of each clip, and the mask of every case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otoscope.errors import Failure
from otoscope.explain import score
from otoscope.explain.cases import Cases, cases_of_part
from otoscope.explain.judge import probabilities
from otoscope.explain.score_set_files import Summary, write_mask
from otoscope.explain.score_set_work import Round
from otoscope.explain.sounds import Sounds
from otoscope.progress import shown
from otoscope.record.hooks import lent
from otoscope.store import tensors
from otoscope.work.blocks import Block
from otoscope.work.engine import Finished


@dataclass
class Explaining(Round):
    """What is explained of each clip, and by which masks?"""

    name: str = "explaining"

    def compute(self, blocks: Sequence[Block], set_aside: Mapping[int, str]) -> Iterator[Finished]:
        """Explain blocks."""

        def explained(block: Block) -> Summary:
            rest = [one for one in range(block.start, block.stop) if one not in set_aside]
            some = self.job.sounds.some(self.job.model, rest)
            failures = (*some.failures, *self.lost(block, set_aside))
            if some.sounds is None:
                return self._summary(failures)
            positions = some.positions
            output, chosen = self._cases(some.sounds)
            note = {"added": some.added}
            tensors.write(self.job.files.heard(block.index), {"output": output, "clips": positions}, note)
            seconds = [self._masks(number, some.sounds, chosen, positions) for number in self._numbers()]
            cases = np.stack([positions[chosen.clips], chosen.targets], axis=1)
            known = (some.sounds.events is not None, some.sounds.parts is not None)
            return self._summary(failures, positions, cases, seconds, known)

        return self.each("explained", blocks, explained)

    def try_alone(self, row: int) -> None:
        """Explain one clip; nothing is kept."""
        job = self.job
        with shown(False), lent(job.model):
            sounds = job.sounds.some(job.model, [row]).sounds
            if sounds is not None:
                _, chosen = self._cases(sounds)
                for one in job.methods if len(chosen) else ():
                    score.explained(job.model, sounds, one.explainer, chosen, job.how.batch_size)

    def _numbers(self) -> range:
        return range(len(self.job.methods))

    def _cases(self, sounds: Sounds) -> tuple[NDArray[np.float64], Cases]:
        """Return what the network says of clips ``(clip, class)``, and what is explained of them."""
        model, how = self.job.model, self.job.how
        output = score.heard(model, sounds, how.batch_size)
        return output, cases_of_part(model, probabilities(output, how.activation), how.target, sounds.labels)

    def _masks(self, number: int, sounds: Sounds, chosen: Cases, positions: NDArray[np.int64]) -> float:
        """Write the masks of a method and return the seconds that explaining took."""
        job = self.job
        if not len(chosen):
            return 0.0
        explainer = job.methods[number].explainer
        made = score.explained(
            job.model, sounds, explainer, chosen, job.how.batch_size, ranking=job.how.curves
        )
        for case, (clip, target) in enumerate(zip(positions[chosen.clips], chosen.targets, strict=True)):
            write_mask(job.files.mask(number, int(clip), int(target)), made, case)
        return made.seconds

    def _summary(
        self,
        failures: tuple[Failure, ...],
        clips: NDArray[np.int64] | None = None,
        cases: NDArray[np.int64] | None = None,
        seconds: Sequence[float] | None = None,
        known: tuple[bool, bool] = (False, False),
    ) -> Summary:
        arrays: dict[str, NDArray[Any]] = {
            "clips": np.zeros(0, np.int64) if clips is None else clips,
            "cases": np.zeros((0, 2), np.int64) if cases is None else cases,
            "seconds": np.zeros((1, len(self._numbers()))) if seconds is None else np.array([seconds]),
            "known": np.array([known]),
        }
        return Summary(arrays, failures)
