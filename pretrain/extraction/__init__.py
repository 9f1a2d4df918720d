"""From raw captions to the multi-aspect table of the published MAKE format.

An engine reads a caption (`rules` without any model, `server` with a language model), `reading` knows what a caption
really says, and `checks` holds every answer against it.
"""
