"""Module B: what a neuron's clips have in common, less what its least activating clips have in common, too.

Two summaries are made for each neuron and pole, of its highly and of its lowly activating clips
(:mod:`otoscope.describe.exemplars`): by a chat model (``chat``), or without one by contrast of the captions' statements
(:mod:`otoscope.describe.contrast`). They are cut into sentences, talk about the task is left out, and
:mod:`otoscope.describe.calibrate` removes each sentence about the high clips that is close to one about the low ones.
What is left is the description; it is scored on the other half of the clips (:mod:`otoscope.describe.text_score`).

Near misses enter, by default, where the summary is made: a chat model is told to leave out what is true of them, and
the explainer counts them.

Where we differ from AND (ICML 2024, module B): calibration as meant, not deleting from lists while walking them; whole
words in place of substrings; near misses; at most one clip of a group; replies drawn at temperature 0; scores on other
clips. The preset ``and-2024`` undoes all but the last of these, with our wording of the prompt.

Reference: T.-Y. Wu, Y.-X. Lin, T.-W. Weng, "AND: Audio Network Dissection for Interpreting Deep Acoustic Models", ICML
2024, section 3.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from otoscope.describe.calibrate import Calibrated, and_2024_deletion, calibrate
from otoscope.describe.cases import Case, cases_of
from otoscope.describe.chatting import Chat, ChatTextConfig, counted, needed, opened
from otoscope.describe.free_text import Corpus, corpus_of
from otoscope.describe.output import table_name, write_descriptions
from otoscope.describe.summarise import Cutting, Explainer, Said, questions, statements_of
from otoscope.describe.summary_table import Described, flags_of, table_of
from otoscope.describe.text_score import advantage, pearson_of, score_texts
from otoscope.language import TextEncoder
from otoscope.language.chat import AnswerCache, ChatModel, Estimate, Prices
from otoscope.metrics.permutation import donor_maps
from otoscope.store.run import Run

METHOD, VERSION = "summary", 1

Parted = list[list[Case]]


class SummaryConfig(ChatTextConfig):
    """Options of module B; unknown keys are refused.

    Attributes
    ----------
    k : int or None
        Clips of each kind; None = 5, as published, for a chat model, and for the explainer a tenth of the describing
        clips, at least 5: on ESC-10 the explainer's mean score on other clips rises from .34 with 5 to .54 with 20 of
        200 (titles), and from .43 to .56 (acoustic captions).
    distinct_groups : bool
        At most one clip of a group among the high, and among the low ones.
    near_misses : bool
        Tell the high clips apart from near misses, too.
    threshold : float
        t: a sentence goes if it is closer than this to one about the low clips. Published: 0.5 (code), 0.6 (option),
        0.9 (figure).
    deletion : {"meant", "and-2024"}
        How sentences are removed, see :mod:`otoscope.describe.calibrate`.
    cutting : {"ours", "and-2024"}
        Sentence ends and marks of boilerplate.
    wording : {"ours", "and-2024"}
        Marked and guarded captions, or one plain turn.
    least_tokens : int
        Tokens that a model's sentence has at least.
    alpha : float
        Of the explainer: largest p of a statement.
    most_statements : int
        Of the explainer: statements in a summary.
    shuffles : int
        Of the explainer: how often its control deals the captions anew.
    """

    k: int | None = Field(None, ge=1)
    distinct_groups: bool = True
    near_misses: bool = True
    threshold: float = Field(0.6, ge=-1, le=1)
    deletion: Literal["meant", "and-2024"] = "meant"
    cutting: Literal["ours", "and-2024"] = "ours"
    wording: Literal["ours", "and-2024"] = "ours"
    least_tokens: int = Field(3, ge=1)
    alpha: float = Field(0.05, gt=0, lt=1)
    most_statements: int = Field(6, ge=1)
    shuffles: int = Field(3, ge=0)

    def clips(self, n_describing: int, chat: bool) -> int:
        """Return how many clips of each kind are looked at."""
        return self.k or (5 if chat else max(5, round(n_describing / 10)))


def and_2024() -> SummaryConfig:
    """Return module B as AND's release runs it: high pole, all clips describe and score, 5 clips, t = 0.5."""
    return SummaryConfig(
        k=5,
        poles="high",
        same_clips=True,
        distinct_groups=False,
        near_misses=False,
        threshold=0.5,
        deletion="and-2024",
        cutting="and-2024",
        wording="and-2024",
        least_tokens=6,
        temperature=1.0,
        max_tokens=1024,
    )


def describe_by_summary(
    run: Run,
    config: SummaryConfig,
    *,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
    **_: Any,
) -> str:
    """Write the table ``summary-<hash8>`` and return its name.

    Parameters
    ----------
    run : Run
        Recorded with pooled activations, and captioned.
    config : SummaryConfig
    encoder : TextEncoder, optional
        A loaded one to use for ``config.encoder``.
    chat : ChatModel, optional
        A loaded one to use for ``config.chat``.
    cache : AnswerCache, optional
        The user's by default.

    Raises
    ------
    StageError, UnknownNameError, EmptyDataError, InputError
        See :func:`otoscope.describe.free_text.corpus_of`; unknown layers, encoders and chat models.
    """
    corpus, model = corpus_of(run, config, encoder), opened(config, chat, cache)
    identity = {
        **config.identity(),
        **corpus.identity(),
        "encoder_spec": config.encoder,
        "chat": model.model.id if model else None,
    }
    name = table_name(run, METHOD, VERSION, identity)
    job = _Job(run, config, corpus, model, name)
    return write_descriptions(
        run, METHOD, VERSION, identity, job.table, notes=lambda table: job.notes, headline=False
    )


def estimate_summary(
    run: Run,
    config: SummaryConfig,
    *,
    encoder: TextEncoder | None = None,
    chat: ChatModel | None = None,
    cache: AnswerCache | None = None,
    prices: Prices | None = None,
    **_: Any,
) -> Estimate:
    """Return what the chat model would be asked; nothing is asked or written.

    Raises
    ------
    InputError
        If no chat model is named.
    """
    model, corpus = needed(opened(config, chat, cache), METHOD), corpus_of(run, config, encoder)
    job = _Job(run, config, corpus, model, "")
    return model.estimate(job.questions([case for part in job.cases() for case in part]), prices)


@dataclass
class _Job:
    """The work on one table."""

    run: Run
    config: SummaryConfig
    corpus: Corpus
    chat: Chat | None
    name: str

    def __post_init__(self) -> None:
        self.notes: dict[str, Any] = {}

    def table(self) -> pl.DataFrame:
        """Return the table of descriptions and set the notes."""
        parted = self.cases()
        said = self._asked(parted) if self.chat else self._explained(parted)
        described = self._calibrated(parted, said)
        gists = [[one.gist for one in part] for part in described]
        scores = score_texts(self.run, self.config, self.corpus, gists)
        if self.chat is None and self.config.shuffles:
            scores["shuffled_pearson"] = self._shuffled(gists)
        flat = [one for part in described for one in part]
        self.notes |= _counts(flat)
        flags = [flags_of(one, self.corpus.flags) for one in flat]
        source = "contrast" if self.chat is None else "chat"
        return table_of(flat, scores, flags, self.corpus, self.config.threshold, source)

    def cases(self, vectors: NDArray[np.float32] | None = None) -> Parted:
        """Return the neurons with their clips."""
        k = self.config.clips(len(self.corpus.describing), self.chat is not None)
        return cases_of(
            self.run,
            self.config,
            self.corpus,
            k=k,
            distinct_groups=self.config.distinct_groups,
            vectors=vectors,
        )

    def questions(self, cases: Sequence[Case]) -> Any:
        """Return what is asked about some cases."""
        published = self.config.wording == "and-2024"
        captions = self.corpus.captions_of(self.corpus.describing)
        return questions(
            cases, captions, self.config.sampling, near=self.config.near_misses, published=published
        )

    def _asked(self, parted: Parted) -> list[list[tuple[Said, Said]]]:
        asked = self.questions([case for part in parted for case in part])
        answers = needed(self.chat, METHOD).answers(self.run, self.name, asked)
        self.notes |= counted(answers)
        cutting = Cutting(self.config.cutting == "and-2024", self.config.least_tokens)
        found = {(one.neuron, one.pole, one.role): cutting.said(got) for one, got in zip(asked, answers)}
        nothing = Said(None)
        return [
            [
                (
                    found.get((case.neuron, case.pole, "high"), nothing),
                    found.get((case.neuron, case.pole, "low"), nothing),
                )
                for case in part
            ]
            for part in parted
        ]

    def _explained(
        self, parted: Parted, dealt: NDArray[np.int64] | None = None
    ) -> list[list[tuple[Said, Said]]]:
        explainer = Explainer.of(
            self.corpus,
            statements_of(self.corpus),
            alpha=self.config.alpha,
            most=self.config.most_statements,
            dealt=dealt,
        )
        return [[explainer.both(case, near=self.config.near_misses) for case in part] for part in parted]

    def _calibrated(
        self, parted: Parted, said: Sequence[Sequence[tuple[Said, Said]]]
    ) -> list[list[Described]]:
        texts = {one.gist for part in said for two in part for summary in two for one in summary.sentences}
        if texts:
            self.corpus.encoder.encode(sorted(texts))  # all at once: it remembers them
        return [
            [Described(case, high, low, self._removal(high, low)) for case, (high, low) in zip(*both)]
            for both in zip(parted, said)
        ]

    def _removal(self, high: Said, low: Said) -> Calibrated:
        texts = [[one.gist for one in two.sentences] for two in (high, low)]
        vectors = [self.corpus.encoder.encode(one) if one else np.zeros((0, 1), np.float32) for one in texts]
        if self.config.deletion == "and-2024":
            return and_2024_deletion(vectors[0], vectors[1], self.config.threshold, texts[0], texts[1])
        return calibrate(vectors[0], vectors[1], self.config.threshold)

    def _shuffled(self, gists: list[list[str | None]]) -> NDArray[np.float64]:
        """Return the mean score of the explainer's own control, and note whether it is beaten."""
        corpus, config = self.corpus, self.config
        deals = donor_maps(corpus.groups[corpus.describing], config.shuffles, seed=config.seed)
        others = [self._gists_of_dealt(dealt) for dealt in deals]
        found = advantage(self.run, config, corpus, gists, others)
        self.notes |= {"advantage": vars(found), "beats_shuffled_captions": found.low > 0}
        scores = np.stack([pearson_of(self.run, config, corpus, one) for one in others])
        return np.asarray(np.nan_to_num(scores).mean(axis=0))

    def _gists_of_dealt(self, dealt: NDArray[np.int64]) -> list[list[str | None]]:
        parted = self.cases(self.corpus.vectors(self.corpus.describing)[dealt])
        said = self._explained(parted, dealt)
        return [[one.gist for one in part] for part in self._calibrated(parted, said)]


def _counts(described: Sequence[Described]) -> dict[str, Any]:
    return {
        "descriptions": len(described),
        "empty": sum(one.gist is None for one in described),
        "sentences": sum(len(one.high.sentences) for one in described),
        "removed": sum(int((~one.calibrated.kept).sum()) for one in described),
    }
