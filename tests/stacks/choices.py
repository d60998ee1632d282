"""Configs that turn on what the examples leave off, as far as it goes together."""

from typing import Any

EVERYTHING = "everything that is off by default"
WITHOUT_GPU = "Graviton in a network of our own, and stills without a GPU"

CHOICES: dict[str, dict[str, Any]] = {
    EVERYTHING: {
        "encryption": "kms",
        "network": {"flow_logs": True},
        "upload_trigger": True,
        "notify_email": "someone@example.com",
        "retention": {"keep_data": False},
        "allowed_input_buckets": ["example-archive"],
        "allowed_output_buckets": ["example-delivery"],
        "dashboard": True,
        "alarms": True,
        "budget": {"monthly_usd": 500, "stops_work": True},
        "realtime": {"max_instances": 3, "model": "compact-x4"},
    },
    WITHOUT_GPU: {
        "cpu_architecture": "arm64",
        "network": {"kind": "isolated"},
        "realtime": {"instance_type": "ml.c5.xlarge"},
    },
}
