"""Figures for metadata: small pictures where a person would rather look than read.

Belongs here: drawing. Must not: computing what is drawn.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg

_COLOURS = ("#4c78a8", "#b8c4d6", "#e45756", "#72b7b2", "#f2cf5b")
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
    # not at the top: drawing is rare, importing takes half a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 2.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
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
    figure.legend(handles, labels, fontsize=7, loc="outside lower center", ncols=5, frameon=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    text = base64.b64encode(picture.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{text})")
