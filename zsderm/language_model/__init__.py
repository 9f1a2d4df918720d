"""A language model behind an OpenAI-compatible endpoint: asked in a simple way, patiently, and never twice.

Such endpoints are what vLLM, Ollama, llama.cpp and most clouds offer.
"""

from zsderm.language_model.address import Address
from zsderm.language_model.answers import Answers
from zsderm.language_model.client import Ask, Messages, conversation, endpoint
from zsderm.language_model.json_in_talk import json_object, spoken

__all__ = ["Address", "Answers", "Ask", "Messages", "conversation", "endpoint", "json_object", "spoken"]
