"""Prompt text of realistic size that carries its identity: a short marker, then English-like filler that the identity determines.

A gateway passes the text on unchanged, so the mock provider at its far end knows which request it serves. Identical prompts have
identical text, so that caches work on it, and different prompts differ from their first characters, so that none is a prefix of another.
One token is 4 characters of text; the marker is not counted.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from sim.stochastics.random_streams import Purpose, child, stream, uniforms

CHARACTERS_PER_TOKEN = 4
SIGN = "[tf:"
MARKER = re.compile(r"\[tf:(-?\d{1,19}):(\d{1,9})\]", re.ASCII)
SENTENCES = 4096
LARGEST = 2**63


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


DETERMINERS = words("""
    the a our their this every one another your each some that
""")
ADJECTIVES = words("""
    quiet small open early simple careful annual remote shared final local bright steady former direct public modern rapid fresh
    average broad central common daily digital double empty exact famous formal gentle global green heavy honest large later long
    major minor narrow native normal older partial plain present proper recent regular safe second secure short silent single slow
    solid special standard strong sudden useful usual valid vital warm weekly whole wide young
""")
NOUNS = words("""
    account address agent answer archive article balance bill book branch budget building calendar call camera case chart city claim
    class client code column company contract copy country course customer data day delivery department detail device director
    document doctor driver editor email engine engineer entry event exchange factory family field file flight folder form garden group
    guide history hotel house idea image index invoice island item journey kitchen label language letter library license line list
    machine manager map market meeting member memory message method model money month morning mountain museum network note notice
    number object office order owner package page panel paper parcel partner patient payment person phone photo picture plan platform
    policy price printer problem process product profile program project question queue receipt record refund region report request
    result review river road room route rule sample schedule school season section server service session sheet shipment shop signal
    site spring staff station store story street student subject summer supplier support system table task teacher team test ticket
    title topic town train travel trip update user value vendor version village visitor voice warehouse water weather week window
    winter worker writer year
""")
VERBS = words("""
    accepts adds answers asks books brings builds carries changes checks closes collects compares confirms copies counts covers
    creates delivers describes discovers divides draws edits explains extends fills finds finishes follows gives guides handles helps
    holds keeps knows leaves lists loads marks matches measures mentions moves needs notes offers opens orders pays plans prints
    protects provides reads receives records reduces repairs replaces reports requests returns reviews runs saves sells sends shares
    shows signs sorts starts stores studies supports takes teaches tests tracks translates updates uses visits watches writes
""")
PREPOSITIONS = words("""
    about above across after against along around before behind below beside between beyond during for from near over through with
""")
ENDINGS = words("""
    again alone also always daily early here later often once online quickly quietly soon today together tomorrow twice well
""")
# The shape of a sentence; words of each kind follow each other as drawn.
SENTENCE = (DETERMINERS, ADJECTIVES, NOUNS, VERBS, DETERMINERS, NOUNS, PREPOSITIONS, DETERMINERS, ADJECTIVES, NOUNS, ENDINGS)


def write_prompt(prompt: int, input_tokens: int, output_tokens: int, topic: int | None = None, common_tokens: int = 0) -> str:
    """The last user message of a request: its marker, then exactly ``4 * input_tokens`` characters.

    ``prompt`` is any int64, ``output_tokens`` how long the answer is to be (< 10^9). Raises ValueError outside these. A prompt on a
    ``topic`` (from 0) begins with ``common_tokens`` of that topic's text.
    """
    if not -LARGEST <= prompt < LARGEST or not 0 <= output_tokens < 10**9:
        raise ValueError(f"cannot mark prompt {prompt} with {output_tokens} output tokens")
    text = write_filler(prompt, input_tokens) if topic is None else write_on_topic(topic, common_tokens, prompt, input_tokens)
    return f"{SIGN}{prompt}:{output_tokens}]{text}"


def read_marker(text: str) -> tuple[int, int] | None:
    """(prompt, output tokens) of the first marker in the text; None without one."""
    found = find(text)
    if found is None:
        return None
    prompt = int(found[1])
    return (prompt, int(found[2])) if -LARGEST <= prompt < LARGEST else None


def without_marker(text: str) -> str:
    found = find(text)
    return text if found is None else text.replace(found[0], "", 1)


def count_tokens(text: str) -> int:
    """Tokens of a text, its marker not counted: a quarter of its characters, rounded up."""
    found = find(text)
    length = len(text) if found is None else len(text) - len(found[0])
    return -(-length // CHARACTERS_PER_TOKEN)


def write_filler(entity: int, tokens: int) -> str:
    """Exactly ``4 * tokens`` characters of ordinary ASCII English that depend on ``entity`` (an integer of any sign).

    It opens with three words and a number of the entity's own (some 10^12 openings), then follows a fixed corpus from a sentence of its
    choice.
    """
    length = CHARACTERS_PER_TOKEN * tokens
    text, sentences = corpus()
    opening, start = beginning(entity, sentences)
    rest = max(0, length - len(opening))
    if start + rest > len(text):
        text *= 1 + (start + rest) // len(text)
    return (opening + text[start : start + rest])[:length]


def write_on_topic(topic: int, common_tokens: int, entity: int, tokens: int) -> str:
    """Exactly ``4 * tokens`` characters: the beginning of the topic's text, then the entity's own. Unlike ``write_filler``'s, each sentence
    is drawn by itself, so that texts have hardly anything else in common.
    """
    common = CHARACTERS_PER_TOKEN * common_tokens
    return write_assorted(-1 - topic, common) + write_assorted(entity, CHARACTERS_PER_TOKEN * tokens - common)


def write_assorted(entity: int, length: int) -> str:
    text, sentences = corpus()
    ends = [*sentences[1:], len(text)]
    node, characters = child(stream(0, Purpose.TOPIC), entity), 0
    chosen: list[str] = []
    while characters < length:
        sentence = child(node, len(chosen)) % SENTENCES
        chosen.append(text[sentences[sentence] : ends[sentence]])
        characters += len(chosen[-1])
    return "".join(chosen)[:length]


def beginning(entity: int, sentences: list[int]) -> tuple[str, int]:
    """The opening of an entity's text, and where in the corpus it goes on, all from one draw of 64 bits."""
    luck, sentence = divmod(child(stream(0, Purpose.PROMPT_TEXT), entity), len(sentences))
    luck, adjective = divmod(luck, len(ADJECTIVES))
    luck, noun = divmod(luck, len(NOUNS))
    luck, verb = divmod(luck, len(VERBS))
    return f"{ADJECTIVES[adjective].capitalize()} {NOUNS[noun]} {VERBS[verb]} {luck % 1_000_000}. ", sentences[sentence]


def find(text: str) -> re.Match[str] | None:
    """The first marker. Looking for its sign first is many times faster on long texts than the expression."""
    at = text.find(SIGN)
    while at >= 0:
        found = MARKER.match(text, at)
        if found is not None:
            return found
        at = text.find(SIGN, at + 1)
    return None


@lru_cache(maxsize=1)
def corpus() -> tuple[str, list[int]]:
    """SENTENCES sentences, about 300 kB, and where each begins. The same in every process."""
    draws = uniforms(0, Purpose.PROMPT_TEXT, np.arange(SENTENCES)[:, None], np.arange(len(SENTENCE)))
    picks = (draws * [len(kind) for kind in SENTENCE]).astype(int).tolist()
    sentences = [" ".join(kind[pick] for kind, pick in zip(SENTENCE, row, strict=True)).capitalize() + ". " for row in picks]
    starts = np.cumsum([0, *map(len, sentences[:-1])]).tolist()
    return "".join(sentences), starts
