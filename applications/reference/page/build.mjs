// Bundles the page into dist/: index.html, and below assets/ one script, one style sheet and the icon, each with the hash of
// its content in its name. The style sheet and the icon are inputs like the sources, so a broken reference ends the build.
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
  // Here too, since the build in the image does not see the checkout's tsconfig.json, which the page's own extends.
  tsconfigRaw: "{}",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  metafile: true,
});

const outputs = Object.entries(metafile.outputs);
const html = readFileSync(join(here, "index.html"), "utf8").replace(/\{\{(.+?)\}\}/g, (_, source) => {
  const file = outputs.find(([, { entryPoint, inputs }]) => (entryPoint ?? Object.keys(inputs)[0]) === source)?.[0];
  if (file === undefined) {
    throw new Error(
      `index.html names ${source}, which is not built; built are ${outputs.map(([name]) => name).join(", ")}`,
    );
  }
  return `/${file.replace(/^dist\//, "")}`;
});
mkdirSync(dist, { recursive: true });
writeFileSync(join(dist, "index.html"), html);
for (const [file, { bytes }] of outputs) {
  console.log(`${file} ${bytes} bytes`);
}
