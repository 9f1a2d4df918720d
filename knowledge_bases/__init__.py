"""Knowledge bases: data only, one folder each, with a SOURCES.md that says who wrote it, when, and the licence."""
