"""Which draw a step uses for what."""

from __future__ import annotations

from enum import IntEnum


class DrawNumber(IntEnum):
    """A number is never used twice nor changed: stored labels rest on it."""

    SHIFT_DOWN = 0
    SHIFT_RIGHT = 1
    CROP_DOWN = 2
    CROP_RIGHT = 3
    FLIP = 4
    BRIGHTNESS = 5
    CONTRAST = 6
    SATURATION = 7
    CUTOUT_ROW = 8
    CUTOUT_COLUMN = 9
    MIXUP_PARTNER = 10
    MIXUP_RADIUS = 11
    MIXUP_ANGLE = 12
    ROTATE = 13
    ZOOM = 14
    NOISE = 2**32  # and all that follow, one for every four values of a sample
