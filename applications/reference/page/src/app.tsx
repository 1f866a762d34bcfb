import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Announcer } from "./components/announcer";
import { TokenDialog } from "./components/token-dialog";
import { HealthBanner, HealthIndicator, HealthProvider, usePolledHealth } from "./health";
import { href, parseRoute, VIEWS, type Route, type View } from "./route";
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
        class="skip-link"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          heading.current?.focus();
        }}
      >
        Skip to content
      </a>
      <header class="site-header">
        <div class="site-header-inner">
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
          <HealthIndicator />
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

/** The route in the address bar. */
function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = (): void => {
      setHash(location.hash);
    };
    addEventListener("hashchange", update);
    return () => {
      removeEventListener("hashchange", update);
    };
  }, []);
  return parseRoute(hash);
}

/**
 * Moves the focus to the heading when the view changes, so that a screen reader reads it as on a new page. The first
 * view does not take the focus.
 */
function useFocusOnChange(view: View): { current: HTMLHeadingElement | null } {
  const heading = useRef<HTMLHeadingElement>(null);
  const previous = useRef(view);
  useEffect(() => {
    if (previous.current !== view) {
      previous.current = view;
      heading.current?.focus();
      scrollTo(0, 0);
    }
  }, [view]);
  return heading;
}
