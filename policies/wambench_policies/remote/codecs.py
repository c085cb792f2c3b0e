"""How peers put arrays into msgpack: four ways that do not understand each other.

    openpi          {b"__ndarray__": True, b"data", b"dtype", b"shape"}      openpi, StarVLA
    vla_eval        the same names as text; pictures {"__image__", "format", "data", "shape"}
    npy             {"__ndarray_class__": True, "as_npy": a .npy file}       GR00T up to N1.6
    msgpack_numpy   {b"nd": True, b"type", b"kind", b"shape", b"data"}       GR00T N1.7, XPolicyLab

Read from openpi-client 0.1.2, vla-eval 0.8.0, GR00T's `gr00t/policy/server_client.py` of N1.6 and
of N1.7, and msgpack-numpy 0.4.8. Their own decoders take an array of another way for a dictionary
and go on; `decode` refuses it, and says whose it is.

Non-obvious behaviours
    - A frame is untrusted: nothing is unpickled, evaluated or imported, only arrays of booleans,
      integers and floats are taken, a declared shape must be exactly as large as its data, and
      pictures are measured before they are unpacked. Whatever is wrong with a frame is a
      `CodecError`.
    - A frame without arrays fits every codec.
    - Decoded arrays are copies and may be written to; openpi's own are read-only.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgpack
import numpy as np
from numpy.typing import NDArray

from wambench.errors import PolicyContractError, WambenchError

CodecName = Literal["openpi", "vla_eval", "npy", "msgpack_numpy"]

MAX_FRAME_BYTES = 64 * 1024 * 1024
"""A hundred times a request with two pictures of 224 x 224."""

SPEAKERS: Mapping[CodecName, str] = {
    "openpi": "openpi and StarVLA",
    "vla_eval": "vla-eval",
    "npy": "GR00T up to N1.6",
    "msgpack_numpy": "GR00T from N1.7 on and XPolicyLab",
}
"""Who uses a codec."""

_KINDS = "biuf"
_DTYPE = re.compile(r"[<>|=]?[biuf](?:1|2|4|8)")
_MAX_DIMENSIONS = 8
_MAX_PICTURE_PIXELS = 4096 * 4096
_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_HEADER = re.compile(
    rb"\{'descr': '([^']{2,4})', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), ?\} *\n"
)


class CodecError(WambenchError):
    """A frame that cannot be read, or must not be."""


class CodecMismatch(CodecError, PolicyContractError):
    """A frame with arrays of another codec than the connection's: every frame will be like that."""


# ---- writing -------------------------------------------------------------------------------------


def encode(message: Any, codec: CodecName) -> bytes:
    """A message as a frame.

    Args:
        message: What msgpack can hold, with arrays and numpy scalars anywhere in it.
        codec: How arrays are written.

    Raises:
        CodecError: It holds something else, for example an array of objects.
    """
    write = _WRITERS[codec]

    def default(value: Any) -> Any:
        if isinstance(value, np.generic) and codec != "openpi":
            return value.item()
        if not isinstance(value, np.ndarray | np.generic):
            raise CodecError(f"A {type(value).__name__} cannot be sent.", "Send arrays or numbers.")
        if value.dtype.kind not in _KINDS:
            raise CodecError(
                f"Arrays of {value.dtype} are not sent.", "Use booleans, integers or floats."
            )
        return write(value)

    try:
        frame: bytes = msgpack.packb(message, default=default, use_bin_type=True)
    except CodecError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CodecError(f"The message cannot be written: {error}.") from error
    return frame


def _write_openpi(value: NDArray[Any]) -> dict[bytes, Any]:
    if isinstance(value, np.generic):
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    return {
        b"__ndarray__": True,
        b"data": value.tobytes(),
        b"dtype": value.dtype.str,
        b"shape": list(value.shape),
    }


def _write_vla_eval(value: NDArray[Any]) -> dict[str, Any]:
    return {
        "__ndarray__": True,
        "data": value.tobytes(),
        "dtype": value.dtype.str,
        "shape": list(value.shape),
    }


def _write_npy(value: NDArray[Any]) -> dict[str, Any]:
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(value).reshape(value.shape), allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def _write_msgpack_numpy(value: NDArray[Any]) -> dict[bytes, Any]:
    return {
        b"nd": True,
        b"type": value.dtype.str,
        b"kind": b"",
        b"shape": list(value.shape),
        b"data": value.tobytes(),
    }


_WRITERS = {
    "openpi": _write_openpi,
    "vla_eval": _write_vla_eval,
    "npy": _write_npy,
    "msgpack_numpy": _write_msgpack_numpy,
}


# ---- reading -------------------------------------------------------------------------------------


def decode(
    frame: bytes, codec: CodecName | None = None, limit: int = MAX_FRAME_BYTES
) -> tuple[Any, CodecName | None]:
    """Reads a frame.

    Args:
        frame: As it arrived.
        codec: What its arrays must be written in; None for whichever they are, but one.
        limit: Largest frame in bytes.

    Returns:
        The message, and the codec of its arrays; None when it holds none.

    Raises:
        CodecMismatch: Its arrays are of another codec, or of several.
        CodecError: It is too large, no msgpack, or holds what is not accepted.
    """
    if len(frame) > limit:
        raise CodecError(
            f"A frame of {len(frame)} bytes arrived; at most {limit} are read.",
            "Send smaller pictures.",
        )
    seen: set[CodecName] = set()

    def read(value: dict[Any, Any]) -> Any:
        for name, reader in _READERS:
            found = reader(value)
            if found is not None:
                seen.add(name)
                return found
        return value

    try:
        message = msgpack.unpackb(
            frame, object_hook=read, raw=False, strict_map_key=True, ext_hook=_no_extension
        )
    except WambenchError:
        raise
    except (msgpack.UnpackException, ValueError, TypeError, RecursionError, MemoryError) as error:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise CodecError(f"A frame of {len(frame)} bytes is not msgpack: {text}.") from error
    if len(seen) > 1 or (codec is not None and seen - {codec}):
        spoken = " and ".join(f"{name} (of {SPEAKERS[name]})" for name in sorted(seen))
        wanted = "one codec" if codec is None else f"{codec} (of {SPEAKERS[codec]})"
        raise CodecMismatch(
            f"The peer writes its arrays in {spoken}; expected {wanted}.",
            "Use the protocol that the peer speaks: "
            "`wambench list policies` has one policy for each.",
        )
    return message, next(iter(seen), None)


def _no_extension(code: int, data: bytes) -> Any:
    raise CodecError(f"A frame holds an extension of type {code}.", "None is accepted.")


def _read_openpi(value: dict[Any, Any]) -> Any:
    if b"__ndarray__" in value:
        _only(value, (b"__ndarray__", b"data", b"dtype", b"shape"))
        return _array(value[b"dtype"], value[b"shape"], value[b"data"])
    if b"__npgeneric__" in value:
        _only(value, (b"__npgeneric__", b"data", b"dtype"))
        return _scalar(value[b"dtype"], value[b"data"])
    return None


def _read_vla_eval(value: dict[Any, Any]) -> Any:
    if "__ndarray__" in value:
        _only(value, ("__ndarray__", "data", "dtype", "shape"))
        return _array(value["dtype"], value["shape"], value["data"])
    if "__image__" in value:
        if value.get("format") == "raw":
            _only(value, ("__image__", "format", "data", "dtype", "shape"))
            return _array(value["dtype"], value["shape"], value["data"])
        _only(value, ("__image__", "format", "data", "shape"))
        return _picture(value["format"], value["shape"], value["data"])
    return None


def _read_npy(value: dict[Any, Any]) -> Any:
    if "__ndarray_class__" not in value:
        return None
    _only(value, ("__ndarray_class__", "as_npy"))
    return _npy(value["as_npy"])


def _read_msgpack_numpy(value: dict[Any, Any]) -> Any:
    # As text where a decoder of old was told to read bytes as such.
    if b"nd" not in value and not value.keys() >= {"nd", "type", "data"}:
        return None
    fields = {_name(key): item for key, item in value.items()}
    if fields["nd"] is False:  # a numpy scalar
        _only(fields, ("nd", "type", "data"))
        return _array(_name(fields["type"]), [], fields["data"])[()]
    _only(fields, ("nd", "type", "kind", "shape", "data"))
    if _name(fields["kind"]) != "":
        raise CodecError(
            f"An array of kind {fields['kind']!r} arrived.",
            "Objects and structures are not accepted; send booleans, integers or floats.",
        )
    return _array(_name(fields["type"]), fields["shape"], fields["data"])


_READERS: tuple[tuple[CodecName, Any], ...] = (
    ("openpi", _read_openpi),
    ("vla_eval", _read_vla_eval),
    ("npy", _read_npy),
    ("msgpack_numpy", _read_msgpack_numpy),
)


def _name(value: Any) -> Any:
    """Text of what an old msgpack wrote as bytes."""
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value


def _only(value: Mapping[Any, Any], keys: tuple[Any, ...]) -> None:
    if set(value) != set(keys):
        raise CodecError(
            f"An array arrived with the fields {sorted(map(str, value))}, expected "
            f"{sorted(map(str, keys))}."
        )


def _dtype(text: Any) -> np.dtype[Any]:
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        raise CodecError(
            f"Arrays of type {str(text)[:40]!r} are not accepted.",
            "Send booleans, integers or floats.",
        )
    try:
        return np.dtype(text)
    except TypeError:  # such as `f1`
        raise CodecError(f"There is no type {text!r}.") from None


def _array(dtype: Any, shape: Any, data: Any) -> NDArray[Any]:
    kind = _dtype(dtype)
    sizes = _shape(shape)
    if not isinstance(data, bytes) or math.prod(sizes) * kind.itemsize != len(data):
        size = len(data) if isinstance(data, bytes) else type(data).__name__
        raise CodecError(f"An array of {kind} with shape {sizes} cannot be made of {size} bytes.")
    return np.frombuffer(data, kind).reshape(sizes).copy()


def _shape(shape: Any) -> tuple[int, ...]:
    if (
        not isinstance(shape, list | tuple)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(size) is int and 0 <= size < 2**40 for size in shape)
    ):
        raise CodecError(f"{str(shape)[:80]} is not the shape of an array.")
    return tuple(shape)


def _scalar(dtype: Any, value: Any) -> Any:
    kind = _dtype(dtype)
    if not isinstance(value, bool | int | float):
        raise CodecError(f"A number of {kind} arrived as {type(value).__name__}.")
    try:
        return kind.type(value)
    except (OverflowError, ValueError) as error:
        raise CodecError(f"A number of {kind} arrived that is none: {error}.") from error


def _npy(data: Any) -> NDArray[Any]:
    """A .npy file of version 1, read without evaluating its header."""
    if not isinstance(data, bytes) or data[:8] != _NPY_MAGIC or len(data) < 10:
        raise CodecError("An array arrived that is no .npy file of version 1.")
    end = 10 + int.from_bytes(data[8:10], "little")
    match = _NPY_HEADER.fullmatch(data[10:end])
    if match is None:
        raise CodecError(f"The header of a .npy file is {data[10:end][:80]!r}.")
    shape = [int(size) for size in match[3].replace(b" ", b"").split(b",") if size]
    dtype = match[1].decode("ascii", "replace")
    if match[2] == b"True":
        return _array(dtype, shape[::-1], data[end:]).transpose().copy()
    return _array(dtype, shape, data[end:])


def _picture(kind: Any, shape: Any, data: Any) -> NDArray[np.uint8]:
    """A PNG or JPEG."""
    from PIL import Image

    sizes = _shape(shape)
    if kind not in ("png", "jpeg") or not isinstance(data, bytes):
        raise CodecError(f"A picture of format {str(kind)[:40]!r} arrived.", "Send png or jpeg.")
    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            if image.width * image.height > _MAX_PICTURE_PIXELS:
                raise CodecError(f"A picture of {image.width} x {image.height} pixels arrived.")
            pixels = np.asarray(image)
    except WambenchError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their formats make them
        raise CodecError(f"A picture cannot be read: {type(error).__name__}: {error}.") from error
    if pixels.shape != sizes or pixels.dtype != np.uint8:
        raise CodecError(f"A picture of {pixels.shape} arrived, announced as {sizes}.")
    return pixels.copy()
