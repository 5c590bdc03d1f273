"""What a mock model says: English-like text in tokens of exactly four characters, a pure function of where it starts."""

from __future__ import annotations

from sim.draws import mix

BOOK_TOKENS = 1 << 14
TOKEN_CHARACTERS = 4
VOCABULARY = (
    "the a of to and in that it with for on as at this from by not are or an which has one more all can when there time only some "
    "work part over value system service request answer model queue rate limit latency before after under while between second "
    "first load run server client measure predict traffic budget error retry token stream cache route policy result because these "
    "where long short early late steady slow fast usual small large simple clear same other each every most many few next last"
)
WORDS = VOCABULARY.split()


def write_book() -> bytes:
    """ASCII without anything JSON would escape, cut to whole tokens."""
    sentences: list[str] = []
    state, length = 1, 0
    while length < BOOK_TOKENS * TOKEN_CHARACTERS:
        state = mix(state + 1)
        words = [WORDS[(state >> (6 * i)) % len(WORDS)] for i in range(5 + state % 5)]
        sentence = " ".join(words).capitalize() + ". "
        sentences.append(sentence)
        length += len(sentence)
    return "".join(sentences).encode()[: BOOK_TOKENS * TOKEN_CHARACTERS]


BOOK = write_book()
TOKENS = tuple(BOOK[i : i + TOKEN_CHARACTERS] for i in range(0, len(BOOK), TOKEN_CHARACTERS))


def token(start: int, k: int) -> bytes:
    """The k-th token of the text that starts at ``start``."""
    return TOKENS[(start + k) % BOOK_TOKENS]


def passage(start: int, tokens: int) -> bytes:
    """``tokens`` tokens from ``start`` on, at once: the concatenation of ``token(start, k)``."""
    begin = start % BOOK_TOKENS * TOKEN_CHARACTERS
    length = tokens * TOKEN_CHARACTERS
    text = BOOK[begin : begin + length]
    while len(text) < length:
        text += BOOK[: length - len(text)]
    return text
