"""Fine-tuning of vision-language models on questions and answers about photographs.

config         the settings of a run
conversations  what is trained with, and what is left out of it
encoding       a conversation as tokens, of which the answers are learned
model          the model that a run starts from, with its adapters
training       one run

The settings of pretrain/configs/skinvl.yaml are those published for SkinVL (arXiv 2505.06152). Letters: B conversations
at a time, L tokens, V words of the vocabulary.
"""
