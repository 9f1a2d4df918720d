"""A language model behind an OpenAI-compatible endpoint: asked in a simple way, patiently, and never twice.

Such endpoints are what vLLM, Ollama, llama.cpp and most clouds offer.
"""

from zsderm.language_model.answers import Answers
from zsderm.language_model.client import Ask, endpoint
from zsderm.language_model.json_in_talk import json_object

__all__ = ["Answers", "Ask", "endpoint", "json_object"]
