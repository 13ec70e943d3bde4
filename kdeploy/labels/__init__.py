"""The teacher's answers on disk: how they are encoded, stored and read back.

May import models, training and everything below them; knows neither parity nor transforms.
"""
