import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { KnowledgeItem } from "../api/types";
import { announce } from "../components/announcer";
import { Loading } from "../components/controls";
import { Confirm } from "../components/dialog";
import { ErrorNotice } from "../components/notice";
import { formatBytes, formatDateTime, pluralise } from "../format";
import { usePolling } from "../use-polling";
import { CrawlForm } from "./knowledge/crawl-form";
import { FileDrop } from "./knowledge/file-drop";
import { JobList } from "./knowledge/job-list";
import { useJobs } from "./knowledge/jobs-store";

const POLL_SECONDS = 20;
/** The filter is shown from this many documents on. */
const FILTER_FROM = 6;

export function Knowledge(): JSX.Element {
  const [page, setPage] = useState(1);
  const [filter, setFilter] = useState("");
  const list = usePolling((signal) => api.items(page, filter, signal), [page, filter], POLL_SECONDS);
  const { jobs, upload, crawl, dismiss } = useJobs(list.reload);
  const [pendingDelete, setPendingDelete] = useState<KnowledgeItem>();
  const [deleteError, setDeleteError] = useState<Error>();
  const heading = useRef<HTMLHeadingElement>(null);

  const remove = async (item: KnowledgeItem): Promise<void> => {
    setPendingDelete(undefined);
    setDeleteError(undefined);
    try {
      await api.deleteItem(item.source_id);
      announce(`${item.title} deleted`);
      // The button that had the focus is removed with its item.
      heading.current?.focus();
    } catch (error) {
      setDeleteError(error as Error);
    }
    list.reload();
  };

  const { value } = list;
  return (
    <>
      <section class="add-documents" aria-label="Add documents">
        <FileDrop onFiles={upload} />
        <CrawlForm onUrl={crawl} />
      </section>
      <JobList jobs={jobs} onDismiss={dismiss} />
      <section aria-labelledby="stored">
        <div class="section-head">
          <h2 id="stored" ref={heading} tabIndex={-1}>
            Stored {value && filter === "" && <span class="muted">{pluralise(value.total, "document")}</span>}
          </h2>
          {(filter !== "" || (value && value.total >= FILTER_FROM)) && (
            <input
              type="search"
              aria-label="Filter by name"
              placeholder="Filter by name"
              value={filter}
              onInput={(event) => {
                setFilter(event.currentTarget.value);
                setPage(1);
              }}
            />
          )}
        </div>
        {deleteError && <ErrorNotice what="The document could not be deleted" error={deleteError} />}
        {list.error && <ErrorNotice what="The list could not be loaded" error={list.error} retry={list.reload} />}
        {!value && !list.error && <Loading what="the list" />}
        {value?.total === 0 && (
          <p class="empty">
            {filter === ""
              ? "Nothing is stored yet. Drop a file above; you can search it a moment later."
              : `No name contains “${filter}”.`}
          </p>
        )}
        <ul class="items">
          {value?.items.map((item) => (
            <Item
              key={item.source_id}
              item={item}
              onDelete={() => {
                setPendingDelete(item);
              }}
            />
          ))}
        </ul>
        {value && value.pages > 1 && (
          <nav class="pager" aria-label="Pages">
            <button
              type="button"
              class="secondary"
              disabled={page <= 1}
              onClick={() => {
                setPage(page - 1);
              }}
            >
              Previous
            </button>
            <span>
              {page} of {value.pages}
            </span>
            <button
              type="button"
              class="secondary"
              disabled={page >= value.pages}
              onClick={() => {
                setPage(page + 1);
              }}
            >
              Next
            </button>
          </nav>
        )}
      </section>
      {pendingDelete && (
        <Confirm
          title={`Delete ${pendingDelete.title}?`}
          action="Delete"
          onConfirm={() => void remove(pendingDelete)}
          onClose={() => {
            setPendingDelete(undefined);
          }}
        >
          <p>
            This removes the document and its {pluralise(pendingDelete.metadata.chunks_count, "passage")} from the
            search. To restore it, you have to add it again.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Item({ item, onDelete }: { item: KnowledgeItem; onDelete: () => void }): JSX.Element {
  const { chunks_count: chunks, word_count: words, file_size: size } = item.metadata;
  const facts = [
    chunks && pluralise(chunks, "passage"),
    words && pluralise(words, "word"),
    size && formatBytes(size),
    formatDateTime(item.created_at),
  ].filter(Boolean);
  return (
    <li class="item">
      <div>
        <h3>{item.title}</h3>
        <p class="muted">
          {item.source_type === "url" ? `${item.url} · ` : ""}
          {facts.join(" · ")}
        </p>
      </div>
      <button type="button" class="secondary" onClick={onDelete} aria-label={`Delete ${item.title}`}>
        Delete
      </button>
    </li>
  );
}
