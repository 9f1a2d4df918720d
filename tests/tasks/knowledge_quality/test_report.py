from __future__ import annotations

from zsderm.knowledge import Description
from zsderm.tasks.knowledge_quality.report import LongText, NearDuplicate, QualityReport, Readability, Specificity

ONE = Description("a grey | white dome", "wart", "colour", "clinical", "me")
OTHER = Description("a white | grey dome", "corn", "colour", "clinical", "me")


def report(**fields: object) -> QualityReport:
    values = {
        "base": "mine",
        "version": "1.0",
        "checksum": "0123",
        "encoder": "tiny (4567)",
        "diseases": 4,
        "aspects": {"colour": 7, "evolution": 2},
        "modalities": {"clinical": 9},
        "per_disease": (1, 4.5, 8),
        "readability": Readability(15.04, 1.5, 0.021, 64.67),
        "near_duplicates": (),
        "specificities": (Specificity("wart", 0.0, 2), Specificity("corn", 0.5, 1)),
        "long_texts": (),
    }
    return QualityReport(**{**values, **fields})


def test_the_page_says_what_was_measured() -> None:
    page = report().to_markdown()
    for line in (
        "# Quality of the knowledge base mine",
        "Version 1.0, checksum 0123, measured with tiny (4567).",
        "9 in all; per disease at least 1, median 4.5, at most 8.",
        "| colour | 7 |",
        "| words of more than 12 letters | 2.1% |",
        "| Flesch reading ease (1948) | 64.7 |",
        "Mean share 25.0%, by chance 25.0%;",
        "median rank 1.5 of 4; rank 1 for 1 of 2 diseases.",
        "| wart | 0% | 2 |",
    ):
        assert line in page.splitlines()
    assert page.count(": none.") == 2


def test_rows_have_as_many_cells_as_their_head_whatever_the_text_holds() -> None:
    page = report(near_duplicates=(NearDuplicate(0.98, ONE, OTHER),), long_texts=(LongText(80, ONE),)).to_markdown()
    assert "| 0.980 | wart | a grey \\| white dome | corn | a white \\| grey dome |" in page
    assert "| 80 | wart | a grey \\| white dome |" in page


def test_a_long_list_says_how_many_more_there_are() -> None:
    page = report(long_texts=tuple(LongText(80, ONE) for _ in range(53))).to_markdown()
    assert "CLIP reads: 53." in page
    assert page.count("| 80 |") == 50
    assert "\nand 3 more\n" in page
