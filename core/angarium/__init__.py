"""Angarium: notifications declared in YAML, accepted once, delivered or explained.

This package is the contract that operator, gateway and deliverer share: resources, notifications, config records,
Redis keys and scripts, settings and telemetry. It imports none of them.
"""

__version__ = "0.2.0"
