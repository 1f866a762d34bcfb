import dockerignore from "@balena/dockerignore";
import * as fs from "node:fs";
import * as path from "node:path";
import { digest, digestFiles, readFile, readTree, type SourceFile } from "./hashing";

/**
 * Paths of the build context that a Dockerfile reads: the sources of COPY, ADD and bind mounts, except those that come
 * from another stage or image.
 * @param args build arguments, for paths with `${NAME}`
 */
export function contextSources(dockerfile: string, args: Readonly<Record<string, string>> = {}): string[] {
  const sources = new Set<string>();
  for (const line of dockerfile.replace(/\\\r?\n/g, " ").split(/\r?\n/)) {
    const [instruction = "", ...words] = line.trim().split(/\s+/);
    if (/^(copy|add)$/i.test(instruction)) {
      const paths = words.filter((word) => !word.startsWith("--"));
      if (!words.some((word) => word.startsWith("--from="))) {
        paths.slice(0, -1).forEach((source) => sources.add(normalise(withArguments(source, args))));
      }
    }
    for (const [, options = ""] of line.matchAll(/--mount=(\S+)/g)) {
      const fields = new Map(options.split(",").map((field) => field.split("=", 2) as [string, string | undefined]));
      const source = fields.get("source") ?? fields.get("src");
      if (fields.get("type") === "bind" && !fields.has("from") && source !== undefined) {
        sources.add(normalise(source));
      }
    }
  }
  return [...sources].sort();
}

/**
 * Tag that stands for everything that enters an image: the Dockerfile, the files it reads, the build arguments.
 * @param dockerfile relative to the context, or absolute
 * @param paths what enters the image of the files that the Dockerfile reads. @default all of them
 * @returns 16 hex digits.
 * @throws Error when the Dockerfile reads a path that is not in the context.
 */
export function contentTag(
  context: string,
  dockerfile: string,
  args: Readonly<Record<string, string>>,
  paths?: readonly string[],
): string {
  const recipe = path.isAbsolute(dockerfile)
    ? readFile(path.dirname(dockerfile), path.basename(dockerfile))
    : readFile(context, dockerfile);
  const ignore = ignoreRules(context);
  const sources = paths ?? contextSources(Buffer.from(recipe.bytes).toString("utf8"), args);
  const files = sources.flatMap((source) => readSource(context, source, ignore));
  const pairs = Object.entries(args).sort(([a], [b]) => (a < b ? -1 : 1));
  return digest(digestFiles([recipe, ...files]), ...pairs.flat()).slice(0, 16);
}

function readSource(context: string, source: string, ignore: (relative: string) => boolean): SourceFile[] {
  const absolute = path.join(context, source);
  if (!fs.existsSync(absolute)) {
    throw new Error(`The Dockerfile reads "${source}", which is not in ${context}.`);
  }
  if (!fs.statSync(absolute).isDirectory()) {
    return [readFile(context, source)];
  }
  return readTree(absolute, (relative) => !ignore(path.posix.join(source, relative))).map((file) => ({
    ...file,
    path: path.posix.join(source, file.path),
  }));
}

function ignoreRules(context: string): (relative: string) => boolean {
  const file = path.join(context, ".dockerignore");
  const rules = dockerignore();
  if (fs.existsSync(file)) {
    rules.add(fs.readFileSync(file, "utf8"));
  }
  // Python leaves byte code beside sources that were run. It is no content.
  return (relative) => relative.split("/").includes("__pycache__") || rules.ignores(relative);
}

function withArguments(source: string, args: Readonly<Record<string, string>>): string {
  return source.replace(/\$\{(\w+)\}/g, (text, name: string) => args[name] ?? text);
}

function normalise(source: string): string {
  return path.posix.normalize(source).replace(/\/$/, "");
}
