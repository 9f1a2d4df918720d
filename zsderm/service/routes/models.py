"""The available encoders, and the one that the service uses."""

from __future__ import annotations

from fastapi import APIRouter

from zsderm.encoders import catalogue
from zsderm.encoders.base import EncoderCard
from zsderm.service.knowledge_schemas import ModelCard
from zsderm.service.routes.asked import Running

router = APIRouter(prefix="/v1", tags=["models"])


@router.get("/models", operation_id="models", summary="The loaded model, and other models")
def models(service: Running) -> list[ModelCard]:
    """The loaded model comes first. To use another model, start the service with it."""
    own = service.engine.encoder.card
    others = [card for card in catalogue.cards() if card.name != own.name]
    return [_card(own, True), *(_card(card, False) for card in others)]


def _card(card: EncoderCard, loaded: bool) -> ModelCard:
    return ModelCard(
        name=card.name,
        loaded=loaded,
        width=card.width,
        image_size=card.image_size,
        licence=card.licence,
        description=card.description,
        views=card.views,
    )
