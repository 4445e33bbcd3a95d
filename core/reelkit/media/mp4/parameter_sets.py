"""Parameter sets of H.264: what the configuration record of a file does not repeat. ITU-T H.264, 7.3.2.1.1."""

from __future__ import annotations

from reelkit.media.mp4.errors import CorruptMp4

__all__ = ["may_be_interlaced"]

_HIGH = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""Profiles whose sequence parameter sets tell their chroma format and their scaling lists."""
_LONGEST_CODE = 32


class _Bits:
    """Reads Exp-Golomb codes, 9.1, of a NAL unit. Raises CorruptMp4 behind its end."""

    def __init__(self, unit: bytes) -> None:
        # 7.4.1: the byte 3 behind two zeros only keeps start codes from appearing.
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(payload, "big"), len(payload) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise CorruptMp4("A parameter set of the picture ends early.")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def code(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > _LONGEST_CODE:
                raise CorruptMp4("A parameter set of the picture makes no sense.")
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        code = self.code()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def may_be_interlaced(unit: bytes) -> bool:
    """Tell whether a sequence parameter set (a NAL unit) allows fields instead of frames. Raises CorruptMp4."""
    bits = _Bits(unit[:4096])
    bits.take(8)
    profile = bits.take(8)
    bits.take(16)
    bits.code()
    if profile in _HIGH:
        chroma = bits.code()
        if chroma == 3:
            bits.take(1)
        bits.code()
        bits.code()
        bits.take(1)
        if bits.take(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _skip_scaling_list(bits, 16 if number < 6 else 64)
    bits.code()
    _skip_picture_order(bits)
    bits.code()
    bits.take(1)
    bits.code()
    bits.code()
    return not bits.take(1)


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _skip_picture_order(bits: _Bits) -> None:
    kind = bits.code()
    if kind == 0:
        bits.code()
    elif kind == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        count = bits.code()
        if count > 255:
            raise CorruptMp4("A parameter set of the picture makes no sense.")
        for _ in range(count):
            bits.signed()
