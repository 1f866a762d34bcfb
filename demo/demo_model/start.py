"""The untrained model, with weights to begin with that already compare the words of question and passage.

From random weights, minutes on a CPU teach a model of this size nothing: it first has to discover that equal words
matter. So its first layers begin as a comparison, which training then refines. Of each word's vector

- coordinate 0 is free for the segment (question or passage), so that words look for words of the other segment,
- coordinate 1 says how rare the word is,
- the rest is random, mostly the same for words with the same stem, and in its last `MEANING` coordinates
  says what the word means: the teacher's vector of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch.nn import functional
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from .queries import stem
from .teacher import Teacher

VOCABULARY = 14000
HIDDEN = 192
HEADS = 4
LAYERS = 3
COMPARING_LAYERS = 2
INNER = 384
LONGEST = 256
"""Tokens of question and passage together."""

MEANING = 96

STEM_SHARE = 0.8
RARITY = 2.0
SEGMENT = 3.0
SHARPNESS = 1.2
POSITION_NOISE = 0.05

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def new_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A lower-case WordPiece tokenizer with the word pieces of `texts`."""
    tokenizer = _wordpiece()
    tokenizer.model = models.WordPiece(vocabulary(texts), unk_token="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=LONGEST,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """VOCABULARY word pieces with their numbers, the same for the same texts.

    The trainer numbers the letters within words in another order each time, and its choice between equally frequent
    pieces depends on the numbers; letters given as special tokens keep theirs.
    """
    tokenizer = _wordpiece()
    normalized = (tokenizer.normalizer.normalize_str(text) for text in texts)
    words = {word for text in normalized for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    letters = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=[*SPECIAL, *letters], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    pieces = (*SPECIAL, *sorted(set(tokenizer.get_vocab()) - set(SPECIAL)))
    return {piece: number for number, piece in enumerate(pieces)}


def _wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def new_model(
    tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], teacher: Teacher
) -> BertForSequenceClassification:
    """A cross-encoder with one score a pair, ready to be trained."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=LONGEST,
        num_labels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForSequenceClassification(config)
    # Passages longer than the model reads count here, too: no warning.
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    with torch.no_grad():
        embeddings = model.bert.embeddings
        embeddings.word_embeddings.weight.copy_(word_vectors(tokenizer, encoded, teacher))
        positions = embeddings.position_embeddings.weight.normal_(0, POSITION_NOISE)
        positions[:, :2] = 0
        segments = embeddings.token_type_embeddings.weight.zero_()
        segments[0, 0], segments[1, 0] = SEGMENT, -SEGMENT
        for layer in model.bert.encoder.layer[:COMPARING_LAYERS]:
            query, key = comparison()
            layer.attention.self.query.weight.copy_(query)
            layer.attention.self.key.weight.copy_(key)
    return model


def word_vectors(
    tokenizer: PreTrainedTokenizerFast, encoded: Sequence[Sequence[int]], teacher: Teacher
) -> torch.Tensor:
    """One vector a token, (vocabulary, HIDDEN)."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    families: dict[str, int] = {}
    family = torch.tensor([families.setdefault(stem(t) if t.isalpha() else t, len(families)) for t in tokens])
    shared = torch.randn(len(families), HIDDEN)[family]
    vectors = STEM_SHARE * shared + math.sqrt(1 - STEM_SHARE**2) * torch.randn(len(tokens), HIDDEN)
    vectors[:, HIDDEN - MEANING :] = meanings(tokens, teacher)
    vectors[:, 0] = 0
    vectors[:, 1] = RARITY * rarity(encoded, len(tokens))
    return vectors


def rarity(encoded: Sequence[Sequence[int]], vocabulary: int) -> torch.Tensor:
    """How rare each token is, with mean 0 and deviation 1, (vocabulary,)."""
    texts_with = Counter(token for ids in encoded for token in set(ids))
    found = torch.tensor([math.log((len(encoded) + 1) / (texts_with[token] + 1)) for token in range(vocabulary)])
    return (found - found.mean()) / found.std()


def meanings(tokens: Sequence[str], teacher: Teacher) -> torch.Tensor:
    """What the teacher makes of each token as a text, (vocabulary, MEANING), coordinates of size 1.

    The largest principal components, turned at random so that the heads share them.
    """
    vectors = torch.from_numpy(teacher.vectors([token.removeprefix("##") for token in tokens]))
    vectors = vectors - vectors.mean(0)
    _, _, directions = torch.linalg.svd(vectors, full_matrices=False)
    vectors = functional.normalize(vectors @ directions[:MEANING].T, dim=1) * math.sqrt(MEANING)
    turn, _ = torch.linalg.qr(torch.randn(MEANING, MEANING))
    return vectors @ turn


def comparison() -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key weights by which a token attends to tokens like itself in the other segment, (HIDDEN, HIDDEN)."""
    query, key = SHARPNESS * torch.eye(HIDDEN), SHARPNESS * torch.eye(HIDDEN)
    query[1] = key[1] = 0
    for row in range(0, HIDDEN, HIDDEN // HEADS):
        query[row] = key[row] = 0
        query[row, 0], key[row, 0] = -SHARPNESS, SHARPNESS
    return query, key
