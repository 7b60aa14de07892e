"""Figures for metadata: small pictures where a person would rather look than read.

Belongs here: drawing. Must not: computing what is drawn.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#4c78a8", "#b8c4d6", "#e45756", "#72b7b2", "#f2cf5b")
BEST_TO_WORST = ("#3f9b78", "#a9d08e", "#f2b447", "#d9534f", "#9aa0a6")
"""Colours of grades, and of what is unknown."""
_LINE = "#2f2f2f"


def days_figure(
    title: str,
    days: Sequence[date],
    bars: Mapping[str, Sequence[int]],
    line: tuple[str, Sequence[float | None]] | None = None,
) -> dg.MarkdownMetadataValue:
    """Return stacked bars by day, with a share from 0 to 1 as a line over them, as Markdown.

    `bars` and `line` hold one value per day; None leaves a gap in the line.
    """
    figure = _figure()
    axes = figure.add_subplot()
    positions = list(range(len(days)))
    floor = [0] * len(days)
    for (name, values), colour in zip(bars.items(), _COLOURS, strict=False):
        axes.bar(positions, values, bottom=floor, width=0.85, color=colour, label=name)
        floor = [low + value for low, value in zip(floor, values, strict=True)]
    step = max(1, len(days) // 8)
    axes.set_xticks(positions[::step], [f"{day:%m-%d}" for day in days[::step]], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    handles, labels = axes.get_legend_handles_labels()
    if line:
        shares = axes.twinx()
        gaps = [float("nan") if value is None else value for value in line[1]]
        shares.plot(positions, gaps, color=_LINE, linewidth=1.2, label=line[0])
        shares.set_ylim(0, 1)
        shares.tick_params(axis="y", labelsize=8)
        shares.spines[["top"]].set_visible(False)
        handles += shares.get_legend_handles_labels()[0]
        labels += shares.get_legend_handles_labels()[1]
    _legend(figure, handles, labels)
    return _picture(figure, title)


def shares_figure(
    title: str,
    labels: Sequence[str],
    bars: Mapping[str, Sequence[int]],
    colours: Sequence[str] = _COLOURS,
) -> dg.MarkdownMetadataValue:
    """Return one stacked bar per label as Markdown.

    Labels in a script that perhaps no font at hand can draw are numbered, and told below.
    """
    figure = _figure()
    axes = figure.add_subplot()
    is_drawn = all(label.isascii() for label in labels)
    positions = [label if is_drawn else str(n) for n, label in enumerate(labels, start=1)]
    floor = [0] * len(labels)
    for (name, values), colour in zip(bars.items(), colours, strict=False):
        axes.bar(positions, values, bottom=floor, color=colour, label=name)
        floor = [low + value for low, value in zip(floor, values, strict=True)]
    _plain(axes, title)
    _legend(figure, *axes.get_legend_handles_labels())
    if is_drawn:
        return _picture(figure, title)
    told = "、".join(f"{n} {label}" for n, label in zip(positions, labels, strict=True))
    return _picture(figure, title, told)


def intervals_figure(
    title: str,
    labels: Sequence[str],
    lines: Mapping[str, Sequence[float]],
    intervals: Mapping[str, Sequence[tuple[float, float, float]]],
) -> dg.MarkdownMetadataValue:
    """Return lines over the labels, with intervals (low, middle, high) beside them, as Markdown.

    NaN leaves a gap; an interval without a middle is a bar alone.
    """
    figure = _figure()
    axes = figure.add_subplot()
    colours = _COLOURS[::2]
    for (name, values), colour in zip(lines.items(), colours, strict=False):
        axes.plot(range(len(labels)), values, ".-", color=colour, linewidth=1.2, label=name)
    for (name, spans), colour in zip(intervals.items(), colours, strict=False):
        places = [place + 0.1 for place in range(len(labels))]
        lows, middles, highs = zip(*spans, strict=True)
        axes.vlines(places, lows, highs, color=colour, linewidth=2.5, alpha=0.5, label=name)
        axes.plot(places, middles, "D", color=colour, markersize=4)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(bottom=0)
    _plain(axes, title)
    _legend(figure, *axes.get_legend_handles_labels())
    return _picture(figure, title)


def grid_figure(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    shares: Sequence[Sequence[float | None]],
) -> dg.MarkdownMetadataValue:
    """Return shares from 0 to 1 as a grid, told and coloured, as Markdown; None leaves a dash."""
    figure = _figure()
    axes = figure.add_subplot()
    shades = [[float("nan") if share is None else share for share in row] for row in shares]
    axes.imshow(shades, vmin=0, vmax=1, cmap="RdYlGn", alpha=0.6, aspect="auto")
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            said = "–" if share is None else f"{share:.1%}"
            axes.text(x, y, said, ha="center", va="center", fontsize=8, color=_LINE)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    _plain(axes, title)
    return _picture(figure, title)


def _figure() -> "Figure":
    # not at the top: drawing is rare, importing takes half a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: "Axes", title: str) -> None:
    axes.tick_params(labelsize=8)
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _legend(figure: "Figure", handles: Sequence[Any], labels: Sequence[Any]) -> None:
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=5, frameon=False)


def _picture(figure: "Figure", title: str, below: str = "") -> dg.MarkdownMetadataValue:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    text = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{text})\n\n{below}".rstrip())
