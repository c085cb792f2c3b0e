"""Label pictures: classes and distances packed into three bytes a pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wambench.labels import FARTHEST, NEAREST, label_code, pack_labels, unpack_labels


@given(
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20),
    st.floats(NEAREST, FARTHEST),
)
def test_what_is_packed_comes_back_with_the_distance_to_a_little_over_one_per_cent(codes, depth):
    picture = pack_labels(np.array([codes]), np.full((1, len(codes)), depth))
    assert picture.dtype == np.uint8
    assert picture.shape == (1, len(codes), 3)
    again, distance = unpack_labels(picture)
    assert again.tolist() == [codes]
    np.testing.assert_allclose(distance, depth, rtol=0.012)


def test_distances_beyond_the_range_are_cut_and_not_wrapped():
    _, depth = unpack_labels(pack_labels(np.zeros((1, 2), np.int64), np.array([[0.0, 1e6]])))
    assert depth[0] == pytest.approx([NEAREST, FARTHEST])


def test_a_class_has_the_same_code_in_every_process_and_version():
    assert label_code("robot") == 22289
    assert label_code("akita_black_bowl") == 24112


@given(st.text())
def test_no_class_has_the_code_of_nothing(name):
    assert 1 <= label_code(name) <= 0xFFFF
