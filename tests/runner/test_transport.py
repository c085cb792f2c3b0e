"""Messages and shared pixels."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wambench.protocol import Needs
from wambench.runner.transport import Channel, Disconnected, PixelBuffer, decode, encode

dtypes = st.sampled_from(["u1", "i4", "<f4", "<f8", ">f8", "?"])


@given(dtypes.flatmap(lambda d: arrays.arrays(d, arrays.array_shapes(min_dims=0, min_side=0))))
def test_arrays_arrive_as_they_were_sent(array: np.ndarray[Any, Any]) -> None:
    received = decode(encode({"a": [array]}))["a"][0]
    assert received.dtype == array.dtype
    assert received.shape == array.shape
    assert received.tobytes() == array.tobytes()
    assert received.flags.writeable


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        encode({"a": np.array([object()])})


@given(st.binary(max_size=200))
def test_garbage_from_the_other_side_is_a_disconnection(garbage: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", len(garbage)) + garbage)
        theirs.close()
        try:
            message = Channel(ours).receive()
        except Disconnected:
            return
    assert isinstance(message, dict)


def test_a_message_longer_than_the_limit_is_refused_unread() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">I", 2**31))
        with pytest.raises(Disconnected, match="2147483648 bytes"):
            Channel(ours).receive()


def test_a_large_message_crosses_in_parts() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        big = np.arange(2_000_000, dtype=np.float64)
        sender = threading.Thread(target=Channel(theirs).send, args=({"a": big},))
        sender.start()
        received = Channel(ours).receive()
        sender.join()
    assert np.array_equal(received["a"], big)


def test_both_sides_see_the_same_pixels_and_copies_outlive_the_next_frame() -> None:
    needs = Needs(cameras=("left", "right"), image_size=(4, 6))
    ours = PixelBuffer(needs)
    theirs = PixelBuffer(needs, ours.fd)
    images = {
        camera: np.full((4, 6, 3), value, np.uint8) for camera, value in (("left", 7), ("right", 9))
    }
    theirs.write(images)
    seen = ours.read()
    theirs.write({camera: image * 0 for camera, image in images.items()})
    for camera, image in images.items():
        assert np.array_equal(seen[camera], image)
    ours.close()


def test_a_policy_without_cameras_needs_no_pixels() -> None:
    buffer = PixelBuffer(Needs())
    assert buffer.read() == {}
    buffer.close()
