"""The model before training, initialised so that it already matches words of the question with words of the passage.

From random weights, a model of this size learns nothing in minutes on a CPU: it would first have to discover that equal
words matter. So the attention of its first layers is initialised to match similar words, and training refines that.
The coordinates of a word vector are

- 0: the segment (question or passage), so that words attend to words of the other segment,
- 1: how rare the word is,
- the others: random, and mostly equal for words with the same stem. The last `TEACHER_WIDTH` of them are the teacher's
  vector of the word instead.
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

VOCABULARY_SIZE = 14000
HIDDEN = 192
HEADS = 4
LAYERS = 3
MATCHING_LAYERS = 2
INTERMEDIATE = 384
MAX_TOKENS = 256
"""Length limit of question and passage together, in tokens."""

TEACHER_WIDTH = 96
"""Coordinates of a word vector that come from the teacher."""

STEM_SHARE = 0.8
RARITY_SCALE = 2.0
SEGMENT_SCALE = 3.0
ATTENTION_SCALE = 1.2
POSITION_NOISE = 0.05

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def new_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A lower-case WordPiece tokenizer with a vocabulary learned from `texts`."""
    tokenizer = _wordpiece()
    tokenizer.model = models.WordPiece(vocabulary(texts), unk_token="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def vocabulary(texts: Sequence[str]) -> dict[str, int]:
    """Maps VOCABULARY_SIZE word pieces to their ids, reproducibly for the same texts.

    The trainer numbers letters in an order that differs between runs, and the ids decide between pieces of equal
    frequency. Letters that are passed as special tokens keep their ids.
    """
    tokenizer = _wordpiece()
    normalized = (tokenizer.normalizer.normalize_str(text) for text in texts)
    words = {word for text in normalized for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)}
    letters = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY_SIZE, special_tokens=[*SPECIAL_TOKENS, *letters], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    pieces = (*SPECIAL_TOKENS, *sorted(set(tokenizer.get_vocab()) - set(SPECIAL_TOKENS)))
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
    """A cross-encoder with one logit for each pair, ready for training."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE,
        max_position_embeddings=MAX_TOKENS,
        num_labels=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForSequenceClassification(config)
    # Not verbose, or the tokenizer would warn about passages that are too long for the model. They are only counted.
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    with torch.no_grad():
        embeddings = model.bert.embeddings
        embeddings.word_embeddings.weight.copy_(word_vectors(tokenizer, encoded, teacher))
        positions = embeddings.position_embeddings.weight.normal_(0, POSITION_NOISE)
        positions[:, :2] = 0
        segments = embeddings.token_type_embeddings.weight.zero_()
        segments[0, 0], segments[1, 0] = SEGMENT_SCALE, -SEGMENT_SCALE
        for layer in model.bert.encoder.layer[:MATCHING_LAYERS]:
            query, key = matching_weights()
            layer.attention.self.query.weight.copy_(query)
            layer.attention.self.key.weight.copy_(key)
    return model


def word_vectors(
    tokenizer: PreTrainedTokenizerFast, encoded: Sequence[Sequence[int]], teacher: Teacher
) -> torch.Tensor:
    """The initial vector of each token, shape (vocabulary, HIDDEN)."""
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    stem_ids: dict[str, int] = {}
    stem_of = torch.tensor([stem_ids.setdefault(stem(t) if t.isalpha() else t, len(stem_ids)) for t in tokens])
    shared = torch.randn(len(stem_ids), HIDDEN)[stem_of]
    vectors = STEM_SHARE * shared + math.sqrt(1 - STEM_SHARE**2) * torch.randn(len(tokens), HIDDEN)
    vectors[:, HIDDEN - TEACHER_WIDTH :] = teacher_vectors(tokens, teacher)
    vectors[:, 0] = 0
    vectors[:, 1] = RARITY_SCALE * rarity(encoded, len(tokens))
    return vectors


def rarity(encoded: Sequence[Sequence[int]], vocabulary_size: int) -> torch.Tensor:
    """The inverse document frequency of each token with mean 0 and standard deviation 1, shape (vocabulary,)."""
    document_frequency = Counter(token for ids in encoded for token in set(ids))
    idf = torch.tensor(
        [math.log((len(encoded) + 1) / (document_frequency[token] + 1)) for token in range(vocabulary_size)]
    )
    return (idf - idf.mean()) / idf.std()


def teacher_vectors(tokens: Sequence[str], teacher: Teacher) -> torch.Tensor:
    """The teacher's vector of each token, shape (vocabulary, TEACHER_WIDTH), with a mean square of 1 per coordinate.

    They are reduced to the largest principal components and rotated at random, so that the attention heads share them.
    """
    vectors = torch.from_numpy(teacher.vectors([token.removeprefix("##") for token in tokens]))
    vectors = vectors - vectors.mean(0)
    _, _, directions = torch.linalg.svd(vectors, full_matrices=False)
    vectors = functional.normalize(vectors @ directions[:TEACHER_WIDTH].T, dim=1) * math.sqrt(TEACHER_WIDTH)
    rotation, _ = torch.linalg.qr(torch.randn(TEACHER_WIDTH, TEACHER_WIDTH))
    return vectors @ rotation


def matching_weights() -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key weights with which a token attends to similar tokens of the other segment, (HIDDEN, HIDDEN)."""
    query, key = ATTENTION_SCALE * torch.eye(HIDDEN), ATTENTION_SCALE * torch.eye(HIDDEN)
    query[1] = key[1] = 0
    for row in range(0, HIDDEN, HIDDEN // HEADS):
        query[row] = key[row] = 0
        query[row, 0], key[row, 0] = -ATTENTION_SCALE, ATTENTION_SCALE
    return query, key
