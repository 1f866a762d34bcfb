"""Makes tiny models of the real architectures, trained until they pass the server's baseline check.

Their weights say nothing about other texts, so they show that the parts work together, not that results are
relevant. Needs torch and transformers.
"""

import random
from pathlib import Path

import torch
from sentence_transformers import CrossEncoder
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

from archon_server.reranking.baseline import KNOWN_PAIRS
from archon_server.reranking.hf_cache import snapshot as hub_snapshot
from archon_server.settings import Model

TASK = "Given a web search query, retrieve relevant passages that answer the query"
PREFIX = (
    "<|im_start|>system\n"
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

_TEXTS = [text for pair in KNOWN_PAIRS for text in pair]
_REVISION = "0123456789abcdef0123456789abcdef01234567"


def model_card_prompt(query: str, passage: str) -> str:
    """The prompt of Qwen3-Reranker's model card, written independently of the server."""
    return f"{PREFIX}<Instruct>: {TASK}\n<Query>: {query}\n<Document>: {passage}{SUFFIX}"


def write_qwen3(hub: Path, *, dtype: torch.dtype = torch.float32) -> Model:
    """A Qwen3ForCausalLM as first published: without modules.json, and with a chat template that ignores pairs."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = [*_TEXTS, model_card_prompt("yes", "no"), *["yes no"] * 50]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=800, special_tokens=SPECIAL, initial_alphabet=alphabet)
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=SPECIAL[0], eos_token=SPECIAL[2])
    tokenizer.chat_template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"

    torch.manual_seed(0)
    network = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
        )
    )
    prompts = [model_card_prompt(query, passage) for query, _ in KNOWN_PAIRS for _, passage in KNOWN_PAIRS]
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])

    def scores() -> torch.Tensor:
        last = network(**batch).logits[:, -1]
        return last[:, yes] - last[:, no]

    _train(network, scores)
    return _save(network.to(dtype), tokenizer, hub, "tiny/qwen3")


def write_bert(hub: Path, *, labels: int = 1, inverted: bool = False) -> Model:
    """A BERT cross-encoder; if `inverted`, it learns to put the wrong passages first."""
    wordpiece = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    wordpiece.normalizer = normalizers.BertNormalizer(lowercase=True)
    wordpiece.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    wordpiece.train_from_iterator(
        _TEXTS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    )
    wordpiece.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=wordpiece,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )

    torch.manual_seed(0)
    network = BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=256,
            num_labels=labels,
            hidden_dropout_prob=0,
            attention_probs_dropout_prob=0,
        )
    )
    queries = [query for query, _ in KNOWN_PAIRS for _ in KNOWN_PAIRS]
    batch = tokenizer(
        queries, [passage for _, passage in KNOWN_PAIRS] * len(KNOWN_PAIRS), return_tensors="pt", padding=True
    )
    sign = -1 if inverted else 1
    _train(network, lambda: sign * network(**batch).logits[:, 0])
    return _save(network, tokenizer, hub, "tiny/bert")


def write_qwen3_classifier(hub: Path) -> Model:
    """The same as a Qwen3ForSequenceClassification, which has a head with one score instead of words."""
    source = write_qwen3(hub / "source")
    path = hub_snapshot(hub / "source", source)
    network = Qwen3ForSequenceClassification.from_pretrained(path, num_labels=1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(path)
    tokenizer.chat_template = None
    network.config.pad_token_id = tokenizer.pad_token_id
    pairs = [
        [query for query, _ in KNOWN_PAIRS for _ in KNOWN_PAIRS],
        [passage for _, passage in KNOWN_PAIRS] * len(KNOWN_PAIRS),
    ]
    batch = tokenizer(*pairs, return_tensors="pt", padding=True)
    _train(network, lambda: network(**batch).logits[:, 0])
    return _save(network, tokenizer, hub, "tiny/qwen3-classifier")


def damage(path: Path, seed: int) -> None:
    """Zeroes 4 KiB in the second half of a weights file, after the embeddings; it can still be loaded."""
    content = bytearray(path.read_bytes())
    start = random.Random(seed).randrange(len(content) // 2, len(content) - 4096) // 4 * 4
    content[start : start + 4096] = bytes(4096)
    replace_file(path, bytes(content))


def replace_file(path: Path, content: bytes) -> None:
    """Replaces the file by a rename, as the store does, because loaded weights are the file mapped into memory."""
    beside = path.with_name("new")
    beside.write_bytes(content)
    beside.replace(path)


def add_modules_json(hub: Path, model: Model, chat_template: str) -> None:
    """Makes a Qwen3 snapshot define how its pairs are built, as newer ones do."""
    path = str(hub_snapshot(hub, model))
    CrossEncoder(path, local_files_only=True, processor_kwargs={"chat_template": chat_template}).save_pretrained(path)


def _train(network: torch.nn.Module, scores) -> None:
    """Trains until each question's own passage leads by a clear margin."""
    # More threads do not help with matrices this small, and on a busy machine they wait for each other very long.
    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    right = torch.eye(len(KNOWN_PAIRS)).flatten()
    for _ in range(500):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores(), right)
        if loss < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    else:
        raise AssertionError("the tiny model did not learn to pass the baseline check")
    network.eval()


def _save(network, tokenizer, hub: Path, repo: str) -> Model:
    model = Model(repo.partition("/")[2], repo, _REVISION)
    path = hub_snapshot(hub, model)
    path.mkdir(parents=True)
    network.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return model
