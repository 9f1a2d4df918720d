"""The tables and the plot of the experiment `narratives`, out of its figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from zsderm.benchmarks.figures import BLUE, GREY, ORANGE, STYLE
from zsderm.benchmarks.table import Points

WAYS = {
    "image": "image alone",
    "words": "words alone",
    "both": "both",
    "another story": "both, story of another diagnosis",
    "empty story": "both, empty story",
    "no unknown": "both, no word of what is not known",
    "no age": "both, the age left out",
    "age alone": "both, the age alone",
}
SETS = {
    "dev": "dev, zsderm-mini",
    "train, unseen": "train, regression on an encoder that never saw the set",
    "train, stand-in": "train, regression on zsderm-mini with noise",
}
FEW = 10  # photographs; of fewer there is no interval
COMMAND = "Written by `python -m zsderm.benchmarks.experiments.narratives`"


def tables(content: Mapping[str, Any]) -> dict[str, str]:
    """The parts of the page by their marks."""
    return {
        "words beside photographs": _ways(content),
        "known answers": _known(content),
        "written stories": _written(content["written"]),
    }


def _ways(content: Mapping[str, Any]) -> str:
    lines = [
        f"{COMMAND}: percent, and the mean log-likelihood. Stories were drawn {content['draws']['dev']} times for dev, "
        f"{content['draws']['train']} times for train. Differences are to image alone, with 95 % intervals over "
        "patients.\n"
    ]
    for name in filter(content["sets"].__contains__, SETS):
        found = content["sets"][name]
        lines += [
            f"| {SETS[name]}: {found['images']} photographs, {found['patients']} patients | accuracy | balanced | "
            "top 3 | log-likelihood | calibration error | accuracy, difference | balanced, difference | "
            "log-likelihood, difference |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for way, row in found["ways"].items():
            cells = [_percent(row[key]) for key in ("accuracy", "balanced", "top3")]
            cells += [f"{row['log_likelihood']['value']:.3f}", _percent(row["calibration_error"])]
            if way == "empty story" and found["unchanged by an empty story"]:
                cells += ["none: the same rows", "", ""]
            else:
                cells += _gains(found["against image"].get(way))
            lines.append(f"| {WAYS[way]} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines).strip()


def _gains(gain: Mapping[str, Any] | None) -> list[str]:
    if gain is None:  # image alone
        return ["", "", ""]
    likely = gain["log_likelihood"]
    return [
        str(Points.of(gain["accuracy"])),
        str(Points.of(gain["balanced"])),
        f"{likely['value']:+.3f} ({likely['low']:+.3f} to {likely['high']:+.3f})",
    ]


def _known(content: Mapping[str, Any]) -> str:
    train = next(name for name in ("train, unseen", "train, stand-in") if name in content["sets"])
    sets = {"dev": "dev", train: train.partition(",")[0]}
    rows = {name: {row["name"]: row for row in content["sets"][name]["known"]} for name in sets}
    names = max(rows.values(), key=len)
    head = [f"{short}: photographs | image → both | difference" for short in sets.values()]
    lines = [f"| answers | {' | '.join(head)} |", "|---" * (1 + 3 * len(sets)) + "|"]
    for group in names:
        if all(found.get(group, {"images": 0})["images"] < FEW for found in rows.values()):
            continue
        cells = []
        for found in rows.values():
            row = found.get(group)
            cells += ["0", "", ""] if row is None else [str(row["images"]), _before_after(row), _few(row)]
        lines.append(f"| {group} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _before_after(row: Mapping[str, Any]) -> str:
    return f"{100 * row['image']:.1f} → {100 * row['both']:.1f}"


def _few(row: Mapping[str, Any]) -> str:
    """No interval of a handful."""
    gain = row["gain"]["accuracy"]
    return str(Points.of(gain)) if row["images"] >= FEW else f"{100 * gain['value']:+.1f}"


def _written(content: Mapping[str, Any]) -> str:
    lines = [
        "| written stories | words alone | among the first three | image right for 80 % | both | difference |",
        "|---|---|---|---|---|---|",
    ]
    for split, row in content.items():
        cells = [_spread(row["words"]["accuracy"]), _percent(row["words"]["top3"]), _percent(row["image"]["accuracy"])]
        cells += [_percent(row["both"]["accuracy"]), str(Points.of(row["gain"]))]
        lines.append(f"| {split} ({row['stories']}) | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _percent(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['value']:.1f}"


def _spread(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"


@rc_context(STYLE)
def picture(content: Mapping[str, Any], name: str = "dev") -> Figure:
    """Where words helped and where they misled: answers by true class, and the probability of the truth."""
    found = content["sets"][name]
    figure = Figure(figsize=(9.6, 4.3), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    _bars(left, found["classes"])
    _points(right, found["truth"])
    own = Line2D([], [], marker="s", linestyle="none", color=GREY, label="own story")
    other = Line2D(
        [], [], marker="s", linestyle="none", color=GREY, markerfacecolor="white", label="another diagnosis's story"
    )
    figure.legend(handles=[own, other], frameon=False, fontsize=8, ncols=2, loc="outside lower left")
    draws = content["draws"][name.partition(",")[0]]
    title = f"PAD-UFES-20, {SETS[name]}: {found['images']} photographs, mean over {draws} drawings of the stories"
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def _bars(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Answers put right to the right, put wrong to the left: by the own story, and by one of another diagnosis."""
    places = np.arange(len(rows))[::-1]
    for way, shift, hatch in (("both", 0.19, ""), ("another story", -0.19, "////")):
        for key, sign, colour in (("put right", 1, BLUE), ("put wrong", -1, ORANGE)):
            values = np.array([row[way][key] for row in rows])
            face = "white" if hatch else colour
            axes.barh(places + shift, sign * values, 0.34, color=face, edgecolor=colour, hatch=hatch, linewidth=1)
            for place, value in zip(places + shift, values, strict=True):
                if value:
                    axes.text(
                        sign * (value + 0.08), place, f"{value:.1f}", va="center", fontsize=8,
                        ha="left" if sign > 0 else "right",
                    )  # fmt: skip
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(places, [f"{row['label']}\n{row['image']} of {row['images']} right by image" for row in rows])
    widest = max(row[way][key] for row in rows for way in ("both", "another story") for key in row[way])
    axes.set_xlim(-widest - 1, widest + 1)
    axes.set_xticks(axes.get_xticks(), [f"{abs(tick):g}" for tick in axes.get_xticks()])
    axes.set_xlim(-widest - 1, widest + 1)
    axes.set_xlabel("← put wrong      photographs      put right →")
    axes.set_title("Answers that words changed, by true class", loc="left")


def _points(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """The probability of the true class before and after the words, one point a photograph."""
    before = np.array([row["before"] for row in rows])
    after = np.array([row["after"] for row in rows])
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for members, colour, marker, text in (
        (after > before, BLUE, "o", "more likely"),
        (after <= before, ORANGE, "v", "less likely"),
    ):
        label = f"{text}: {int(members.sum())} photographs"
        axes.scatter(before[members], after[members], s=22, color=colour, marker=marker, alpha=0.7, lw=0, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="by image alone", ylabel="by image and words", aspect="equal")
    axes.set_title("Probability of the true class", loc="left")
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
