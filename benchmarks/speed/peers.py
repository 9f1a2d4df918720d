"""How others embed a folder: the loop of open_clip's README, open_clip behind a DataLoader, and transformers' pipeline.

Each contender is given the same checkpoint folder and gives (N, D) unit rows, or (N, C) probabilities where that is all
it gives away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file
from torch.utils.data import DataLoader, Dataset

from zsderm.encoders.colour_constancy import PLAIN, norm_of, shades_of_grey

PREPROCESSING = {
    "mean": list(open_clip.OPENAI_DATASET_MEAN),
    "std": list(open_clip.OPENAI_DATASET_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def random_checkpoint(folder: Path, architecture: str | Mapping[str, Any], seed: int = 0) -> Path:
    """Write a checkpoint with random weights in open_clip's format.

    Args:
        folder: to write into.
        architecture: of a CLIP, as "ViT-B-16", or its model_cfg.
        seed: of the weights.
    """
    torch.manual_seed(seed)
    model_cfg = open_clip.get_model_config(architecture) if isinstance(architecture, str) else dict(architecture)
    model = open_clip.model.CLIP(**model_cfg)
    config = {"model_cfg": model_cfg, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / "model.safetensors")
    return folder


class OpenClip:
    """open_clip as its README shows it, on any device.

    Args:
        folder: a checkpoint.
        device: of the model.
        half: whether images are encoded under autocast to bfloat16.
        mode: colours that the encoder expects, which open_clip does not know; see zsderm.encoders.colour_constancy.
    """

    def __init__(self, folder: Path, device: str | torch.device = "cpu", half: bool = False, mode: str = PLAIN) -> None:
        self.model, _, self.preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}", device=device)
        if norm := norm_of(mode):
            self.preprocess.transforms.insert(-2, partial(shades_of_grey, norm=norm))  # before it becomes a tensor
        self.model.eval()
        self.device = torch.device(device)
        self.half = half

    def loop(self, paths: Sequence[Path]) -> torch.Tensor:
        """One image after the other; (N, D) unit rows."""
        rows = []
        with torch.no_grad():
            for path in paths:
                features = self.model.encode_image(self.preprocess(Image.open(path)).unsqueeze(0))
                rows.append(features / features.norm(dim=-1, keepdim=True))
        return torch.cat(rows)

    def loader(self, paths: Sequence[Path], batch_size: int = 32, workers: int = 2) -> torch.Tensor:
        """In batches, decoded by worker processes; (N, D) unit rows."""
        return self.embed(self.batches(paths, batch_size, workers))

    def batches(self, paths: Sequence[Path], batch_size: int, workers: int) -> DataLoader:
        """Batches of pixels from worker processes, which stay for a second round; in pinned memory for a GPU."""
        opened = _Opened(paths, self.preprocess)
        pinned = self.device.type == "cuda"
        return DataLoader(opened, batch_size, num_workers=workers, pin_memory=pinned, persistent_workers=workers > 0)

    def embed(self, batches: Iterable[torch.Tensor]) -> torch.Tensor:
        """(N, D) unit rows on the CPU; a batch (B, 3, H, W) is copied while the one before is encoded."""
        kind = torch.autocast(self.device.type, torch.bfloat16, enabled=self.half)
        with torch.no_grad(), kind:
            rows = [
                self.model.encode_image(batch.to(self.device, non_blocking=True), normalize=True) for batch in batches
            ]
        return torch.cat(rows).float().cpu()


class _Opened(Dataset):
    def __init__(self, paths: Sequence[Path], preprocess: Any) -> None:
        self.paths, self.preprocess = paths, preprocess

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.preprocess(Image.open(self.paths[index]))


class Pipeline:
    """transformers' zero-shot image classification, with the weights of an open_clip checkpoint."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer, pipeline

        source = open_clip.create_model(f"local-dir:{folder}")
        self.model = CLIPModel(_clip_config(source)).eval()
        self.model.load_state_dict(_clip_state(source), strict=False)
        tokenizer = CLIPTokenizer(*_vocabulary(scratch))
        self.run = pipeline(
            "zero-shot-image-classification",
            model=self.model,
            tokenizer=tokenizer,
            image_processor=CLIPImageProcessor(),
        )

    def classify(self, paths: Sequence[Path], classes: Sequence[str]) -> torch.Tensor:
        """(N, C) probabilities, classes in the order given."""
        answers = self.run([str(path) for path in paths], candidate_labels=list(classes))
        scores = [{answer["label"]: answer["score"] for answer in row} for row in answers]
        return torch.tensor([[row[name] for name in classes] for row in scores])


def _clip_config(source: Any) -> Any:
    """The shapes of an open_clip CLIP, as transformers writes them."""
    from transformers import CLIPConfig

    eyes, words = source.visual, source.transformer
    vision = {
        "hidden_size": eyes.conv1.out_channels,
        "intermediate_size": eyes.transformer.resblocks[0].mlp.c_fc.out_features,
        "num_hidden_layers": len(eyes.transformer.resblocks),
        "num_attention_heads": eyes.transformer.resblocks[0].attn.num_heads,
        "image_size": eyes.image_size[0],
        "patch_size": eyes.patch_size[0],
        "hidden_act": "gelu",
    }
    text = {
        "hidden_size": words.width,
        "intermediate_size": words.resblocks[0].mlp.c_fc.out_features,
        "num_hidden_layers": len(words.resblocks),
        "num_attention_heads": words.resblocks[0].attn.num_heads,
        "max_position_embeddings": source.positional_embedding.shape[0],
        "vocab_size": source.vocab_size,
        "hidden_act": "gelu",
        "bos_token_id": 49406,
        "eos_token_id": 49407,
    }
    return CLIPConfig(vision_config=vision, text_config=text, projection_dim=source.text_projection.shape[1])


def _clip_state(source: Any) -> dict[str, torch.Tensor]:
    """The weights of an open_clip CLIP under transformers' names."""
    state = source.state_dict()
    renamed = {
        "logit_scale": state["logit_scale"],
        "visual_projection.weight": state["visual.proj"].T,
        "text_projection.weight": state["text_projection"].T,
        "vision_model.embeddings.class_embedding": state["visual.class_embedding"],
        "vision_model.embeddings.patch_embedding.weight": state["visual.conv1.weight"],
        "vision_model.embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "text_model.embeddings.token_embedding.weight": state["token_embedding.weight"],
        "text_model.embeddings.position_embedding.weight": state["positional_embedding"],
    }
    for end in ("weight", "bias"):
        renamed[f"vision_model.pre_layrnorm.{end}"] = state[f"visual.ln_pre.{end}"]
        renamed[f"vision_model.post_layernorm.{end}"] = state[f"visual.ln_post.{end}"]
        renamed[f"text_model.final_layer_norm.{end}"] = state[f"ln_final.{end}"]
    for name, tensor in state.items():
        if ".resblocks." in name:
            tower = "vision_model" if name.startswith("visual") else "text_model"
            number, part = name.split(".resblocks.")[1].split(".", 1)
            renamed |= _layer(f"{tower}.encoder.layers.{number}", part, tensor)
    return renamed


def _layer(prefix: str, part: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """One tensor of a transformer layer under transformers' name; query, key and value come apart."""
    end = part.rpartition(".")[2].removeprefix("in_proj_")
    if "in_proj" in part:
        parts = zip(("q", "k", "v"), tensor.chunk(3), strict=True)
        return {f"{prefix}.self_attn.{letter}_proj.{end}": piece for letter, piece in parts}
    names = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    return {f"{prefix}.{names[part.removesuffix(f'.{end}')]}.{end}": tensor}


def _vocabulary(folder: Path) -> tuple[str, str]:
    """CLIP's vocabulary and merges, which open_clip brings along, as the two files that transformers reads."""
    plain = SimpleTokenizer()
    merges = [" ".join(pair) for pair in sorted(plain.bpe_ranks, key=plain.bpe_ranks.__getitem__)]
    ends = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {ends.get(token, token): row for token, row in plain.encoder.items()}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    return str(folder / "vocab.json"), str(folder / "merges.txt")
