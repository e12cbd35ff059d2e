"""Bytes of a packet as people read them: rows of sixteen, and the fields of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from playground.display.safe_text import visible_line

# A jumbo frame; more is not read on a page, and is in the file.
MOST_BYTES = 9216

_MOST_LAYERS = 12
_LONGEST_VALUE = 80


def hex_dump(data: bytes) -> str:
    r"""Return bytes as ``xxd`` and Wireshark show them: offset, numbers, characters.

    >>> print(hex_dump(b"GET / HTTP/1.1\r\n\r\n"))
    0000  47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a  GET / HTTP/1.1..
    0010  0d 0a                                             ..

    """
    lines = []
    for start in range(0, min(len(data), MOST_BYTES), 16):
        row = data[start : start + 16]
        left, right = row[:8].hex(" "), row[8:].hex(" ")
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{start:04x}  {left:<23}  {right:<23}  {shown}")
    if len(data) > MOST_BYTES:
        lines.append(f"... {len(data) - MOST_BYTES} more bytes: download the capture")
    return "\n".join(lines)


def layers(decoded: Any) -> list[dict[str, Any]]:
    """Return the layers of a packet that dpkt has read as a tree of NiceGUI's, fields below each.

    ::

        [node["label"] for node in layers(packet.decoded)]    # ["Ethernet", "IP", "TCP", ...]

    """
    found: list[dict[str, Any]] = []
    layer = decoded
    for depth in range(_MOST_LAYERS):
        names = getattr(layer, "__hdr_fields__", None)
        if names is None:
            break
        fields = [
            {"id": f"{depth}.{name}", "label": f"{name}: {_value(getattr(layer, name, None))}"}
            for name in _fields(layer, names)
        ]
        found.append({"id": str(depth), "label": type(layer).__name__, "children": fields})
        layer = getattr(layer, "data", None)
    if isinstance(layer, (bytes, bytearray)) and layer:
        found.append({"id": "data", "label": f"{len(layer)} bytes of data"})
    return found


def _fields(layer: Any, names: Any) -> Iterator[str]:
    """Yield the fields by the names of the protocol, where dpkt splits a number into them."""
    for name in names:
        # dpkt keeps several fields in one number, as "_v_hl", beside properties for each.
        if name.startswith("_"):
            for part in name.strip("_").split("_"):
                if hasattr(layer, part):
                    yield part
        else:
            yield name


def _value(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        text = value.hex(":") if len(value) <= 16 else f"{value[:16].hex(':')} …"
    elif isinstance(value, int) and not isinstance(value, bool):
        text = f"{value} (0x{value:x})" if value > 9 else str(value)
    else:
        text = visible_line(str(value))
    return text[:_LONGEST_VALUE]
