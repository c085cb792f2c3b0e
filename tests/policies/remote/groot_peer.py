"""A GR00T server as a process, after NVIDIA's: pyzmq, and the codecs of N1.6 and N1.7.

    python groot_peer.py n16|n17|strict [port]     prints its port; answers until it is ended

Imports nothing of wambench. `n16` reads and writes arrays as .npy, `n17` reads both and writes
msgpack-numpy with the package of that name, `strict` reads msgpack-numpy alone. It answers with
what it was asked, so that the other side can tell whether all of it arrived.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import zmq

T = 16


def read_npy(table: dict[Any, Any]) -> Any:
    if "__ndarray_class__" in table:
        return np.load(io.BytesIO(table["as_npy"]), allow_pickle=False)
    return table


def write_npy(value: Any) -> Any:
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return {"__ndarray_class__": True, "as_npy": file.getvalue()}


def read_both(table: dict[Any, Any]) -> Any:
    found = read_npy(table)
    return msgpack_numpy.decode(table) if found is table else found


def act(observation: dict[str, Any]) -> list[Any]:
    """Checks what Gr00tPolicy checks, then says what it saw."""
    flat = "video.image" in observation
    if flat:
        video = {k: v for k, v in observation.items() if k.startswith("video.")}
        state = {k: v for k, v in observation.items() if k.startswith("state.")}
        prompts = observation["annotation.human.action.task_description"]
    else:
        video, state = observation["video"], observation["state"]
        (batch,) = observation["language"].values()
        assert all(isinstance(item, list) and len(item) == 1 for item in batch)
        prompts = [item[0] for item in batch]
    for name, value in video.items():
        assert isinstance(value, np.ndarray), f"{name} is a {type(value)}"
        assert value.dtype == np.uint8
        assert value.shape[1:] == (1, 256, 256, 3)
    for value in state.values():
        assert isinstance(value, np.ndarray)
        assert value.dtype == np.float32
        assert value.ndim == 3
    assert "fail" not in prompts, "as asked"
    prefix = "action." if flat else ""
    kind = "state." if flat else ""
    moves = {
        f"{prefix}{axis}": np.repeat(np.tanh(state[f"{kind}{axis}"]), T, axis=1)
        for axis in ("x", "y", "z", "roll", "pitch", "yaw")
    }
    opened = np.ones((len(prompts), T, 1), np.float32)
    return [moves | {f"{prefix}gripper": opened}, {}]


def main(dialect: str, port: str) -> None:
    reads = {"n16": read_npy, "n17": read_both, "strict": msgpack_numpy.decode}[dialect]
    writes = write_npy if dialect == "n16" else msgpack_numpy.encode
    socket = zmq.Context.instance().socket(zmq.REP)
    socket.bind(f"tcp://127.0.0.1:{port}")
    print(socket.getsockopt_string(zmq.LAST_ENDPOINT).rpartition(":")[2], flush=True)
    while True:
        request = msgpack.unpackb(socket.recv(), object_hook=reads)
        try:
            answer: Any = {"status": "ok"}
            if request["endpoint"] == "get_action":
                answer = act(**{"observation": request["data"]["observation"]})
            elif request["endpoint"] != "ping":
                raise ValueError(f"Unknown endpoint: {request['endpoint']}")
        except Exception as error:
            answer = {"error": str(error)}
        socket.send(
            msgpack.packb(answer, default=lambda v: writes(v) if isinstance(v, np.ndarray) else v)
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "*")
