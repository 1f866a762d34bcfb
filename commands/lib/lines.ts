/** Cuts a stream of text into lines. Progress bars end theirs with a carriage return, so that ends a line too. */
export function lineSplitter(onLine: (line: string) => void): { push(chunk: string): void; end(): void } {
  let rest = "";
  return {
    push(chunk) {
      const parts = (rest + chunk).split(/\r?\n|\r(?!\n|$)/);
      rest = parts.pop() ?? "";
      parts.forEach(onLine);
    },
    end() {
      if (rest !== "") {
        onLine(rest.replace(/\r$/, ""));
      }
      rest = "";
    },
  };
}
