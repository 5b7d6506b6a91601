"""View models of class-selective neurons: tasks, classes, their neurons, and what classes share, as frozen data.

Like :mod:`otoscope.report.views` they are shown by templates and figures alike; missing numbers are None.
"""

from __future__ import annotations

from dataclasses import dataclass

from otoscope.report.charts import Chart


@dataclass(frozen=True)
class SelectiveNeuron:
    """A neuron of a class.

    Attributes
    ----------
    layer : str
    index : int
    effect, p : float or None
        In the selector's unit; corrected for the choice among the classes.
    classes : tuple of str
        All classes that it belongs to.
    """

    layer: str
    index: int
    effect: float | None
    p: float | None
    classes: tuple[str, ...]


@dataclass(frozen=True)
class ClassView:
    """A class and its neurons.

    Attributes
    ----------
    name : str
    n_clips, n_groups, n_neurons : int
    chance_n_neurons : float or None
        Mean under permuted labels.
    neurons : tuple of SelectiveNeuron
        The strongest, at most as many as are shown.
    """

    name: str
    n_clips: int
    n_groups: int
    n_neurons: int
    chance_n_neurons: float | None
    neurons: tuple[SelectiveNeuron, ...]


@dataclass(frozen=True)
class TaskView:
    """One task of the selection that the page is about.

    Attributes
    ----------
    task, method, rule, unit, exchanged : str
    n_clips, n_groups, n_classes, n_neurons, n_selected, n_pairs : int
    coverage : float
    mean_per_class, median_per_class, classes_per_neuron, stability : float or None
    min_per_class, max_per_class : int
    chance_n_selected, chance_coverage, p_n_pairs, p_coverage, attainable_p : float or None
    testable : bool
    part : str
        Folds and splits that were selected on, in words; empty for all clips.
    carrier : {"clip", "event"}
        What carries the labels.
    classes : tuple of ClassView
    charts : tuple of Chart
        Neurons per layer, and per class.
    thresholds : tuple of (str, float or None)
        Every number that decided.
    """

    task: str
    method: str
    rule: str
    unit: str
    exchanged: str
    n_clips: int
    n_groups: int
    n_classes: int
    n_neurons: int
    n_selected: int
    n_pairs: int
    coverage: float
    mean_per_class: float | None
    median_per_class: float | None
    min_per_class: int
    max_per_class: int
    classes_per_neuron: float | None
    stability: float | None
    chance_n_selected: float | None
    chance_coverage: float | None
    p_n_pairs: float | None
    p_coverage: float | None
    attainable_p: float | None
    testable: bool
    part: str
    carrier: str
    classes: tuple[ClassView, ...]
    charts: tuple[Chart, ...]
    thresholds: tuple[tuple[str, float | None], ...]


@dataclass(frozen=True)
class HeatMap:
    """Jaccard indices of classes, ordered so that alike ones stand side by side.

    Attributes
    ----------
    name : str
        Of its file.
    title, note : str
    row_task, column_task : str
    rows, columns : tuple of str
        Classes, with their number of neurons.
    values : tuple of tuple of float or None
        Jaccard; None on a task's own diagonal.
    marks : tuple of tuple of str
        ``+`` where more is shared than under the null (q <= alpha), ``-`` where less is, else empty.
    notes : tuple of tuple of str
        What a reader wants to know of the cell: shared, expected, p.
    highest : float
        Upper end of the scale, above 0.
    facts : tuple of str
        Which selections were compared under which null, and the answer to each contrast.
    """

    name: str
    title: str
    note: str
    row_task: str
    column_task: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    marks: tuple[tuple[str, ...], ...]
    notes: tuple[tuple[str, ...], ...]
    highest: float
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class SelectionLine:
    """One task of any selection of the run, in one line."""

    selection: str
    task: str
    part: str
    rule: str
    n_selected: int
    coverage: float
    mean_per_class: float | None
    chance_n_selected: float | None
    chance_coverage: float | None
    stability: float | None


@dataclass(frozen=True)
class ClassesView:
    """The page of class-selective neurons; without tasks there is no such page.

    Attributes
    ----------
    selection : str
        Name of the selection that the tasks are of.
    tasks : tuple of TaskView
    others : tuple of SelectionLine
        Every selection of the run.
    heat_maps : tuple of HeatMap
    effect : str
        What the selector's effect is called.
    """

    selection: str = ""
    tasks: tuple[TaskView, ...] = ()
    others: tuple[SelectionLine, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    effect: str = "effect"
