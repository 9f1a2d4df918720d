"""Settings of runs that take seconds, for the tests of whole runs; read with runpy.run_path."""

from __future__ import annotations

TINY = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "image_start": "random",
    "text_start": "random",
    "train_text": True,
    "epochs": 1,
}  # open_clip's own towers, as small as they come
DROPPING = {
    **TINY,
    "model_cfg": {
        "embed_dim": 16,
        "custom_text": True,
        "vision_cfg": {
            "timm_model_name": "test_efficientnet",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_drop": 0.3,
            "image_size": 32,
        },
        "text_cfg": TINY["model_cfg"]["text_cfg"],
    },
    "epochs": 2,
}  # with dropout, so that random numbers count, and batch statistics


def settings(**changes: object) -> dict[str, object]:
    model_cfg = {
        "embed_dim": 384,
        "vision_cfg": {
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "timm_drop": 0.2,
            "image_size": 64,
        },
        "text_cfg": {
            "hf_model_name": "sentence-transformers/all-MiniLM-L6-v2",
            "hf_tokenizer_name": "sentence-transformers/all-MiniLM-L6-v2",
            "hf_proj_type": "linear",
            "hf_pooler_type": "mean_pooler",
            "context_length": 77,
        },
    }
    return {
        "model_cfg": model_cfg,
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "mode": "RGB"},
        "image_start": "efficientnet-lite0",
        "augmentation": {},
        "targets": "own",
        "average": 0.0,
        "answer_temperature": 0.0,
        "keep_decoded": False,
        "train": [{"table": "index.csv", "split": "train", "modality": "clinical"}],
        "epochs": 2,
        "samples_per_epoch": 18,
        "batch_size": 6,
        "warm_up_steps": 2,
        "precision": "float32",
        "workers": 0,
        "tensorboard": False,
        **changes,
    }
