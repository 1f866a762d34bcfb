/**
 * What a person types to run a command of this project: `./archon rollback --forward`. Messages that say what to run
 * next use it, so that this is the only place that knows how the command line is started.
 */
export function archon(words: string): string {
  return `./archon ${words}`;
}
