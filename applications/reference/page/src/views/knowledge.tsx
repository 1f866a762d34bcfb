import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { api } from "../api/client";
import type { KnowledgeItem } from "../api/shapes";
import { bytes, count, when } from "../format";
import { useLoaded } from "../use-polling";
import { announce } from "../components/announce";
import { Loading } from "../components/controls";
import { Confirm } from "../components/dialog";
import { Failure } from "../components/notice";
import { Crawl } from "./knowledge/crawl-form";
import { Drop } from "./knowledge/file-drop";
import { Jobs } from "./knowledge/job-list";
import { useJobs } from "./knowledge/jobs-store";

const POLL_SECONDS = 20;

export function Knowledge(): JSX.Element {
  const [page, setPage] = useState(1);
  const [filter, setFilter] = useState("");
  const list = useLoaded((signal) => api.items(page, filter, signal), [page, filter], POLL_SECONDS);
  const { jobs, upload, crawl, forget } = useJobs(list.reload);
  const [doomed, setDoomed] = useState<KnowledgeItem>();
  const [failure, setFailure] = useState<Error>();
  const stored = useRef<HTMLHeadingElement>(null);

  const remove = async (item: KnowledgeItem): Promise<void> => {
    setDoomed(undefined);
    setFailure(undefined);
    try {
      await api.deleteItem(item.source_id);
      announce(`${item.title} deleted`);
      // The button that was pressed goes with its item.
      stored.current?.focus();
    } catch (error) {
      setFailure(error as Error);
    }
    list.reload();
  };

  const { value } = list;
  return (
    <>
      <section class="adding" aria-label="Add">
        <Drop onFiles={upload} />
        <Crawl onUrl={crawl} />
      </section>
      <Jobs jobs={jobs} onForget={forget} />
      <section aria-labelledby="stored">
        <div class="section-head">
          <h2 id="stored" ref={stored} tabIndex={-1}>
            Stored {value && filter === "" && <span class="soft">{count(value.total, "document")}</span>}
          </h2>
          {(filter !== "" || (value && value.total > 5)) && (
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
        {failure && <Failure what="Deleting did not work" error={failure} />}
        {list.error && <Failure what="The list could not be loaded" error={list.error} retry={list.reload} />}
        {!value && !list.error && <Loading what="the list" />}
        {value?.total === 0 && (
          <p class="empty">
            {filter === ""
              ? "Nothing is stored yet. Drop a file above, and its passages can be found a moment later."
              : `No name contains “${filter}”.`}
          </p>
        )}
        <ul class="items">
          {value?.items.map((item) => (
            <Item
              key={item.source_id}
              item={item}
              onDelete={() => {
                setDoomed(item);
              }}
            />
          ))}
        </ul>
        {value && value.pages > 1 && (
          <nav class="pager" aria-label="Pages">
            <button
              type="button"
              class="quiet"
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
              class="quiet"
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
      {doomed && (
        <Confirm
          title={`Delete ${doomed.title}?`}
          action="Delete it"
          onConfirm={() => void remove(doomed)}
          onClose={() => {
            setDoomed(undefined);
          }}
        >
          <p>
            Its {count(doomed.metadata.chunks_count ?? 0, "passage")} can no longer be found. To have it back, it must
            be added again.
          </p>
        </Confirm>
      )}
    </>
  );
}

function Item({ item, onDelete }: { item: KnowledgeItem; onDelete: () => void }): JSX.Element {
  const { chunks_count: chunks, word_count: words, file_size: size } = item.metadata;
  const facts = [
    chunks && count(chunks, "passage"),
    words && count(words, "word"),
    size && bytes(size),
    when(item.created_at),
  ].filter(Boolean);
  return (
    <li class="item">
      <div>
        <h3>{item.title}</h3>
        <p class="soft">
          {item.source_type === "url" ? `${item.url} · ` : ""}
          {facts.join(" · ")}
        </p>
      </div>
      <button type="button" class="quiet" onClick={onDelete} aria-label={`Delete ${item.title}`}>
        Delete
      </button>
    </li>
  );
}
