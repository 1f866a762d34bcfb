// Bundles the page into dist/: index.html, and in assets/ the script, the style sheet and the icon, each with a hash of
// its content in its name. index.html names the sources as {{path}}; a name that was not built makes the build fail.
import { build } from "esbuild";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");

rmSync(dist, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.tsx", style: "styles.css", icon: "icon.svg" },
  entryNames: "assets/[name]-[hash]",
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  // esbuild must not read tsconfig.json: it extends the checkout's, which is missing where the image is built.
  tsconfigRaw: "{}",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  metafile: true,
});

const outputs = Object.entries(metafile.outputs);
const html = readFileSync(join(here, "index.html"), "utf8").replace(/\{\{(.+?)\}\}/g, (_, source) => {
  // A copied file, such as the icon, is no entry point of its own.
  const file = outputs.find(([, { entryPoint, inputs }]) => (entryPoint ?? Object.keys(inputs)[0]) === source)?.[0];
  if (file === undefined) {
    const built = outputs.map(([name]) => name).join(", ");
    throw new Error(`index.html refers to ${source}, which was not built. Built: ${built}.`);
  }
  return `/${file.replace(/^dist\//, "")}`;
});
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "index.html"), html);
for (const [file, { bytes }] of outputs) {
  console.log(`${file} ${bytes} bytes`);
}
