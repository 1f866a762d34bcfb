/**
 * What a person types to run a command of this project, such as `./archon rollback --forward`. Every message that says
 * what to run next uses it.
 */
export function archon(words: string): string {
  return `./archon ${words}`;
}
