"""Writing a knowledge base: a folder with a base.json and one or two .jsonl files, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from zsderm.atomic_files import atomic_folder, is_new_or_empty
from zsderm.errors import InputError
from zsderm.knowledge import reported
from zsderm.knowledge.base import Disease, KnowledgeBase, KnowledgeCard
from zsderm.knowledge.library import CARD_FILE
from zsderm.knowledge.reported import Reports


def record_of(disease: Disease) -> dict[str, object]:
    """One line of a .jsonl file, as `Disease.from_record` reads it."""
    return {
        "name": disease.name,
        "aliases": list(disease.aliases),
        "ontology": list(disease.ontology),
        "sites": list(disease.sites),
        "concepts": list(disease.concepts),
        "descriptions": [
            {"aspect": d.aspect, "modality": d.modality, "shows": d.shows, "text": d.text, "source": d.source}
            for d in disease.descriptions
        ],
    }


def write_base(
    folder: Path,
    card: KnowledgeCard,
    diseases: Iterable[Disease],
    notes: Mapping[str, str],
    reports: Reports | None = None,
) -> None:
    """Write a base where there is none yet. The draft is loaded before it gets there: what cannot be is not written.

    Args:
        folder: the folder to make.
        card: what base.json says.
        diseases: one line each, in this order.
        notes: more keys for base.json, such as the review status.
        reports: what patients report, by canonical name.

    Raises:
        InputError: if the folder exists and holds something, so that nothing of the user's is lost; or if the base
            could not be loaded, with the reason.
        SettingsError: if the place cannot be written.
    """
    if not is_new_or_empty(folder):
        raise InputError(f"expected {str(folder)!r} to be new or empty, but it is not. Choose another --output.")
    with atomic_folder(folder) as draft:
        content = {**asdict(card), **notes}
        (draft / CARD_FILE).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        lines = [json.dumps(record_of(disease), ensure_ascii=False) for disease in diseases]
        file = f"{folder.resolve().name}.jsonl"
        (draft / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        if reports:
            lines = [json.dumps(reported.record_of(*item), ensure_ascii=False) for item in reports.items()]
            (draft / reported.FOLDER).mkdir()
            (draft / reported.FOLDER / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
        _ = KnowledgeBase.load(draft).reported
