"""Several comparisons at once: Holm's correction and the letters that summarise it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from string import ascii_lowercase


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted so that any false rejection among them has the stated probability.

    Holm 1979: the smallest is multiplied by the number of tests, the next by one less, and so on;
    none comes out smaller than one before it.
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for rank, index in enumerate(order):
        largest = max(largest, min((len(p_values) - rank) * p_values[index], 1.0))
        adjusted[index] = largest
    return adjusted


def compact_letters(ranked: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A compact letter display: two policies share a letter unless they are told apart.

    Insert-and-absorb (Piepho 2004). Letters go from the first policy named to the last.

    Args:
        ranked: The policies, best first.
        different: The pairs found different, in either order.

    Returns:
        Letters of each policy, for example `{"x": "a", "y": "ab", "z": "b"}`.
    """
    groups: list[frozenset[str]] = [frozenset(ranked)]
    for pair in different:
        split: list[frozenset[str]] = []
        for group in groups:
            if group.issuperset(pair):
                split += [group - {pair[0]}, group - {pair[1]}]
            else:
                split.append(group)
        distinct = list(dict.fromkeys(split))
        groups = [g for g in distinct if not any(g < other for other in distinct)]
    groups.sort(key=lambda group: sorted(ranked.index(name) for name in group))
    return {
        name: "".join(_letter(i) for i, group in enumerate(groups) if name in group)
        for name in ranked
    }


def _letter(index: int) -> str:
    """a to z, then a2, b2 and so on."""
    turn, place = divmod(index, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(turn + 1) if turn else "")
