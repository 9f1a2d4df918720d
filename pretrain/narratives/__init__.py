"""Training on patients' stories: Chain of Options.

config    the settings of a run
rows      stories out of a table, and which of them are trained with
chain     options for each story: lists that shrink, look-alikes in them, and lists without the answer
model     the language model that a run starts from
training  one run

The idea is that of arXiv 2411.13855, whose code, model and settings are not public; the reading of it is ours.
"""
