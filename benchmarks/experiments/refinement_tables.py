"""What judges of refinements made of reserved folders, as figures and as Markdown.

Outcomes are tables with one row a folder: "kind", "away", "refined", "gain" and "balanced gain" in points, and "bound",
the most that the folder may lose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

SCOPES = {
    "away": "Real folders of sources that the encoder has never seen",
    "home": "Real folders of sources that the encoder knows",
    "synthetic": "Synthetic folders",
}
ORACLE = "oracle"  # how the names of outcomes that know the labels begin
_SLACK = 1e-9


def scopes(outcome: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The folders of each scope that there are any of."""
    real, away = outcome["kind"] == "real", outcome["away"].astype(bool)
    for name, which in zip(SCOPES, (real & away, real & ~away, ~real), strict=True):
        if which.any():
            yield name, outcome[which]


def summary(outcome: pd.DataFrame) -> dict[str, float]:
    """How many folders, what share was refined, gains in points, and harm."""
    gains = outcome["gain"].astype(float).sort_values()
    return {
        "folders": len(gains),
        "refined": 100 * float(outcome["refined"].astype(bool).mean()),
        "gain": float(gains.mean()),
        "balanced gain": float(outcome["balanced gain"].mean()),
        "worst": float(gains.iloc[0]),
        "worst tenth": float(gains.iloc[: max(1, len(gains) // 10)].mean()),
        "lose more than the bound": int((outcome["gain"] < -outcome["bound"] - _SLACK).sum()),
    }


def figures(outcome: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The summary of each scope."""
    return {name: summary(part) for name, part in scopes(outcome)}


def overview(outcomes: Mapping[str, pd.DataFrame]) -> str:
    """One table for each scope, one row for each judge."""
    found = {name: figures(outcome) for name, outcome in outcomes.items()}
    tables = []
    for scope, words in SCOPES.items():
        own = {name: parts[scope] for name, parts in found.items() if scope in parts}
        if not own:
            continue
        folders = next(iter(own.values()))["folders"]
        lines = [
            f"{words} ({folders:.0f} reserved folders):\n",
            "| judge | refined | accuracy / balanced: mean change | worst | mean of the worst tenth "
            "| folders that lose more than the bound |\n|---|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {name} | {one['refined']:.0f} % | {one['gain']:+.1f} / {one['balanced gain']:+.1f} "
            f"| {one['worst']:+.1f} | {one['worst tenth']:+.1f} | {one['lose more than the bound']:.0f} |"
            for name, one in own.items()
        ]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def in_full(outcomes: Mapping[str, pd.DataFrame]) -> str:
    """One row for each judge: its mean changes in every scope, and its harm in all of them together."""
    lines = [
        "| candidate or evidence: judge |" + "".join(f" {scope} |" for scope in SCOPES) + " refined | worst | lose |",
        "|---|" + "--:|" * (len(SCOPES) + 3),
    ]
    for name, outcome in outcomes.items():
        if outcome.empty:
            continue
        parts, whole = figures(outcome), summary(outcome)
        cells = [
            f"{parts[scope]['gain']:+.1f} / {parts[scope]['balanced gain']:+.1f}" if scope in parts else ""
            for scope in SCOPES
        ]
        lines.append(
            f"| {name} | {' | '.join(cells)} | {whole['refined']:.0f} % | {whole['worst']:+.1f} "
            f"| {whole['lose more than the bound']:.0f} |"
        )
    return "\n".join(lines)


def grouped(outcomes: Mapping[str, pd.DataFrame], column: str) -> str:
    """One row for each candidate and value of a column: real folders, mean changes, the worst, and how many lose."""
    known = [scope for scope in SCOPES if scope != "synthetic"]
    lines = [
        f"| candidate | {column} |" + "".join(f" {scope}: folders | mean | worst | lose |" for scope in known),
        "|---|---|" + "--:|" * (4 * len(known)),
    ]
    for name, parts in figures_by(outcomes, column).items():
        for value, found in parts.items():
            cells = [_harm(found[scope]) if scope in found else " |  |  | " for scope in known]
            lines.append(f"| {name} | {value} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figures_by(outcomes: Mapping[str, pd.DataFrame], column: str) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """The figures of each outcome for each value of a column, in the order in which these come."""
    return {
        name: {str(value): figures(own) for value, own in outcome.groupby(column, sort=False)}
        for name, outcome in outcomes.items()
    }


def _harm(one: Mapping[str, float]) -> str:
    return (
        f"{one['folders']:.0f} | {one['gain']:+.1f} / {one['balanced gain']:+.1f} | {one['worst']:+.1f} "
        f"| {one['lose more than the bound']:.0f}"
    )


def listed(rules: Mapping[str, str]) -> str:
    """One line for each kind of judge: what it asks for."""
    return "\n".join(f"- {name}: {rule}." for name, rule in rules.items())


def verdict(outcomes: Mapping[str, pd.DataFrame]) -> str:
    """Which judges keep the bound on all reserved folders, and what the best of them gains away from home."""
    judges = {name: one for name, one in outcomes.items() if not name.startswith(ORACLE)}
    safe = {name: one for name, one in judges.items() if summary(one)["lose more than the bound"] == 0}
    count = max(len(one) for one in outcomes.values())
    words = f"Of {len(judges)} ways to decide, {len(safe)} keep the bound on all {count} reserved folders"
    if not safe:
        return f"{words}."
    name, best = max(safe.items(), key=lambda item: [one["gain"] for one in figures(item[1]).values()])  # away first
    text = [f"{words}: {', '.join(safe)}."]
    reach = [figures(one) for key, one in outcomes.items() if key.startswith(ORACLE)]
    for scope, one in figures(best).items():
        could = f", where the best candidate of each folder gains {reach[0][scope]['gain']:+.1f}" if reach else ""
        text.append(
            f"{'The best of these away from home, ' + repr(name) + ',' if scope == 'away' else 'It'} changes accuracy "
            f"by {one['gain']:+.2f} points and balanced accuracy by {one['balanced gain']:+.2f} on average in the "
            f"{one['folders']:.0f} folders {_where(scope)}{could}."
        )
    return " ".join(text)


def _where(scope: str) -> str:
    return {"away": "away from home", "home": "at home", "synthetic": "of synthetic images"}[scope]
