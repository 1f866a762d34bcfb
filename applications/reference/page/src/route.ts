export const VIEWS = ["search", "knowledge", "settings", "models", "status"] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  view: View;
  /** The part of the hash after `?`. */
  query: URLSearchParams;
}

/** Parses `#/view?query`. An unknown view is the search. */
export function parseRoute(hash: string): Route {
  const [name, query] = hash.replace(/^#\/?/, "").split("?", 2);
  return { view: VIEWS.find((view) => view === name) ?? "search", query: new URLSearchParams(query ?? "") };
}

/** The link to a view, as `#/view?query`. */
export function href(view: View, query: Readonly<Record<string, string>> = {}): string {
  const text = new URLSearchParams(query).toString();
  return `#/${view}${text === "" ? "" : `?${text}`}`;
}
