"""The constant text of prompts: which requests were written by one program, and where that program put its variables.

A program sends the same words with other values each time. Lines that come back in many requests are taken as its own;
requests with the same such lines, in the same order, form a job. What lies between them are slots: the first and the last
line of a slot may begin and end with constant words too ("Message: ", "</ticket>"), which nearly all of its texts share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pare.logs.types import Logged
from pare.types import Role

SHARE = 0.002
LEAST = 8
"""A line is a program's own where it comes in this share of the sample's requests, and in no fewer than so many."""

OFTEN = 0.05
"""A user's words may come back too ("hello"). A group smaller than this share of one that has its lines but for such is
part of it."""

AGREE = 0.97
"""A slot's first line begins with words that this share of its texts have in common."""

MEMBERS = 400
"""Requests of a job from which its template is learnt."""

Line = tuple[Role, str]
Signature = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """One message of a template: constant texts around slots, so that there is one more of them than of ``slots``."""

    role: Role
    constants: tuple[str, ...]
    slots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """What a program writes, and the names of the slots that it fills in."""

    pieces: tuple[Piece, ...]

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(slot for piece in self.pieces for slot in piece.slots)


def lines_of(request: Logged) -> list[Line]:
    """The lines of a prompt, with the role that says each."""
    return [(message.role, line) for message in request.messages for line in message.text.split("\n")]


@dataclass(frozen=True, slots=True)
class Known:
    """What programs write, as far as a sample shows: whole lines, and the heads of lines that are not theirs as a whole."""

    lines: frozenset[Line]
    heads: frozenset[str]

    def signature(self, request: Logged) -> Signature:
        """The program's own lines of a prompt, in order; the head of its first line where there are none."""
        own = tuple(line for line in lines_of(request) if line in self.lines)
        if own or not request.messages:
            return own
        head = _head(request)
        return ((request.messages[0].role, head),) if head in self.heads else ()


def known(sample: Sequence[Logged]) -> Known:
    """The lines and heads that come in many requests of a sample. Blank lines are nobody's."""
    lines: Counter[Line] = Counter()
    heads: Counter[str] = Counter()
    for request in sample:
        lines.update({line for line in lines_of(request) if line[1].strip()})
        heads[_head(request)] += 1
    least = max(LEAST, SHARE * len(sample))
    return Known(
        frozenset(line for line, count in lines.items() if count >= least),
        frozenset(head for head, count in heads.items() if head and count >= least),
    )


_HEAD = re.compile(r"[^\n]{0,60}?[:>](?=[\s\"'`<]|$)")


def _head(request: Logged) -> str:
    """What introduces the first line of a prompt: the text up to a colon ("Question:"), or nothing."""
    found = _HEAD.match(request.messages[0].text) if request.messages else None
    return found.group() if found else ""


def merged(counts: Counter[Signature]) -> dict[Signature, Signature]:
    """Signature → the one whose job it is: itself, or a much more frequent one to which it only adds a user's words."""
    ranked = sorted(counts, key=lambda found: (-counts[found], len(found), found))
    home: dict[Signature, Signature] = {}
    for found in ranked:
        homes = (other for other in ranked if home.get(other) == other and counts[found] < OFTEN * counts[other])
        home[found] = max((other for other in homes if _within(other, found)), key=len, default=found)
    return home


def home_of(found: Signature, jobs: Iterable[Signature]) -> Signature | None:
    """The job of a signature that no sample showed: the one whose lines it has, the longest of several; else None."""
    return max((job for job in jobs if _within(job, found)), key=len, default=None)


def _within(few: Signature, many: Signature) -> bool:
    """Whether ``few`` comes in ``many`` in order, and what is added was said by the user: a program's words are in both."""
    rest = iter(many)
    return len(few) < len(many) and all(line in rest for line in few) and _programs(few) == _programs(many)


def _programs(lines: Signature) -> list[Line]:
    return [line for line in lines if line[0] == "system"]


def learn(requests: Sequence[Logged], known: Known) -> Template:
    """The template of a job's requests: of those that have the commonest roles, the rest do not fit it."""
    requests = requests[:MEMBERS]
    shapes = Counter(tuple(message.role for message in request.messages) for request in requests)
    roles = min(shapes, key=lambda shape: (-shapes[shape], shape))
    alike = [request for request in requests if tuple(message.role for message in request.messages) == roles]
    pieces: list[Piece] = []
    taken: Counter[str] = Counter()
    for place, role in enumerate(roles):
        texts = [request.messages[place].text for request in alike]
        constants, names = _segments(texts, role, known.lines)
        slots = []
        for name in names:
            taken[name] += 1
            slots.append(name if taken[name] == 1 else f"{name}_{taken[name]}")
        pieces.append(Piece(role, constants, tuple(slots)))
    return Template(tuple(pieces))


def _segments(texts: Sequence[str], role: Role, constant: frozenset[Line]) -> tuple[tuple[str, ...], list[str]]:
    """(constant texts, names of the slots between them) of one message."""
    if len(set(texts)) == 1:
        return (texts[0],), []
    shared = _shared_lines(texts, role, constant)
    between = [_between(text, shared) for text in texts]
    whole = [gaps for gaps in between if gaps is not None]
    constants, names, current = [], [], ""
    for place in range(len(shared) + 1):
        for before, varies, after in _slots([gaps[place] for gaps in whole]):
            current += before
            if varies:
                constants.append(current)
                names.append(_name(current, role))
                current = after
        current += shared[place] if place < len(shared) else ""
    return (*constants, current), names


def _slots(gap: Sequence[str]) -> list[tuple[str, bool, str]]:
    """The slots in what stands at one place of all texts: (constant text before, whether it varies, constant text after).

    Each line is a slot of its own where all texts have as many and a program wrote how each begins ("Subject: ").
    """
    lines = [text.split("\n") for text in gap]
    count = len(lines[0]) if lines else 1
    if count > 1 and all(len(one) == count for one in lines):
        columns = [[one[place] for one in lines] for place in range(count)]
        if all(common(column) for column in columns if any(column)):
            found = [_slot(column) for column in columns]
            return [found[0], *(("\n" + before, varies, after) for before, varies, after in found[1:])]
    return [_slot(gap)]


def _slot(texts: Sequence[str]) -> tuple[str, bool, str]:
    before = common(texts)
    if len(set(texts)) <= 1:
        return before, False, ""
    rest = [text[len(before) :] for text in texts if text.startswith(before)]
    return before, True, common([text[::-1] for text in rest])[::-1]


def _shared_lines(texts: Sequence[str], role: Role, constant: frozenset[Line]) -> list[str]:
    """The constant lines that nearly all of these texts have, in the order of the first text that has them all."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update({line for line in text.split("\n") if (role, line) in constant})
    often = {line for line, count in seen.items() if count >= AGREE * len(texts)}
    model = next((t for t in texts if often <= set(t.split("\n"))), "")
    return [line for line in model.split("\n") if line in often]


def _between(text: str, shared: Sequence[str]) -> list[str] | None:
    """What stands before, between and after the shared lines of a text; None where it lacks one."""
    gaps, start, place = [], 0, 0
    for line in shared:
        place = _line_at(text, line, start)
        if place < 0:
            return None
        gaps.append(text[start:place])
        start = place + len(line)
    return [*gaps, text[start:]]


def _line_at(text: str, line: str, start: int) -> int:
    """Where a whole line stands in a text, from ``start`` on; -1 where it does not."""
    place = text.find(line, start)
    while place >= 0:
        end = place + len(line)
        if (place == 0 or text[place - 1] == "\n") and (end == len(text) or text[end] == "\n"):
            return place
        place = text.find(line, place + 1)
    return -1


def common(texts: Sequence[str]) -> str:
    """What nearly all texts begin with, cut behind the last mark or space: a part of a word is chance."""
    alive, length = list(texts), 0
    while alive:
        following = Counter(text[length] for text in alive if len(text) > length)
        if not following:
            break
        letter, count = following.most_common(1)[0]
        if count < AGREE * len(texts):
            break
        alive = [text for text in alive if len(text) > length and text[length] == letter]
        length += 1
    found = alive[0][:length] if alive else ""
    if alive and all(len(text) == length for text in alive):
        return found
    while found and found[-1].isalnum():
        found = found[:-1]
    return found


_NAMES = re.compile(r"([^\W\d_][\w ]{0,30}?)\s*[:=>\])]*\s*[\"'`<(\[{]*\s*$")


def _name(before: str, role: Role) -> str:
    """A slot's name: the words that introduce it ("Message: " is message), else the role that says it."""
    line = before.rstrip().rsplit("\n", 1)[-1] if before.strip() else ""
    found = _NAMES.search(line) if line.rstrip()[-1:] in tuple(":=>\"'`([{") else None
    words = re.findall(r"\w+", found.group(1).lower()) if found else []
    return "_".join(words[-3:]) or role


class Extractor:
    """Finds the slots of requests that fit a template."""

    def __init__(self, template: Template) -> None:
        self._roles = tuple(piece.role for piece in template.pieces)
        self._forms = [
            re.compile("(.*?)".join(re.escape(text) for text in piece.constants[:-1]) + _last(piece), re.DOTALL)
            for piece in template.pieces
        ]
        self._names = template.slots

    def slots(self, request: Logged) -> dict[str, str] | None:
        """Slot → text, or None where a request does not fit the template."""
        if tuple(message.role for message in request.messages) != self._roles:
            return None
        found: list[str] = []
        for form, message in zip(self._forms, request.messages, strict=True):
            match = form.fullmatch(message.text)
            if match is None:
                return None
            found.extend(match.groups())
        return dict(zip(self._names, found, strict=True))


def _last(piece: Piece) -> str:
    """The end of a message's form. Its last slot takes all it can: what ends a text ends it once."""
    return ("(.*)" if piece.slots else "") + re.escape(piece.constants[-1])


def input_text(slots: dict[str, str]) -> str:
    """What a small model reads of a request: the one slot, or each one behind its name."""
    filled = {name: text.strip() for name, text in slots.items()}
    if len(filled) == 1:
        return next(iter(filled.values()))
    return "\n".join(f"{name}: {text}" for name, text in filled.items())


def constant_share(template: Template, inputs: Sequence[str]) -> float:
    """The share of the prompts' characters that the template repeats each time: what a small model need not read."""
    own = sum(len(text) for piece in template.pieces for text in piece.constants)
    return own * len(inputs) / max(1, own * len(inputs) + sum(map(len, inputs)))
