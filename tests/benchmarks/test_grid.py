from __future__ import annotations

from zsderm.benchmarks.grid import METHODS, Run, grid
from zsderm.config import METHODS as KNOWN


def test_every_method_of_the_library_has_a_place_between_the_plainest_and_the_whole_one() -> None:
    assert set(METHODS) >= set(KNOWN)


def test_a_method_without_a_prior_is_not_repeated_for_each_prior_nor_one_without_k_for_each_k() -> None:
    runs = grid(["m"], METHODS, priors=["auto", "uniform"], ks=[5, 10])
    assert [run.variant for run in runs] == [
        "class-name",
        "templates",
        "descriptions",
        "knowledge, k = 5",
        "knowledge, k = 10",
        "kpl, k = 5",
        "kpl, prior uniform, k = 5",
        "kpl, k = 10",
        "kpl, prior uniform, k = 10",
    ]


def test_methods_without_descriptions_are_not_repeated_for_unseen_wording() -> None:
    runs = grid(["m"], ["templates", "descriptions"], wordings=["all", "unseen"])
    assert [run.variant for run in runs] == ["templates", "descriptions", "descriptions, unseen wording"]


def test_the_name_of_the_files_says_what_sets_a_run_apart_in_letters_that_every_disk_takes() -> None:
    run = Run("hf-hub:xieji-x/MAKE", "kpl", prior="uniform", k=5, retrieval="image")
    assert run.stem("PAD dev") == "pad-dev--xieji-x-make--kpl-prior-uniform-k5-image-retrieval"
    assert Run("local-dir:/home/me/runs/mini/encoder", "kpl").encoder == "mini/encoder"
    assert Run("ViT-B-32/openai", "kpl").encoder == "ViT-B-32/openai"


def test_names_are_part_of_the_grid_and_of_the_name_of_the_files() -> None:
    runs = grid(["m"], ["class-name"], names=["known", "typed"])
    assert [run.variant for run in runs] == ["class-name", "class-name, names typed"]
    assert runs[1].stem("PAD dev") == "pad-dev--m--class-name-names-typed"


def test_views_are_part_of_the_grid_and_of_the_name_of_the_files() -> None:
    runs = grid(["m"], ["class-name", "templates"], views=[1, 4])
    assert [run.variant for run in runs] == [
        "class-name, 1 view",
        "templates, 1 view",
        "class-name, 4 views",
        "templates, 4 views",
    ]
    assert runs[2].stem("PAD dev") == "pad-dev--m--class-name-4-views"
    assert [run.variant for run in grid(["m"], ["class-name"])] == ["class-name"]  # as the encoder's card says
