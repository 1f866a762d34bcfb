import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { HealthBanner, HealthMark, HealthProvider, usePolledHealth } from "./health";
import { useRoute } from "./navigation";
import { Announcer } from "./components/announce";
import { TokenDialog } from "./components/token-dialog";
import { href, VIEWS, type Route, type View } from "./route";
import { Knowledge } from "./views/knowledge";
import { Models } from "./views/models";
import { Search } from "./views/search";
import { Settings } from "./views/settings";
import { Status } from "./views/status";

const TITLES: Readonly<Record<View, string>> = {
  search: "Search",
  knowledge: "Knowledge",
  settings: "Settings",
  models: "Models",
  status: "Status",
};

export function App(): JSX.Element {
  const route = useRoute();
  const health = usePolledHealth();
  const heading = useFocusOnChange(route.view);
  useEffect(() => {
    document.title = `${TITLES[route.view]} · Archon`;
  }, [route.view]);
  return (
    <HealthProvider value={health}>
      <a
        class="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          heading.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header class="top">
        <div class="top-inner">
          <a class="wordmark" href={href("search")}>
            Archon
          </a>
          <nav aria-label="Views">
            {VIEWS.map((view) => (
              <a key={view} href={href(view)} aria-current={view === route.view ? "page" : undefined}>
                {TITLES[view]}
              </a>
            ))}
          </nav>
          <HealthMark />
        </div>
      </header>
      <main id="content">
        <h1 ref={heading} tabIndex={-1}>
          {TITLES[route.view]}
        </h1>
        <HealthBanner />
        <Content route={route} />
      </main>
      <Announcer />
      <TokenDialog />
    </HealthProvider>
  );
}

function Content({ route }: { route: Route }): JSX.Element {
  switch (route.view) {
    case "search":
      return <Search query={route.query} />;
    case "knowledge":
      return <Knowledge />;
    case "settings":
      return <Settings />;
    case "models":
      return <Models />;
    case "status":
      return <Status />;
  }
}

/** Moves the focus to the heading when the view changes, as a newly loaded page would; not at the first. */
function useFocusOnChange(view: View): { current: HTMLHeadingElement | null } {
  const heading = useRef<HTMLHeadingElement>(null);
  const last = useRef(view);
  useEffect(() => {
    if (last.current !== view) {
      last.current = view;
      heading.current?.focus();
      scrollTo(0, 0);
    }
  }, [view]);
  return heading;
}
