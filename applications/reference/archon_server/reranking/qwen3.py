"""The prompt of Qwen3-Reranker's model card for a question and a passage, as a chat template.

The model is a causal language model that continues with "yes" or "no"; the score is the probability of "yes".
sentence-transformers renders a pair through the tokenizer's chat template, as messages of the roles "query" and
"document". Snapshots that ship `modules.json` also ship a template that knows these roles. The others get this one:
without it the two texts would be scored as one plain text, or as a chat that never asks for a judgement.
"""

ARCHITECTURE = "Qwen3ForCausalLM"

_SYSTEM = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
_TASK = "Given a web search query, retrieve relevant passages that answer the query"

CHAT_TEMPLATE = (
    f"<|im_start|>system\n{_SYSTEM}<|im_end|>\n"
    f"<|im_start|>user\n<Instruct>: {_TASK}\n"
    "<Query>: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}\n"
    "<Document>: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>\n"
    # As an expression: a template's own last newline is cut off, and the model was trained with both.
    "<|im_start|>assistant\n<think>\n\n</think>{{ '\\n\\n' }}"
)
