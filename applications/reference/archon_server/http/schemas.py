"""The JSON of the API, in Archon's shapes, so that Archon's clients can read this server's replies.

Names and order of the fields are stable. A field that is sometimes missing from the JSON has the default None and is
left unset; the routes of these replies leave unset fields out.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..passages import Code
from ..search.ranking import RankedPassage
from ..storage import Document, StoredPassage

_WORDS_PER_PAGE = 250
_LINK = re.compile(r"https?://|\]\(")


class ErrorDetail(BaseModel):
    error: str


class ErrorReply(BaseModel):
    """Every error but that of a request that does not fit the schema."""

    detail: ErrorDetail


class About(BaseModel):
    name: str
    version: str
    description: str
    status: str
    modules: list[str]


# Knowledge items


class ItemMetadata(BaseModel):
    """`file_size` is in bytes, `update_frequency` in days."""

    knowledge_type: str
    tags: list[str]
    source_type: Literal["file", "url"]
    status: str
    description: str | None
    group_name: str | None
    chunks_count: int
    word_count: int
    estimated_pages: float
    last_scraped: str
    file_name: str
    file_type: str
    file_size: int
    update_frequency: int
    code_examples_count: int


class KnowledgeItem(BaseModel):
    id: str
    title: str
    url: str
    source_id: str
    source_type: Literal["file", "url"]
    code_examples: list[Any]
    metadata: ItemMetadata
    created_at: str
    updated_at: str


class KnowledgeItemSummary(BaseModel):
    """`document_count` counts the passages."""

    source_id: str
    title: str
    url: str
    status: str
    document_count: int
    code_examples_count: int
    knowledge_type: str
    source_type: Literal["file", "url"]
    created_at: str
    updated_at: str
    metadata: ItemMetadata


class KnowledgeItemPage(BaseModel):
    items: list[KnowledgeItem]
    total: int
    page: int
    per_page: int
    pages: int


class KnowledgeItemSummaryPage(BaseModel):
    items: list[KnowledgeItemSummary]
    total: int
    page: int
    per_page: int
    pages: int


class SourceMetadata(BaseModel):
    knowledge_type: str
    tags: list[str]
    source_type: Literal["file", "url"]


class Source(BaseModel):
    source_id: str
    title: str
    summary: str | None
    metadata: SourceMetadata
    total_words: int
    update_frequency: int
    created_at: str
    updated_at: str


class SourceList(BaseModel):
    success: bool
    sources: list[Source]
    count: int


class PassageMetadata(BaseModel):
    url: str
    tags: list[str]
    source: str
    source_id: str
    source_type: Literal["file", "url"]
    knowledge_type: str
    filename: str
    headers: str
    has_code: bool
    has_links: bool
    chunk_index: int
    chunk_size: int
    char_count: int
    line_count: int
    word_count: int


class Chunk(BaseModel):
    id: int
    source_id: str
    content: str
    metadata: PassageMetadata
    url: str
    title: str
    section: str | None
    source_type: Literal["file", "url"]
    knowledge_type: str


class ChunkPage(BaseModel):
    success: bool
    source_id: str
    domain_filter: str | None
    chunks: list[Chunk]
    total: int
    limit: int
    offset: int
    has_more: bool


class CodeMetadata(BaseModel):
    language: str
    char_count: int


class CodeExample(BaseModel):
    """A fenced block; its `summary` is the headings that it stands under. `id` counts the item's blocks from 1."""

    source_id: str
    url: str
    chunk_number: int
    content: str
    summary: str
    metadata: CodeMetadata
    id: int


class CodeExamplePage(BaseModel):
    success: bool
    source_id: str
    code_examples: list[CodeExample]
    total: int
    limit: int
    offset: int
    has_more: bool


class Done(BaseModel):
    success: bool
    message: str


class ItemUpdated(Done):
    source_id: str


# Uploads, crawls and their progress


class UploadStarted(BaseModel):
    success: bool
    progressId: str
    message: str
    filename: str


class CrawlStarted(BaseModel):
    success: bool
    progressId: str
    message: str
    estimatedDuration: str


class RefreshStarted(BaseModel):
    progressId: str
    message: str


class CrawlStopped(BaseModel):
    success: bool
    message: str
    progressId: str


class GuessedEncoding(BaseModel):
    """An encoding that nothing names, so that it was guessed. `confidence` is in 0..1."""

    name: str
    confidence: float


class Progress(BaseModel):
    """How far an upload or a crawl is. `progress` is in percent and never falls.

    `leftOut` names what an uploaded file contains beside its text, such as images, and what could not be read.
    `withoutVector` has the positions (`chunk_index`) of passages that the embeddings endpoint refuses.

    It describes what `ingestion.jobs` builds: clients get that body as it is, with further counts of crawls.
    """

    model_config = ConfigDict(extra="allow")

    progressId: str
    status: str
    progress: int
    message: str
    logs: list[str]
    startedAt: str
    uploadType: str | None = None
    fileName: str | None = None
    url: str | None = None
    currentUrl: str | None = None
    totalPages: int | None = None
    processedPages: int | None = None
    chunksStored: int | None = None
    leftOut: list[str] | None = None
    guessedEncodings: list[GuessedEncoding] | None = None
    withoutVector: list[int] | None = None
    wordCount: int | None = None
    sourceId: str | None = None
    error: str | None = None


class ListedOperation(BaseModel):
    operation_id: str
    operation_type: Literal["upload", "crawl"]
    status: str
    progress: int
    message: str
    started_at: str | None
    source_id: str | None = None
    url: str | None = None
    current_url: str | None = None
    crawl_type: str | None = None
    pages_crawled: int | None = None
    total_pages: int | None = None
    documents_created: int | None = None
    code_blocks_found: int | None = None


class OperationList(BaseModel):
    operations: list[ListedOperation]
    count: int
    timestamp: str


# Search


class SearchHit(BaseModel):
    """`similarity_score` is in 0..1 within one search. `rerank_score` (0..1) is there only if the passage was reranked;
    `retrieval_rank` is its place before that, from 1.
    """

    id: int
    content: str
    metadata: PassageMetadata
    similarity_score: float
    retrieval_rank: int
    rerank_score: float | None = None


class SearchTimings(BaseModel):
    retrieval_ms: float
    rerank_ms: float
    total_ms: float


class SearchReply(BaseModel):
    """`search_error` says why vectors took no part in retrieval, `reranking_error` why the passages were not reranked,
    both only if they should have. `source` is the `source_id` that the search was limited to.
    """

    results: list[SearchHit]
    query: str
    source: str | None
    match_count: int
    total_found: int
    execution_path: str
    search_mode: Literal["keyword", "vector", "hybrid"]
    search_error: str | None
    return_mode: str
    reranking_enabled: bool
    reranking_applied: bool
    reranking_error: str | None
    model: str | None
    reranking_notice: str | None
    timings: SearchTimings
    success: bool


class CodeHit(BaseModel):
    code: str
    similarity: float
    url: str
    summary: str
    metadata: CodeMetadata
    source_id: str
    rerank_score: float | None = None


class CodeSearchReply(BaseModel):
    success: bool
    results: list[CodeHit]
    reranked: bool
    error: str | None


# Models


class ModelInfo(BaseModel):
    """`memory_bytes` is an estimate while the model is not loaded; `last_used` is ISO 8601."""

    name: str
    repo: str
    revision: str
    variant: str
    state: Literal["absent", "present", "loading", "ready", "failed"]
    error: str | None
    present: bool
    loaded: bool
    active: bool
    default: bool
    disk_bytes: int
    memory_bytes: int
    dtype: str | None
    load_seconds: float | None
    last_used: str | None


class ModelSwitch(BaseModel):
    """The last change of the active model that was requested. Times are ISO 8601."""

    to: str
    state: Literal["loading", "done", "failed"]
    started: str
    ended: str | None
    error: str | None


class ModelMemory(BaseModel):
    budget_bytes: int
    used_bytes: int
    container_bytes: int


class ModelList(BaseModel):
    """`notice` says why the chosen model is not the active one; `switch` is the last change that was requested."""

    models: list[ModelInfo]
    active: str | None
    default: str | None
    chosen: str | None
    notice: str | None
    switch: ModelSwitch | None
    memory: ModelMemory


class ModelActivation(BaseModel):
    success: bool
    active: str | None
    switch: ModelSwitch


# Health


class RerankingHealth(BaseModel):
    status: str
    model: str | None
    default: str | None
    error: str | None
    notice: str | None


HealthStatus = Literal["healthy", "draining", "initializing", "failed"]


class Health(BaseModel):
    """`ready` says whether the server is fit for traffic; `message`, if it is not, why."""

    status: HealthStatus
    service: str
    timestamp: str
    ready: bool
    credentials_loaded: bool
    schema_valid: bool
    release: str
    service_name: str
    reranking: RerankingHealth
    message: str | None = None


class ApiHealth(BaseModel):
    status: HealthStatus
    service: str
    timestamp: str


class ModelIdentity(BaseModel):
    name: str
    repo: str
    revision: str
    variant: str


class KnownAnswer(BaseModel):
    """Scores of a known question: of its own passage and of the best among the others."""

    query: str
    right: float
    best_other: float


class RecordedBaseline(BaseModel):
    """The baseline in the store, and how far the scores differ from it. `problem` says why they were not compared.

    `recorded` is ISO 8601; `tolerance` is the largest difference that is allowed.
    """

    recorded: str | None
    dtype: str | None
    answers: list[KnownAnswer]
    largest_difference: float | None
    tolerance: float | None
    problem: str | None


class KnownAnswers(BaseModel):
    passed: bool
    questions: list[KnownAnswer]
    recorded: RecordedBaseline | None


class ModelHealth(BaseModel):
    """How a model was loaded and what it answered, beside its baseline; all None without a model."""

    model: ModelIdentity | None
    error: str | None
    device: str | None
    dtype: str | None
    threads: int | None
    cuda_available: bool | None
    memory_bytes: int | None
    load_seconds: float | None
    known_answer: KnownAnswers


class _MlHealthHead(BaseModel):
    status: str
    environment_key: str
    versions: dict[str, str | None]
    default: str | None
    chosen: str | None
    notice: str | None


# The last base class comes first in the JSON.
class MlHealth(ModelHealth, _MlHealthHead):
    models: list[ModelHealth]


# What Archon's clients ask for and this server does not have


class ProjectList(BaseModel):
    """`projects` is always empty."""

    projects: list[str]
    count: int
    timestamp: str


class ProjectsSchema(BaseModel):
    projects_table: bool
    tasks_table: bool
    valid: bool


class ProjectsHealth(BaseModel):
    """`schema_missing` makes Archon's page leave projects out."""

    model_config = ConfigDict(populate_by_name=True)

    status: Literal["schema_missing"]
    service: Literal["projects"]
    tables: Annotated[ProjectsSchema, Field(alias="schema")]


class Pagination(BaseModel):
    total: int
    page: int
    per_page: int
    pages: int


class TaskList(BaseModel):
    """`tasks` is always empty."""

    tasks: list[str]
    pagination: Pagination


class McpStatus(BaseModel):
    """`docker_unavailable` is what Archon answers where it cannot see the container of its MCP server."""

    status: Literal["docker_unavailable"]
    container_status: Literal["docker_unavailable"]
    uptime: None
    logs: list[str]


class McpConfig(BaseModel):
    """Where clients find the MCP server, if there is one."""

    host: str
    port: int
    transport: Literal["streamable-http"]


# Settings


class CredentialRow(BaseModel):
    """A secret's `value` is "[ENCRYPTED]"."""

    key: str
    value: str
    is_encrypted: bool
    category: str | None
    description: str | None
    encrypted_value: None


class SecretInCategory(BaseModel):
    value: str
    is_encrypted: bool
    description: str | None


class CategoryCredentials(BaseModel):
    """By key: the value, or for a secret what is known of it."""

    credentials: dict[str, str | SecretInCategory]


class CredentialStatus(BaseModel):
    key: str
    value: str | None
    has_value: bool


class Credential(BaseModel):
    key: str
    value: str
    is_default: bool | None = None
    is_encrypted: bool | None = None
    category: str | None = None
    description: str | None = None
    has_value: bool | None = None


def knowledge_item(document: Document) -> KnowledgeItem:
    return KnowledgeItem(
        id=document.source_id,
        title=document.shown_title,
        url=_url(document),
        source_id=document.source_id,
        source_type=document.source_type,
        code_examples=[],
        metadata=_item_metadata(document),
        created_at=document.created_at,
        updated_at=_updated_at(document),
    )


def knowledge_item_summary(document: Document) -> KnowledgeItemSummary:
    return KnowledgeItemSummary(
        source_id=document.source_id,
        title=document.shown_title,
        url=_url(document),
        status=document.status,
        document_count=document.chunk_count,
        code_examples_count=document.code_count,
        knowledge_type=document.knowledge_type,
        source_type=document.source_type,
        created_at=document.created_at,
        updated_at=_updated_at(document),
        metadata=_item_metadata(document),
    )


def source(document: Document) -> Source:
    return Source(
        source_id=document.source_id,
        title=document.shown_title,
        summary=document.description,
        metadata=SourceMetadata(
            knowledge_type=document.knowledge_type, tags=list(document.tags), source_type=document.source_type
        ),
        total_words=document.word_count,
        update_frequency=document.update_frequency,
        created_at=document.created_at,
        updated_at=_updated_at(document),
    )


def chunk(passage: StoredPassage) -> Chunk:
    return Chunk(
        id=passage.id,
        source_id=passage.document.source_id,
        content=passage.text,
        metadata=_passage_metadata(passage),
        url=passage.url or _url(passage.document),
        title=passage.headings[-1] if passage.headings else passage.document.shown_title,
        section=" > ".join(passage.headings) or None,
        source_type=passage.document.source_type,
        knowledge_type=passage.document.knowledge_type,
    )


def code_example(passage: StoredPassage, code: Code, number: int) -> CodeExample:
    return CodeExample(
        source_id=passage.document.source_id,
        url=passage.url or _url(passage.document),
        chunk_number=passage.position,
        content=code.text,
        summary=" > ".join(passage.headings),
        metadata=_code_metadata(code),
        id=number,
    )


def search_hit(ranked: RankedPassage) -> SearchHit:
    passage = ranked.passage
    return SearchHit(
        id=passage.id,
        content=passage.text,
        metadata=_passage_metadata(passage),
        similarity_score=passage.similarity,
        retrieval_rank=ranked.retrieval_rank,
        **_rerank_score(ranked),
    )


def code_hit(ranked: RankedPassage, code: Code) -> CodeHit:
    passage = ranked.passage
    return CodeHit(
        code=code.text,
        similarity=passage.similarity,
        url=passage.url or _url(passage.document),
        summary=" > ".join(passage.headings),
        metadata=_code_metadata(code),
        source_id=passage.document.source_id,
        **_rerank_score(ranked),
    )


def _rerank_score(ranked: RankedPassage) -> dict[str, float]:
    return {} if ranked.rerank_score is None else {"rerank_score": ranked.rerank_score}


def _code_metadata(code: Code) -> CodeMetadata:
    return CodeMetadata(language=code.language, char_count=len(code.text))


def _item_metadata(document: Document) -> ItemMetadata:
    return ItemMetadata(
        knowledge_type=document.knowledge_type,
        tags=list(document.tags),
        source_type=document.source_type,
        status=document.status,
        description=document.description,
        group_name=document.group_name,
        chunks_count=document.chunk_count,
        word_count=document.word_count,
        estimated_pages=round(document.word_count / _WORDS_PER_PAGE, 1),
        last_scraped=_updated_at(document),
        file_name=document.filename,
        file_type=document.file_type,
        file_size=document.size,
        update_frequency=document.update_frequency,
        code_examples_count=document.code_count,
    )


def _passage_metadata(passage: StoredPassage) -> PassageMetadata:
    text, document = passage.text, passage.document
    return PassageMetadata(
        url=passage.url or _url(document),
        tags=list(document.tags),
        source=document.filename,
        source_id=document.source_id,
        source_type=document.source_type,
        knowledge_type=document.knowledge_type,
        filename=document.filename,
        headers=" > ".join(passage.headings),
        has_code=passage.has_code,
        has_links=bool(_LINK.search(text)),
        chunk_index=passage.position,
        chunk_size=len(text),
        char_count=len(text),
        line_count=text.count("\n") + 1,
        word_count=len(text.split()),
    )


def _url(document: Document) -> str:
    return document.url or f"file://{document.filename}"


def _updated_at(document: Document) -> str:
    return document.updated_at or document.created_at
