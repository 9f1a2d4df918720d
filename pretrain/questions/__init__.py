"""Questions and answers about pictures, generated from their captions only.

`facts` extracts what a caption states about its picture, and `look_alikes` what can be excluded. `rules` and `server`
are the engines that generate questions. `grounding` checks every question against the caption. `balance` selects closed
questions and options so that the text alone does not give the answer away. `table` and `conversations` write the files.
"""
