"""Layers, hooks, pooling, ranking and the streaming recorder."""
