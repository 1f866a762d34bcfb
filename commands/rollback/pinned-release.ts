import * as fs from "node:fs";
import { isMap, isNode, isScalar, parseDocument, stringify, type Document, type Pair } from "yaml";
import { explicitValue, project, stackFile } from "../../config/stack";
import { archon } from "../../lib/command-line";
import { UserError } from "../../lib/errors";
import { writeAtomically } from "../../lib/files";

/** The release that a stack's configuration pins; undefined if the stack runs what the checkout makes. */
export function pinnedRelease(stack: string): string | undefined {
  return explicitValue("release", stack) || undefined;
}

/**
 * Pins a stack to a release in its file, as `pulumi config` would, or unpins it, and runs `work`. If `work` returns false
 * or throws, the file is restored, unless something else has changed it meanwhile.
 *
 * @param id the release; undefined unpins the stack
 * @param work returns whether to keep the changed configuration
 */
export async function withPinnedRelease(
  stack: string,
  id: string | undefined,
  work: () => Promise<boolean>,
): Promise<boolean> {
  const file = stackFile(stack);
  const before = textOf(file);
  const written = withRelease(before ?? "", id, file);
  let kept = false;
  try {
    writeAtomically(file, written, 0o644);
    kept = await work();
    return kept;
  } finally {
    if (!kept && before !== undefined && textOf(file) === written) {
      writeAtomically(file, before, 0o644);
    }
  }
}

/** Pulumi takes a key without a prefix for one of the project. */
const keys = [`${project}:release`, "release"];

/**
 * The text of a stack's file with another release, or without one. Everything else stays as it is written.
 * @throws UserError for a text that is not YAML
 */
function withRelease(text: string, id: string | undefined, file: string): string {
  const rest = keys.reduce((left, key) => withoutKey(left, key, file), text);
  if (id === undefined) {
    return rest;
  }
  const document = parseText(rest, file);
  const config = document.get("config");
  const first = isMap(config) && config.flow !== true ? startOf(config.items[0]) : undefined;
  if (first === undefined) {
    if (!isMap(config)) {
      document.set("config", document.createNode({}));
    }
    document.setIn(["config", keys[0]], id);
    return document.toString({ lineWidth: 0 });
  }
  const indent = " ".repeat(first - lineStart(rest, first));
  return `${rest.slice(0, first)}${keys[0]}: ${stringify(id).trim()}\n${indent}${rest.slice(first)}`;
}

/** Takes out the lines of a key of `config`. */
function withoutKey(text: string, key: string, file: string): string {
  const document = parseText(text, file);
  const config = document.get("config");
  const pair = isMap(config) ? config.items.find((each) => isScalar(each.key) && each.key.value === key) : undefined;
  const [start, value] = [startOf(pair), isNode(pair?.value) ? pair.value.range : undefined];
  if (!isMap(config) || start === undefined || !value) {
    return text;
  }
  if (config.flow === true || config.items.length === 1) {
    config.delete(key);
    return document.toString({ lineWidth: 0 });
  }
  return text.slice(0, lineStart(text, start)) + text.slice(value[2]);
}

/** Where the key of a pair begins. */
function startOf(pair: Pair | undefined): number | undefined {
  return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
}

function lineStart(text: string, position: number): number {
  return text.lastIndexOf("\n", position - 1) + 1;
}

function parseText(text: string, file: string): Document {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    throw new UserError(`${file} is not YAML: ${error.message}\nCorrect it, then check with \`${archon("preview")}\`.`);
  }
  return document;
}

function textOf(file: string): string | undefined {
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined;
}
