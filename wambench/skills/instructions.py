"""Splits an instruction into the prompts of its skills, by rules and without a network.

An instruction is read clause by clause. A clause is one skill: what is picked up and put somewhere,
or a fixture that is opened, shut, turned, pressed or pushed. Pronouns are replaced by what they
stand for, so that every prompt can be understood alone:

    turn on the stove and put the moka pot on it
        turn on the stove
        put the moka pot on the stove

The rules cover every instruction of LIBERO's five suites and of RoboCasa's 24 tasks (a test
reads them all); other wordings of the same kind work as far as their verbs are known, and a verb
that is not is an error rather than a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wambench.errors import DataError

_PLACING = ("put", "place", "stack", "set")
_PICKING = ("pick up", "pick", "take", "grab", "lift")
_OPERATING = ("open", "close", "shut", "turn on", "turn off", "turn", "press", "push", "pull")
_VERBS = (*_PICKING, *_PLACING, *_OPERATING)
_ORDINALS = ("first", "second", "third", "fourth")

_VERB = "|".join(re.escape(verb) for verb in sorted(_VERBS, key=len, reverse=True))
_RELATION = (
    r"on top of|to the (?:left|right|front|back) of|in front of|inside of|next to|inside|into|"
    r"onto|under|below|above|in|on|at|from|between"
)
_QUALIFIER = r"(?: (?:at|on|in) the (?:back|front|left|right|middle))?"
"""Tells which of several like objects is meant; no place to put anything."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one skill is told to do.

    Attributes:
        text: The whole skill.
        pick: Its first half, until the object is held; empty where nothing is picked up.
        place: Its second half.
    """

    text: str
    pick: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause that was understood.

    Attributes:
        prompts: Its skills.
        objects: What it is about, for `it` in a later clause.
        place: Where something was put, or what was operated: the nearer meaning of `it`.
    """

    prompts: tuple[Prompt, ...]
    objects: str
    place: str


def split_instruction(instruction: str) -> tuple[Prompt, ...]:
    """The prompts of an instruction, in the order in which it names them.

    Raises:
        DataError: It begins with a verb that the rules do not know, or is empty.
    """
    text = " ".join(instruction.lower().replace(",", " ").strip(" .").split())
    found: list[_Clause] = []
    for clause in _clauses(text, instruction):
        found.append(_understood(clause, found[-1] if found else None))
    return tuple(prompt for clause in found for prompt in clause.prompts)


def halves(prompt: str) -> Prompt:
    """A prompt of somebody else's with its halves, where it says what is picked up and put where.

    It stays one prompt, whatever its words.
    """
    text = " ".join(prompt.strip(" .").split())
    try:
        read = split_instruction(text)
    except DataError:
        return Prompt(text)
    return Prompt(text, read[0].pick, read[0].place) if len(read) == 1 else Prompt(text)


def _clauses(text: str, instruction: str) -> list[str]:
    """Cut before every verb that follows `and` or `then`; a pick and its place stay together."""
    parts = re.split(rf"(?: and then| and| then) (?=(?:{_VERB})\b)", text)
    clauses: list[str] = []
    for part in parts:
        if not re.match(rf"(?:{_VERB})\b", part):
            raise DataError(
                f"The instruction {instruction!r} cannot be split by rules: {part!r} begins with "
                "a verb that they do not know.",
                f"Use a language model (--llm), or one of: {', '.join(_VERBS)}.",
            )
        placing = re.match(rf"(?:{'|'.join(_PLACING)}) (?:it|them)\b", part)
        if placing and clauses and re.match(rf"(?:{'|'.join(_PICKING)})\b", clauses[-1]):
            clauses[-1] += f" and {part}"
        else:
            clauses.append(part)
    return clauses


def _understood(clause: str, before: _Clause | None) -> _Clause:
    picked = re.fullmatch(
        rf"(?P<verb>{'|'.join(_PICKING)}) (?P<object>.+?) and "
        rf"(?P<place>(?:{'|'.join(_PLACING)}) (?:it|them) (?P<where>.+))",
        clause,
    )
    if picked:
        where = _resolved(picked["where"], before)
        head = re.split(rf" (?:{_RELATION}) ", picked["object"])[0]
        prompt = Prompt(clause, f"pick up {picked['object']}", f"place {head} {where}")
        return _Clause((prompt,), head, _target(where))
    verb = re.match(rf"(?:{_VERB})\b", clause)
    assert verb is not None, clause
    if verb[0] not in _PLACING:
        return _operated(clause, verb[0], before)
    return _placed(clause, verb[0], before)


def _operated(clause: str, verb: str, before: _Clause | None) -> _Clause:
    what = clause[len(verb) :].strip()
    if what in ("it", "them") and before is not None:
        what = before.place
    prompt = f"{verb} {what}"
    if verb in _PICKING:
        return _Clause((Prompt(prompt, f"pick up {what}", ""),), what, what)
    return _Clause((Prompt(prompt),), what, what)


def _placed(clause: str, verb: str, before: _Clause | None) -> _Clause:
    both = re.fullmatch(rf"{verb} both (.+?) and (.+?) ((?:{_RELATION})\b.*)", clause)
    if both:
        where = _resolved(both[3], before)
        prompts = tuple(_pick_and_place(verb, thing, where) for thing in (both[1], both[2]))
        return _Clause(prompts, f"{both[1]} and {both[2]}", _target(where))
    alike = re.fullmatch(rf"{verb} (both|two|three) (.+?)s ((?:{_RELATION})\b.*)", clause)
    if alike:
        where = _resolved(alike[3], before)
        count = 3 if alike[1] == "three" else 2
        things = [f"the {ordinal} {alike[2]}" for ordinal in _ORDINALS[:count]]
        prompts = tuple(_pick_and_place(verb, thing, where) for thing in things)
        return _Clause(prompts, f"the {alike[2]}s", _target(where))
    one = re.fullmatch(rf"{verb} (.+?{_QUALIFIER}) ((?:{_RELATION})\b.*)", clause)
    if one is None:
        return _Clause((Prompt(clause),), clause[len(verb) :].strip(), "")
    thing, where = one[1], _resolved(one[2], before)
    if thing in ("it", "them") and before is not None:
        thing = "the stack" if thing == "them" else before.objects
    return _Clause((_pick_and_place(verb, thing, where),), thing, _target(where))


def _pick_and_place(verb: str, thing: str, where: str) -> Prompt:
    # Once it is held, which of several is meant needs not be said, and would read as a place.
    head = re.sub(rf"{_QUALIFIER}$", "", thing)
    return Prompt(f"{verb} {thing} {where}", f"pick up {thing}", f"place {head} {where}")


def _resolved(where: str, before: _Clause | None) -> str:
    """A place with its pronoun replaced: `on it`, `inside`."""
    if before is None:
        return where
    relation, _, rest = where.rpartition(" ")
    if where in ("inside", "in", "on top"):
        return f"{where} of {before.place}" if where == "on top" else f"{where} {before.place}"
    if rest != "it":
        return where
    owner = before.place
    if relation == "on top of":  # of what the drawer belongs to: nothing lies on a drawer
        owner = re.sub(r"^.*\bdrawer of ", "", owner)
    return f"{relation} {owner}"


def _target(where: str) -> str:
    """The thing that a place is named by: of `in the top drawer` it is `the top drawer`."""
    return re.sub(rf"^(?:{_RELATION}) ", "", where)
