"""Small files of nouns in WordNet's format, and what else NLTK's reader needs beside them."""

from collections import defaultdict

LICENCE = "  1 Made for a test, in the form of  \n  2 WordNet 3.0 Copyright of nobody.  \n"
EMPTY = (
    "cntlist.rev", "index.sense", "index.adj", "index.adv", "index.verb", "data.adj", "data.adv",
    "data.verb", "adj.exc", "adv.exc", "noun.exc", "verb.exc",
)  # fmt: skip


def nouns(synsets):
    """Return data.noun as text, and the id of each synset by its first word.

    synsets: words, with _ for blanks and commas between, and pointers (symbol, first word).
    """
    lines = [_line(i, words, pointers, {}) for i, (words, pointers) in enumerate(synsets)]
    offsets, at = {}, len(LICENCE)
    for (words, _), line in zip(synsets, lines, strict=True):
        offsets[words.split(",")[0]] = at
        at += len(line)
    made = [_line(at, words, pointers, offsets) for (words, pointers), at in
            zip(synsets, offsets.values(), strict=True)]  # fmt: skip
    return LICENCE + "".join(made), {word: f"n{at:08}" for word, at in offsets.items()}


def _line(offset, words, pointers, offsets):
    words = words.split(",")
    said = " ".join(f"{word} 0" for word in words)
    led = "".join(f"{symbol} {offsets.get(to, 0):08} n 0000 " for symbol, to in pointers)
    return f"{offset:08} 03 n {len(words):02x} {said} {len(pointers):03} {led}| a gloss @ 1\n"


def nltk_reader(folder, data):
    """Return NLTK's reader of a text of nouns; the other files that it wants are made in a folder.

    The index of words is made from the nouns, because NLTK names synsets by it.
    """
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    class Reader(WordNetCorpusReader):
        def map_wn(self, version="wordnet"):
            """Map to no other version, which would be another corpus."""

    (folder / "data.noun").write_text(data)
    senses = defaultdict(list)
    for line in data.splitlines():
        if not line.startswith("  "):
            fields = line.partition("|")[0].split()
            for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]:
                senses[word.lower()].append(fields[0])
    index = [f"{w} n {len(at)} 0 {len(at)} 0 {' '.join(at)}\n" for w, at in senses.items()]
    (folder / "index.noun").write_text("".join(index))
    for name in EMPTY:
        (folder / name).write_text("")
    (folder / "lexnames").write_text("".join(f"{i:02} noun.{i} 1\n" for i in range(45)))
    if str(folder) not in nltk.data.path:  # it reads from there alone
        nltk.data.path.append(str(folder))
    return Reader(str(folder), omw_reader=None)
