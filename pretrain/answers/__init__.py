"""Fine-tuning of vision-language models on questions and answers about photographs.

config         the settings of a run
conversations  the training conversations, and those that are left out
encoding       the tokens of a conversation, with labels for the answers only
model          the base model of a run, with its adapters
training       one run

The settings of pretrain/configs/skinvl.yaml are those published for SkinVL (arXiv 2505.06152). Letters: B conversations
at a time, L tokens, V words of the vocabulary.
"""
