"""Tokenizes 500 texts with the libraries that define each kind of tokenizer, for test/tokens.test.ts.

Run by a developer after a change of `fixtures/corpus.ts` or with another golden set:

    python3 -m venv /path/to/venv
    /path/to/venv/bin/pip install tokenizers sentencepiece tiktoken
    /path/to/venv/bin/python scripts/reference-tokens.py /path/to/golden

Writes fixtures/tokens/reference.json: for each model the library that was asked, and for each text the first four digits
of the sha256 of its ids, written in decimal with one space between. Models with the same ids for all texts share one entry.
"""

import ast
import base64
import gzip
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece
import tiktoken
import tokenizers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE = os.path.join(ROOT, "node_modules", ".bin", "node")
VECTORS = os.path.join(ROOT, "packages", "models", "test", "vectors", "tokenizers")

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN = rf"{CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{TAIL}"
UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]"
WORD = r"[^\r\n\p{L}\p{N}]?"
KIMI = (
    rf"[\p{{Han}}]+|{WORD}{UPPER}*{LOWER}+{CONTRACTIONS}?|{WORD}{UPPER}+{LOWER}*{CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{TAIL}"
)
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def texts():
    program = 'import { corpus } from "./fixtures/corpus.ts"; process.stdout.write(JSON.stringify(corpus(500, false)));'
    done = subprocess.run([NODE, "--input-type=module", "-e", program], cwd=ROOT, capture_output=True, check=True)
    return json.loads(done.stdout)


def sentence_piece(path, ids=lambda ids: ids):
    model = sentencepiece.SentencePieceProcessor(model_file=path)
    return "sentencepiece", lambda text: ids(model.encode(text))


def fairseq(ids):
    """XLM-RoBERTa's order: <s>, <pad>, </s>, <unk>, then the pieces behind the three of the file."""
    return [3 if one == 0 else one + 1 for one in ids]


def ranked(path, pattern):
    with open(path, "rb") as file:
        lines = [line.split() for line in file.read().splitlines() if line]
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    return of_ranks(ranks, pattern)


def of_ranks(ranks, pattern, first=0):
    encoding = tiktoken.Encoding("model", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return "tiktoken", lambda text: [first + one for one in encoding.encode_ordinary(text)]


def composed(opened):
    """Qwen 1 composes characters first (Qwen/Qwen-7B, tokenization_qwen.py)."""
    library, encode = opened
    return library, lambda text: encode(unicodedata.normalize("NFC", text))


def longest_match(path):
    """RWKV takes the longest token that fits, from the first byte on (BlinkDL/ChatRWKV, tokenizer/rwkv_tokenizer.py)."""
    ids = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            token = ast.literal_eval(line[line.index(" ") : line.rindex(" ")].strip())
            ids[token.encode() if isinstance(token, str) else token] = int(line[: line.index(" ")])
    longest = max(map(len, ids))

    def encode(text):
        rest, found = text.encode(), []
        while rest:
            size = next(size for size in range(min(longest, len(rest)), 0, -1) if rest[:size] in ids)
            found.append(ids[rest[:size]])
            rest = rest[size:]
        return found

    return "longest match", encode


def highest_score(path):
    """PLaMo 2 takes the tokens whose scores, in ten-thousandths, have the highest sum (pfnet/plamo-2-8b, tokenization_plamo.py)."""
    with open(path, encoding="utf-8") as file:
        tokens = [json.loads(line) for line in file]
    scores = {one[0]: (index, round(one[1] * 1e4)) for index, one in enumerate(tokens) if one[2] == "NORMAL"}
    byte_ids = {int(one[0][3:5], 16): index for index, one in enumerate(tokens) if one[2] == "BYTE"}
    longest = max(map(len, scores))

    def encode(text):
        # from each place to the end: the sum, the next place and the ids; of equal sums the one with the longer token
        best = [(0, 0, [])] * (len(text) + 1)
        for place in range(len(text) - 1, -1, -1):
            best[place] = (best[place + 1][0] - 10_000_000, place + 1, [byte_ids[byte] for byte in text[place].encode()])
            for end in range(place + 1, min(place + longest, len(text)) + 1):
                index, score = scores.get(text[place:end], (None, 0))
                if index is not None and score + best[end][0] >= best[place][0]:
                    best[place] = (score + best[end][0], end, [index])
        place, found = 0, []
        while place < len(text):
            _, place, ids = best[place]
            found += ids
        return found

    return "highest score", encode


def tekken(path):
    with open(path, encoding="utf-8") as file:
        model = json.load(file)
    specials = model["config"]["default_num_special_tokens"]
    size = model["config"]["default_vocab_size"] - specials
    ranks = {base64.b64decode(one["token_bytes"]): one["rank"] for one in model["vocab"][:size]}
    return of_ranks(ranks, model["config"]["pattern"], specials)


def vocab_merges(folder):
    """transformers' classes of GPT-2 and Qwen 2 with these two files."""
    model = tokenizers.models.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt"))
    made = tokenizers.Tokenizer(model)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        is_qwen = json.load(file)["tokenizer_class"].startswith("Qwen2")
    steps = tokenizers.pre_tokenizers
    split = steps.Split(tokenizers.Regex(QWEN if is_qwen else GPT2), behavior="isolated")
    made.pre_tokenizer = steps.Sequence([split, steps.ByteLevel(add_prefix_space=False, use_regex=False)])
    if is_qwen:
        made.normalizer = tokenizers.normalizers.NFC()
    return "tokenizers", lambda text: made.encode(text, add_special_tokens=False).ids


def tokenizer_json(path):
    model = tokenizers.Tokenizer.from_file(path)
    return "tokenizers", lambda text: model.encode(text, add_special_tokens=False).ids


# by the first file that is there; a tokenizer.json that lies beside one of the others was made of it
KINDS = [
    ("spiece.model", sentence_piece),
    ("sentencepiece.bpe.model", lambda path: sentence_piece(path, fairseq)),
    ("tokenizer.model", sentence_piece),
    ("tokenizer.json", tokenizer_json),
    ("tekken.json", tekken),
    ("tiktoken.model", lambda path: ranked(path, KIMI)),
    ("hy.tiktoken", lambda path: ranked(path, QWEN)),
    ("qwen.tiktoken", lambda path: composed(ranked(path, QWEN))),
    ("rwkv_vocab_v20230424.txt", longest_match),
    ("tokenizer.jsonl", highest_score),
    ("merges.txt", lambda path: vocab_merges(os.path.dirname(path))),
]


BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}
METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False}
# settings of a tokenizer.json that none of the models has, and pieces that are put behind its vocabulary
VARIANTS = {
    "cased WordPiece": ("bert", {"normalizer": {**BERT, "strip_accents": None, "lowercase": False}}, []),
    "WordPiece with accents": ("bert", {"normalizer": {**BERT, "strip_accents": False, "lowercase": True}}, []),
    "unigram with runs of spaces": ("xlmr_json", {"normalizer": None, "pre_tokenizer": METASPACE}, [["\u2581\u2581", -2], ["\u2581\u2581and", -3]]),
}


def varied(folder, settings, pieces):
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as file:
        model = json.load(file)
    model.update(settings)
    if pieces:
        model["model"]["vocab"] += pieces
    with open(path, "w", encoding="utf-8") as file:
        json.dump(model, file)
    return folder


def reference(folder):
    for file, opened in KINDS:
        path = os.path.join(folder, file)
        if os.path.exists(path):
            return opened(path)
    raise FileNotFoundError(f"no vocabulary in {folder}")


def unpacked(path, folder):
    with gzip.open(path) as file:
        vector = json.load(file)
    for name, text in vector["files"].items():
        with open(os.path.join(folder, os.path.basename(name)), "w", encoding="utf-8", newline="") as file:
            file.write(text)
    for name, content in vector["binaryFiles"].items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(base64.b64decode(content))
    return folder


def directories(golden, scratch):
    for file in sorted(os.listdir(VECTORS)):
        name = file.removesuffix(".json.gz")
        folder = os.path.join(scratch, name)
        os.mkdir(folder)
        yield f"vectors/{name}", unpacked(os.path.join(VECTORS, file), folder)
    for variant, (name, settings, pieces) in VARIANTS.items():
        folder = os.path.join(scratch, variant)
        os.mkdir(folder)
        yield f"variants/{variant}", varied(unpacked(os.path.join(VECTORS, f"{name}.json.gz"), folder), settings, pieces)
    for group in ("arch", "arch2"):
        with open(os.path.join(golden, group, "manifest.json"), encoding="utf-8") as file:
            models = json.load(file)["models"]
        for name, model in models.items():
            if "--mmproj" not in (model.get("convert_args") or []):
                yield f"{group}/{name}", os.path.join(golden, group, model["dir"])


def digits(ids):
    return hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()[:4]


def main(golden):
    lines = texts()
    sets, models = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in directories(golden, scratch):
            library, encode = reference(folder)
            key = (library, "".join(digits(encode(line)) for line in lines))
            models[name] = sets.setdefault(key, name)
    written = {
        "libraries": {name: importlib.metadata.version(name) for name in ("sentencepiece", "tiktoken", "tokenizers")},
        "variants": {
            # llama.cpp's converter takes this setting of tokenizer_config.json for one of spaces
            variant: {"of": name, "settings": settings, "pieces": pieces, "config": {"clean_up_tokenization_spaces": False}}
            for variant, (name, settings, pieces) in VARIANTS.items()
        },
        "models": models,
        "sets": {name: {"library": library, "ids": ids} for (library, ids), name in sets.items()},
    }
    path = os.path.join(ROOT, "fixtures", "tokens", "reference.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(written, file, indent=1)
        file.write("\n")


main(sys.argv[1])
